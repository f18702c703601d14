"""What the extractors find on one page, and which of them wins: for writing a site file.

Every extractor is asked, also those that a reading would not need; without a site, those of every
shipped site file are tried as well.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.addresses import RefusedAddressError, host_of
from crawler.sites.charset import decode_page
from crawler.sites.extractors import EXTRACTORS
from crawler.sites.pages import (
    FIELDS,
    ListingPage,
    PageInput,
    PageReading,
    ProductPage,
    UnreadablePage,
    page_object,
    read_page,
)
from crawler.sites.sitefile import Site, load_site, parse_site_file, shipped_programs
from crawler.sites.timelimit import ReadingTime, TimeLimitReached
from runtime.config import SiteConfig

SHOWN_CHARS = 100
SHOWN_LINKS = 5
# What tells that a page is made by a shipped site file's program; breadcrumbs look alike.
_OWN = frozenset({"selectors", "embedded"})
_TELLING = frozenset({"title", "image", "products"})


@dataclass(frozen=True)
class Finding:
    """One thing that one extractor found; `wins` when a reading takes it."""

    field: str
    extractor: str
    found: str
    wins: bool


@dataclass(frozen=True)
class PageCheck:
    """What is found on a page, read as a product's page or as a listing."""

    url: str
    site: str
    encoding: str
    page_kind: str
    findings: tuple[Finding, ...]
    reading: PageReading | None
    problem: str | None

    def to_json(self) -> dict[str, Any]:
        """For programs: the findings, and the reading that a crawl would make."""
        reading = self.reading
        return {
            "url": self.url,
            "site": self.site,
            "encoding": self.encoding,
            "page_kind": self.page_kind,
            "findings": [vars(finding) for finding in self.findings],
            "problem": self.problem,
            "sightings": [] if reading is None else [vars(s) for s in reading.sightings],
            "links": [] if reading is None else [vars(link) for link in reading.links],
            "opt_out": None if reading is None else reading.opt_out,
            "notes": [] if reading is None else list(reading.notes),
        }

    def to_text(self) -> str:
        """For people: a table of the findings, the winner of each field marked."""
        lines = [f"{self.url}: {self.page_kind} page of {self.site}, {self.encoding}"]
        if self.problem is not None:
            return f"{lines[0]}\nunreadable: {self.problem}"
        rows = [(f.field, f.extractor, "wins" if f.wins else "", f.found) for f in self.findings]
        lines += _table([("field", "extractor", "", "found"), *rows])
        assert self.reading is not None  # there is one unless there is a problem
        if not self.findings:
            lines.append("nothing was found: name its selectors in a site file")
        if self.reading.opt_out:
            lines.append(f"opt-out: {self.reading.opt_out}")
        lines += [f"note: {note}" for note in self.reading.notes]
        return "\n".join(lines)


def any_site(url: str, key: str = "any", program: str | None = None) -> Site:
    """A site for a page whose shop is not configured; `program` names a shipped site file."""
    try:
        host = host_of(url)
    except RefusedAddressError:
        host = "shop.invalid"  # a saved page without an address
    scheme = "https" if url.startswith("https:") else "http"
    config = SiteConfig(key=key, program=program or "any", base_url=f"{scheme}://{host}")
    if program is not None:
        return load_site(config, Path())
    return Site(config, parse_site_file({"url": {"product": "."}}, "any"))


def check_page(page: PageInput, site: Site | None, *, is_address_known: bool) -> list[PageCheck]:
    """What every extractor finds on the page; at least one check.

    With a site, as its site file reads it. Without one: as a page of an unknown shop, and by each
    shipped site file whose own selectors find something. Where the page's address does not tell
    whether it is a product's or a listing, it is read as both.
    """
    if site is not None:
        kinds = (None,) if is_address_known else ("product", "listing")
        return _telling([_check(page, site, kind) for kind in kinds])
    checks = _telling([_check(page, any_site(page.url), kind) for kind in ("product", "listing")])
    for program in shipped_programs():
        shop = any_site(page.url, program, program)
        for kind in (None,) if is_address_known else ("product", "listing"):
            check = _check(page, shop, kind)
            if any(f.extractor in _OWN and f.field in _TELLING for f in check.findings):
                checks.append(check)
    return checks


def _telling(checks: list[PageCheck]) -> list[PageCheck]:
    """Those that found something; the first, where none did."""
    return [check for check in checks if check.findings] or checks[:1]


def _check(page: PageInput, site: Site, kind: str | None) -> PageCheck:
    content_type = next((v for k, v in page.headers if k.lower() == "content-type"), None)
    encoding, _ = decode_page(page.body, content_type)
    reading, problem = None, None
    findings: list[Finding] = []
    time = ReadingTime()
    try:
        read_page(page, site)  # says by name what it cannot read
        with time.watching():
            shown = page_object(page, site, time, kind)
            kind = "product" if isinstance(shown, ProductPage) else "listing"
            findings = list(_findings(shown))
            reading = PageReading(
                shown.sightings(), shown.links(), shown.opt_out,
                tuple(dict.fromkeys(shown.reading.notes)),
            )  # fmt: skip
    except UnreadablePage as error:
        problem = str(error)
    except TimeLimitReached:
        problem = "asking every extractor took too much processor time"
    return PageCheck(
        page.url, site.key, encoding, kind or "unknown", tuple(findings), reading, problem
    )  # fmt: skip


def _findings(page: ProductPage | ListingPage) -> Iterator[Finding]:
    if isinstance(page, ProductPage):
        yield from _product_findings(page)
    else:
        yield from _listing_findings(page)
    links = page.links()
    targets = [link.target_url for link in links if link.kind == "next"]
    if targets:
        yield Finding("next page", "links", ", ".join(targets), True)
    for kind in ("product", "category"):
        targets = [link.target_url for link in links if link.kind == kind]
        if targets:
            yield Finding(f"{kind} links", "links", _counted(targets), True)


def _product_findings(page: ProductPage) -> Iterator[Finding]:
    sightings = page.sightings()
    winners = sightings[0].extracted_by if sightings else {}
    names = [*page.site.file.extractors, *(n for n in EXTRACTORS)]
    found = {name: page.reading.fields(name) for name in dict.fromkeys(names)}
    for field in FIELDS:
        own = winners.get(field)
        if own is not None and own not in {EXTRACTORS[n].label for n in found}:
            yield Finding(field, own, _shown(getattr(page, field)), True)
        for name, fields in found.items():
            value = getattr(fields, field)
            if field == "image" and value:
                value = page.image_url(value) or f"{value} (leads nowhere)"
            if value:
                label = EXTRACTORS[name].label
                yield Finding(field, label, _shown(value), label == own)


def _listing_findings(page: ListingPage) -> Iterator[Finding]:
    sightings = page.sightings()
    for name in dict.fromkeys([*page.site.file.extractors, *EXTRACTORS]):
        label = EXTRACTORS[name].label
        tiles = page.reading.tiles(name)
        if not tiles:
            continue
        urls = [tile.url for tile in tiles]
        yield Finding("products", label, _counted(urls), bool(sightings))
        for field in ("title", "image"):
            values = [value for tile in tiles if (value := getattr(tile, field))]
            wins = any(sighting.extracted_by.get(field) == label for sighting in sightings)
            if values:
                yield Finding(f"{field}s", label, _counted(values), wins)
    path, by = page.category_path()
    if path and by:
        yield Finding("category_path", by, _shown(path), True)


def _shown(value: str | Sequence[str]) -> str:
    return value if isinstance(value, str) else " > ".join(value)


def _counted(values: Sequence[str]) -> str:
    more = len(values) - SHOWN_LINKS
    shown = " · ".join(values[:SHOWN_LINKS])
    return f"{len(values)}: {shown}" + (f" · and {more} more" if more > 0 else "")


def _table(rows: Sequence[tuple[str, ...]]) -> Iterable[str]:
    """Columns as wide as their cells look: a Chinese character takes two places."""
    widths = [max(_width(row[i]) for row in rows) for i in range(len(rows[0]) - 1)]
    for row in rows:
        cells = [
            cell + " " * (width - _width(cell))
            for cell, width in zip(row[:-1], widths, strict=True)
        ]
        last = row[-1] if len(row[-1]) <= SHOWN_CHARS else row[-1][: SHOWN_CHARS - 1] + "…"
        yield "  ".join([*cells, last]).rstrip()


def _width(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)
