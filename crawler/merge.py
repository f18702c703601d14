"""The merge stage: all sightings of one record become one listing.

The product page before the grid, then the sighting with more fields, then the smallest canonical
URL; every category path is kept. Sightings come sorted by record, so one record is in memory at
a time; of the links only those between listing pages are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa

from crawler.categories import Hop, paths_from_links
from crawler.sites.sitefile import Site
from runtime.parts import PartFolder, run_key
from runtime.stages import Context, Counts, StageResult, warn
from runtime.storage import read_json, write_json
from runtime.streams import chunks
from runtime.tables import DECISIONS, LISTINGS
from runtime.workspace import Run

VERSION = "1"
RULE = "merged_sighting_v1"
Row = dict[str, Any]


@dataclass(frozen=True)
class _Work:
    """One site's merge; `starts` are where category paths begin."""

    run: Run
    site: str
    key: str
    part_rows: int
    category_from_links: bool
    starts: tuple[str, ...]


def merge(context: Context, sites: Sequence[Site]) -> StageResult:
    """Merge every crawled site whose sightings changed since the last merge."""
    run = context.run
    works = []
    for site in sites:
        seals = {f.table.name: f.seal(site.key) for f in (run.sightings, run.links, run.pages)}
        if not all(seals.values()):
            continue  # it was not crawled to its end; the crawl stage said so
        inputs = {name: seal.sha256 for name, seal in seals.items() if seal is not None}
        settings = [context.config.part_rows, site.file.category_from_links, site.start_urls]
        key = run_key("merge", VERSION, settings, inputs)
        works.append(
            _Work(
                run, site.key, key, context.config.part_rows,
                site.file.category_from_links, tuple(site.start_urls),
            )
        )  # fmt: skip
    stale = [work for work in works if not _is_current(work)]
    for _ in context.pool.map(merge_site, stale):
        pass
    kept = {name for work in works for name in read_json(_marker(work))["parts"]}
    run.listings.prune(kept)
    run.decisions("merge").prune(kept)
    counts: Counts = Counter()
    for work in works:
        counts.update(read_json(_marker(work))["counts"])
    return StageResult(counts, len(stale))


def _marker(work: _Work) -> Path:
    return work.run.listings.folder / "sites" / f"{work.site}.json"


def _is_current(work: _Work) -> bool:
    marker = _marker(work)
    if not marker.is_file():
        return False
    value = read_json(marker)
    if value["key"] != work.key:
        return False
    for name in value["parts"]:
        for folder in (work.run.listings, work.run.decisions("merge")):
            seal = folder.seal(name)
            problem = "expected a seal" if seal is None else folder.damage(name, seal)
            if problem is not None:
                warn(f"part {folder.path(name)}: {problem}; merging site {work.site} again")
                return False
    return True


def merge_site(work: _Work) -> None:
    """Write the site's listings and merge decisions, in parts of `part_rows` records."""
    run = work.run
    refused = _disallowed(run.pages, work.site)
    paths: Mapping[str, Sequence[str]] = {}
    if work.category_from_links:
        paths = paths_from_links(work.starts, _hops(run.links, work.site))
    counts: Counts = Counter()
    names = []
    listings = _listings(run, work.site, paths, refused)
    for number, chunk in enumerate(chunks(listings, work.part_rows)):
        name = f"{work.site}-{number:05d}"
        decisions = [row for _, merged in chunk for row in merged]
        rows = [listing for listing, _ in chunk]
        counts.update(listings=len(rows), merged=len(decisions))
        run.decisions("merge").write(
            name, pa.Table.from_pylist(decisions, DECISIONS.schema), work.key
        )
        run.listings.write(name, pa.Table.from_pylist(rows, LISTINGS.schema), work.key)
        names.append(name)
    write_json(_marker(work), {"key": work.key, "parts": names, "counts": dict(counts)})


def _disallowed(pages: PartFolder, site: str) -> frozenset[str]:
    """URLs that robots.txt kept from being fetched."""
    found: set[str] = set()
    for batch in pages.stream(site, ["url", "outcome"]):
        found.update(row["url"] for row in batch.to_pylist() if row["outcome"] == "robots")
    return frozenset(found)


def _hops(links: PartFolder, site: str) -> Iterator[Hop]:
    columns = ["page_url", "position", "target_url", "kind", "anchor_text", "trail"]
    for batch in links.stream(site, columns):
        for row in batch.to_pylist():
            if row["kind"] in ("category", "next", "redirect"):
                names = (*row["trail"], row["anchor_text"])
                yield Hop(
                    row["page_url"], row["position"], row["target_url"], row["kind"],
                    tuple(name for name in names if name),
                )  # fmt: skip


def _listings(
    run: Run, site: str, paths: Mapping[str, Sequence[str]], refused: frozenset[str]
) -> Iterator[tuple[Row, list[Row]]]:
    """(listing, decisions of the sightings merged into it) per record, in record order."""
    rows = (row for batch in run.sightings.stream(site) for row in batch.to_pylist())
    for _, group in groupby(rows, key=lambda row: row["record_id"]):
        yield merge_sightings(list(group), paths, refused, run.run_id)


def _preference(row: Row) -> tuple[bool, int, str, str, int]:
    filled = sum(bool(row[name]) for name in ("title", "image_url", "category_paths"))
    return (
        row["page_kind"] != "product", -filled, row["product_url"], row["page_url"], row["position"]
    )  # fmt: skip


def merge_sightings(
    sightings: Sequence[Row],
    paths: Mapping[str, Sequence[str]],
    refused: frozenset[str],
    run_id: str,
) -> tuple[Row, list[Row]]:
    """One record's listing, and a `merged` decision for each of its other sightings.

    `paths` are category paths by page, from links; `refused` are URLs that robots.txt disallows.
    A field that the kept sighting lacks is taken from the next one that has it.
    """
    ordered = sorted(sightings, key=_preference)
    kept = ordered[0]
    found: dict[tuple[str, ...], None] = {}
    for row in ordered:
        for path in row["category_paths"]:
            found.setdefault(tuple(path))
        if from_links := paths.get(row["page_url"]):
            found.setdefault(tuple(from_links))
    opt_outs = [row["opt_out"] for row in ordered if row["opt_out"]]
    if any(row["product_url"] in refused for row in ordered):
        opt_outs.append("robots.txt: disallows the product's page")
    listing = {
        **{name: kept[name] for name in LISTINGS.schema.names if name in kept},
        "title": next((row["title"] for row in ordered if row["title"]), None),
        "image_url": next((row["image_url"] for row in ordered if row["image_url"]), None),
        "category_paths": [list(path) for path in found],
        "opt_out": "; ".join(dict.fromkeys(opt_outs)) or None,
        "sightings": len(ordered),
    }
    decisions = [
        {
            "record_id": row["record_id"],
            "stage": "merge",
            "rule": RULE,
            "verdict": "merged",
            "reason": f"another sighting of the record, on a {row['page_kind']} page",
            "value": f"{row['page_url']}#{row['position']}",
            "threshold": None,
            "peer_id": row["record_id"],
            "run_id": run_id,
        }
        for row in ordered[1:]
    ]
    return listing, decisions
