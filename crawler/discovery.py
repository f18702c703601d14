"""Discovery: what a page's products and links mean for where the crawl goes next.

A page may be the end of its chain (nothing new on several pages in a row), a repetition of what
another page showed, or a refinement that shows only known products; then its links are stored and
not followed. What is new is judged by earlier waves and by the page's own chain alone, so it does
not depend on which answer came first.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from crawler.addresses import host_of
from crawler.sites.pages import Link, PageReading
from crawler.traps import added_parameters, content_key, endless_url, shape
from crawler.waves import BARREN, FRUITFUL, REFINES, REPEATED, Bounds, child_wave

LISTING_KINDS = ("start", "category", "next")
_HAS_TURN = "SELECT 1 FROM queue WHERE url = ? AND rank IS NOT NULL"


@dataclass(frozen=True)
class Visit:
    """One URL to be requested; `attempt` counts from 1, `rank` is its turn."""

    id: int
    url: str
    kind: str
    host: str
    attempt: int
    rank: int
    wave: int
    chain: int | None
    page_no: int
    depth: int
    redirects: int
    stale: int
    repeats: int
    barren: int
    family: str | None


@dataclass(frozen=True)
class Standing:
    """How a page stands in its crawl, which its links inherit.

    `stale` counts pages of its chain in a row without a product that is new to the chain,
    `repeats` pages on the way to it that showed what others had shown, `barren` pages on the way
    without any product. `ended` says why its listing links are not followed; a `full` chain has
    reached the cap on its category, and `left_out` are the products that the cap cuts off.
    """

    chain: int
    stale: int = 0
    repeats: int = 0
    barren: int = 0
    fruitful: int | None = None
    ended: str | None = None
    full: bool = False
    left_out: frozenset[str] = frozenset()


def stand(db: sqlite3.Connection, visit: Visit, reading: PageReading, bounds: Bounds) -> Standing:
    """Judge a page, and remember what it showed."""
    chain = visit.rank if visit.chain is None else visit.chain
    shown = _products(reading)
    if visit.kind not in LISTING_KINDS or any(link.kind == "redirect" for link in reading.links):
        _remember(db, visit, [link.target_url for link in reading.links if link.kind == "product"])
        return Standing(chain, visit.stale, visit.repeats, visit.barren)
    new, room, left_out = _into_chain(db, visit, chain, shown, bounds.max_products_per_category)
    taken = [product for product in shown if product not in left_out]
    refines = visit.family is not None and visit.family.startswith(REFINES)
    repeated = _repeats(db, visit, shown)
    worth = FRUITFUL if shown else BARREN
    if shown and refines:
        worth = FRUITFUL if _has_unknown(db, taken, visit.wave) else REPEATED
    elif repeated is not None and "?" in visit.url:
        worth = REPEATED
    _remember(db, visit, taken)
    stale = visit.stale + 1 if visit.kind == "next" and not new else 0
    repeats, barren = visit.repeats, visit.barren + 1
    if shown:
        barren = 0
        if visit.kind != "next":
            repeats = visit.repeats + 1 if repeated else 0
    ended = None
    if stale >= bounds.stale_pages:
        ended = f"no new products on {stale} pages in a row: not followed further"
    elif repeats >= bounds.stale_pages:
        what = repeated or "other pages"
        ended = (
            f"the {repeats}th page on the way that shows what {what} showed: not followed further"
        )
    elif refines and worth == REPEATED:
        ended = "a refinement without new products: not followed further"
    return Standing(chain, stale, repeats, barren, worth, ended, room == 0, left_out)


def _products(reading: PageReading) -> list[str]:
    """URLs of the products that a page shows, in page order."""
    shown = [sighting.product_url for sighting in reading.sightings]
    shown += [link.target_url for link in reading.links if link.kind == "product"]
    return list(dict.fromkeys(shown))


def _into_chain(
    db: sqlite3.Connection, visit: Visit, chain: int, shown: Sequence[str], most: int | None
) -> tuple[int, int | None, frozenset[str]]:
    """How many products are new to the chain, the room left in it, and those beyond its cap."""
    room = None
    if most is not None:
        (known,) = db.execute(
            "SELECT COUNT(*) FROM chain_products WHERE chain = ?", (chain,)
        ).fetchone()
        room = max(0, most - known)
    new, left_out = 0, set()
    for product in shown:
        if room is not None and new >= room:
            is_known = db.execute(
                "SELECT 1 FROM chain_products WHERE chain = ? AND product = ?", (chain, product)
            ).fetchone()
            if is_known is None:
                left_out.add(product)
            continue
        new += db.execute(
            "INSERT OR IGNORE INTO chain_products VALUES (?, ?, ?)", (chain, product, visit.id)
        ).rowcount
    return new, None if room is None else room - new, frozenset(left_out)


def _has_unknown(db: sqlite3.Connection, shown: Sequence[str], wave: int) -> bool:
    """Whether any of the products was shown by no page of an earlier wave."""
    for product in shown:
        row = db.execute("SELECT wave FROM products WHERE product = ?", (product,)).fetchone()
        if row is None or row[0] >= wave:
            return True
    return False


def _repeats(db: sqlite3.Connection, visit: Visit, shown: Sequence[str]) -> str | None:
    """The page of an earlier wave that showed the same set of products; None without one."""
    key = content_key(shown)
    if key is None:
        return None
    row = db.execute("SELECT wave, url FROM contents WHERE key = ?", (key,)).fetchone()
    if row is not None and row[0] < visit.wave:
        return str(row[1])
    db.execute(
        "INSERT INTO contents VALUES (?, ?, ?, ?) ON CONFLICT(key) DO UPDATE SET"
        " wave = excluded.wave, rank = excluded.rank, url = excluded.url"
        " WHERE excluded.rank < contents.rank",
        (key, visit.wave, visit.rank, visit.url),
    )
    return None


def _remember(db: sqlite3.Connection, visit: Visit, shown: Sequence[str]) -> None:
    """The first place of every product, by rank and position."""
    db.executemany(
        "INSERT INTO products VALUES (?, ?, ?, ?) ON CONFLICT(product) DO UPDATE SET"
        " wave = excluded.wave, rank = excluded.rank, position = excluded.position"
        " WHERE (excluded.rank, excluded.position) < (products.rank, products.position)",
        [(product, visit.wave, visit.rank, place) for place, product in enumerate(shown)],
    )


def requests(
    db: sqlite3.Connection, visit: Visit, standing: Standing, links: Sequence[Link], bounds: Bounds
) -> Iterator[tuple[Any, ...]]:
    """Rows of the queue for a page's links, in their order; some already closed by a bound."""
    for position, link in enumerate(links):
        if db.execute(_HAS_TURN, (link.target_url,)).fetchone() is not None:
            continue  # most links of a page: the navigation
        kind, url, chain, error = link.kind, link.target_url, None, None
        page_no, depth, redirects, stale = 0, visit.depth, 0, 0
        refines: tuple[str, ...] = ()
        if kind in ("category", "next") and standing.ended is not None:
            continue  # said at the page itself
        if kind == "product" and url in standing.left_out:
            continue
        if kind == "next":
            page_no, stale, chain = visit.page_no + 1, standing.stale, standing.chain
            if standing.full:
                error = f"max_products_per_category = {bounds.max_products_per_category}"
            elif page_no >= bounds.max_pages_per_category:
                error = f"max_pages_per_category = {bounds.max_pages_per_category}"
        elif kind == "redirect":
            kind, chain, redirects = visit.kind, visit.chain, visit.redirects + 1
            page_no, stale = visit.page_no, visit.stale
            if redirects > bounds.max_redirects:
                error = f"max_redirects = {bounds.max_redirects}"
        else:
            depth += 1
            if kind == "category" and visit.kind != "start":  # /index.php?c=1 is no filter of home
                refines = added_parameters(url, visit.url)
            if refines and bounds.max_products_per_category is not None:
                error = f"max_products_per_category = {bounds.max_products_per_category}"
            if depth > bounds.max_depth:
                error = f"max_depth = {bounds.max_depth}"
        trap = endless_url(url)
        outcome = "trap" if trap else "capped" if error else None
        family = None
        if kind in LISTING_KINDS:
            family = f"{REFINES}{','.join(refines)}" if refines else f"shape:{shape(url)}"
            if kind == "next" or link.kind == "redirect":
                family = visit.family
        yield (
            url, kind, host_of(url), child_wave(visit.wave, kind, bool(refines)), visit.rank,
            position, chain, page_no, depth, redirects, stale, standing.repeats, standing.barren,
            family, outcome, trap or error,
        )  # fmt: skip
