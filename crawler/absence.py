"""Absence: what a crawl can say of the records that it did not see.

A crawl that stopped at a cap or a time limit, or that got no answer from a listing page, did not
look everywhere and says nothing. One that went through listing pages says of every record that
it is missing; one of product pages alone, of those it asked for. A product whose own page gave
no answer is not missing.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator

from crawler.rows import Row, rows
from runtime.parts import PartFolder

LISTING_KINDS = frozenset({"sitemap", "start", "category", "next"})
_READ = frozenset({"ok", "carried", "redirect"})
_NOT_THERE = frozenset({"http_404", "http_410"})
# Faults that pass: the page may hold what it held before.
_NO_ANSWER = frozenset(
    {
        "timeout", "connection_refused", "connection_lost", "dns", "incomplete", "error",
        "robots_unreachable", "http_408", "http_425", "http_429",
    }
)  # fmt: skip
# A page ends at these alone, not the crawl.
_BOUNDS_OF_A_PAGE = ("max_redirects",)


class PageOutcomes:
    """A site's pages that were not read, on disk, and how far its crawl looked."""

    def __init__(self, pages: PartFolder, site: str) -> None:
        self._db = sqlite3.connect("")  # a temporary file of SQLite's, gone when closed
        self._db.execute("CREATE TABLE pages(url TEXT PRIMARY KEY, outcome TEXT) WITHOUT ROWID")
        self.unread = 0
        self.stopped: str | None = None  # why the crawl did not look everywhere
        self.saw_listings = False
        for row in rows(pages, site, ["url", "kind", "outcome", "error"]):
            self.stopped = self.stopped or _stopped(row)
            if row["outcome"] not in _READ:
                self._db.execute(
                    "INSERT OR IGNORE INTO pages VALUES (?, ?)", (row["url"], row["outcome"])
                )
                self.unread += 1
            elif row["kind"] in LISTING_KINDS:
                self.saw_listings = True

    def close(self) -> None:
        """Remove the temporary file."""
        self._db.close()

    def of(self, url: str) -> str | None:
        """The outcome of a page that was asked for and not read; None for all others."""
        if not self.unread:
            return None
        row = self._db.execute("SELECT outcome FROM pages WHERE url = ?", (url,)).fetchone()
        return None if row is None else str(row[0])

    def is_missing(self, product_url: str) -> bool:
        """Whether the crawl looked for a record, whose product has that page, and found none."""
        if self.stopped is not None:
            return False
        outcome = self.of(product_url)
        return outcome in _NOT_THERE or (outcome is None and self.saw_listings)


def _stopped(page: Row) -> str | None:
    outcome, error = page["outcome"], page["error"] or ""
    if outcome == "capped" and not error.startswith(_BOUNDS_OF_A_PAGE):
        return error or "capped"
    if "max_products_per_category = " in error:
        return error
    if page["kind"] in LISTING_KINDS and (outcome in _NO_ANSWER or outcome.startswith("http_5")):
        return f"{page['url']}: {outcome}"
    return None


def absent_rows(
    known: Iterable[Row], seen: Iterable[str], outcomes: PageOutcomes, *, gone_after: int,
    looked: bool,
) -> Iterator[Row]:  # fmt: skip
    """A row of the absent table for every known record that is not among the seen ones.

    Both come by record_id, ascending. Without `looked` the crawl was none of the shop itself.
    """
    ids = iter(seen)
    current = next(ids, None)
    for row in known:
        while current is not None and current < row["record_id"]:
            current = next(ids, None)
        if current == row["record_id"]:
            continue
        missed = row["missed"] + (looked and outcomes.is_missing(row["product_url"]))
        yield {**row, "missed": missed, "gone": missed >= gone_after}
