"""The order of a crawl: whose turn comes when, and where caps cut, whatever answered first.

Requests are found in waves: a wave is everything that the pages of the wave before it named.
Within a wave they have the order of the pages that named them and of their places there. A batch
of a wave gets its ranks only when all before it is done, so every cut (caps, traps) is made in
page-and-position order, and two crawls of one shop take the same pages.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass, fields

from crawler.traps import BARREN_HOPS, BARREN_PAGES, FRUITLESS_PAGES
from runtime.config import CrawlConfig, SiteConfig

# Bands of waves: listing pages; then refinements (filters, sort orders), which matter only for
# what no listing page showed; then product pages, so that a cut-off crawl knows the shop's extent.
REFINEMENT_WAVE = 1_000_000
PRODUCT_WAVE = 2_000_000

LISTING_BATCH = 256  # small: what a trap wastes before it is noticed
PRODUCT_BATCH = 8192
REFINES = "refines:"
# What a listing page was worth to its family.
REPEATED, BARREN, FRUITFUL = -1, 0, 1


@dataclass(frozen=True)
class Bounds:
    """How far a crawl goes; None is no bound."""

    max_depth: int = 50
    max_pages_per_category: int = 10_000
    max_redirects: int = 5
    stale_pages: int = 3
    max_products_per_category: int | None = None
    max_products: int | None = None
    max_pages: int | None = None
    max_hours: float | None = None


def bounds_of(crawl: CrawlConfig, site: SiteConfig) -> Bounds:
    """The bounds of one site: its own where it names them, else those of all sites."""
    values = {}
    for field in fields(Bounds):
        own = getattr(site, field.name, None)
        values[field.name] = getattr(crawl, field.name) if own is None else own
    return Bounds(**values)


def child_wave(wave: int, kind: str, refines: bool) -> int:
    """The wave of a request that a page of `wave` named."""
    if wave >= PRODUCT_WAVE:
        return wave + 1
    if kind == "product":
        return PRODUCT_WAVE
    if refines and wave < REFINEMENT_WAVE:
        return REFINEMENT_WAVE
    return wave + 1


def begin_batch(db: sqlite3.Connection, bounds: Bounds, next_rank: int) -> int:
    """Rank the next requests, in a transaction of the caller; returns the rank after them.

    All ranked requests must be done. Requests that a bound or a trap cuts off get an outcome
    instead of a rank; equal `next_rank` means that nothing is left.
    """
    if bounds.max_products is not None:
        _cut_products(db, bounds.max_products)
    rank = next_rank
    while rank == next_rank:
        row = db.execute(
            "SELECT wave FROM queue WHERE rank IS NULL AND outcome IS NULL ORDER BY wave LIMIT 1"
        ).fetchone()
        if row is None:
            return rank
        rows = db.execute(
            "SELECT id, family, barren FROM queue WHERE rank IS NULL AND outcome IS NULL"
            " AND wave = ? ORDER BY parent, position, id LIMIT ?",
            (row[0], PRODUCT_BATCH if row[0] >= PRODUCT_WAVE else LISTING_BATCH),
        ).fetchall()
        closed: dict[tuple[str, bool], str | None] = {}
        for id_, family, barren in rows:
            key = (family, barren >= BARREN_HOPS)
            if family is not None and key not in closed:
                closed[key] = _fruitless(db, *key)
            trap = closed.get(key)
            if trap is not None:
                _close(db, id_, "trap", trap)
            elif bounds.max_pages is not None and rank > bounds.max_pages:
                _close(db, id_, "capped", f"max_pages = {bounds.max_pages}")
            else:
                db.execute("UPDATE queue SET rank = ? WHERE id = ?", (rank, id_))
                rank += 1
    return rank


def _close(db: sqlite3.Connection, id_: int, outcome: str, error: str) -> None:
    db.execute("UPDATE queue SET outcome = ?, error = ? WHERE id = ?", (outcome, error, id_))


def _fruitless(db: sqlite3.Connection, family: str, deep: bool) -> str | None:
    """Why no more pages of the family are asked for; None where they are."""

    def last(count: int, worth: int) -> bool:
        rows = db.execute(
            "SELECT fruitful FROM queue WHERE family = ? AND fruitful IS NOT NULL"
            " ORDER BY rank DESC LIMIT ?",
            (family, count),
        ).fetchall()
        return len(rows) == count and all(fruitful <= worth for (fruitful,) in rows)

    if last(FRUITLESS_PAGES, REPEATED):
        return f"{FRUITLESS_PAGES} pages like it ({family}) showed what others had shown"
    if deep and last(BARREN_PAGES, BARREN):
        return f"{BARREN_PAGES} pages like it ({family}) showed no product"
    return None


def _cut_products(db: sqlite3.Connection, most: int) -> None:
    """Keep the first `most` products, by page and position; end the search for more."""
    (known,) = db.execute("SELECT COUNT(*) FROM products").fetchone()
    if known < most:
        return
    words = f"max_products = {most}"
    db.execute(
        "UPDATE queue SET outcome = 'capped', error = ?"
        " WHERE outcome IS NULL AND rank IS NULL AND kind != 'product'",
        (words,),
    )
    excess = db.execute(
        "SELECT product FROM products ORDER BY rank, position, product LIMIT -1 OFFSET ?", (most,)
    ).fetchall()
    if not excess:
        return
    db.execute("CREATE TEMP TABLE IF NOT EXISTS excess(product TEXT PRIMARY KEY)")
    db.execute("DELETE FROM excess")
    db.executemany("INSERT INTO excess VALUES (?)", excess)
    db.execute("DELETE FROM sightings WHERE product_url IN (SELECT product FROM excess)")
    db.execute("DELETE FROM products WHERE product IN (SELECT product FROM excess)")
    db.execute(
        "UPDATE queue SET outcome = 'capped', error = ? WHERE outcome IS NULL AND rank IS NULL"
        " AND url IN (SELECT product FROM excess)",
        (words,),
    )
