"""The frontier: one site's queue and what its pages gave.

A page's sightings, links, new requests and its "done" are one transaction, after its capture was
handed to the operating system. What was in flight at a kill is still queued, because only the
commit takes a page off the queue. Only the batch whose turn it is lies in memory.
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from crawler.barred import without_barred
from crawler.captures import CapturePlace
from crawler.discovery import Visit, requests, stand
from crawler.frontier_file import FrontierFile
from crawler.sites.pages import Link, PageReading, Sighting
from crawler.traps import shape
from crawler.waves import PRODUCT_WAVE, Bounds, begin_batch
from runtime.tombstones import Tombstones

__all__ = ["Bounds", "Frontier", "HostState", "Visit"]

_INSERT = """
INSERT INTO queue(url, kind, host, wave, parent, position, chain, page_no, depth, redirects, stale,
 repeats, barren, family, outcome, error)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT(url) DO UPDATE SET kind = excluded.kind, wave = excluded.wave,
 parent = excluded.parent, position = excluded.position, chain = excluded.chain,
 page_no = excluded.page_no, depth = excluded.depth, redirects = excluded.redirects,
 stale = excluded.stale, repeats = excluded.repeats, barren = excluded.barren,
 family = excluded.family, outcome = excluded.outcome, error = excluded.error
WHERE queue.rank IS NULL AND (
 (queue.outcome IS NULL AND excluded.outcome IS NULL
  AND (excluded.wave, excluded.parent, excluded.position)
      < (queue.wave, queue.parent, queue.position))
 OR (queue.outcome = 'capped' AND excluded.outcome IS NULL))
"""
_VISITS = """
SELECT id, url, kind, host, attempts + 1, rank, wave, chain, page_no, depth, redirects, stale,
       repeats, barren, family, not_before
FROM queue WHERE outcome IS NULL AND rank >= ? ORDER BY rank"""


@dataclass(frozen=True)
class HostState:
    """What is known of a host: its robots.txt (None: all disallowed) and its last request."""

    host: str
    robots: str | None
    robots_status: int | None
    robots_at: float | None
    last_request: float | None


class Frontier:
    """Exclusive access to one site's frontier; `bounds` say how far the crawl goes.

    What has a tombstone is neither queued nor stored.
    """

    def __init__(
        self,
        path: Path,
        captures: Path,
        site: str,
        bounds: Bounds = Bounds(),  # noqa: B008
        tombstones: Tombstones = Tombstones(),  # noqa: B008
    ) -> None:
        self._tombstones = tombstones
        self._file = FrontierFile(path, captures, site)
        self._db, self._bounds = self._file.db, bounds
        self._ready: dict[str, deque[Visit]] = {}
        self._deferred: dict[str, list[tuple[float, int, Visit]]] = {}
        self._fresh: set[int] = set()  # of the batch, not closed and never put off
        self._late: set[int] = set()  # put off for another try
        row = self._db.execute("SELECT value FROM meta WHERE name = 'seconds'").fetchone()
        self._seconds = 0.0 if row is None else float(row[0])
        self._tick: float | None = None
        (last,) = self._db.execute("SELECT MAX(rank) FROM queue").fetchone()
        self._next_rank = 1 if last is None else last + 1
        self._load(0)

    @property
    def path(self) -> Path:
        """The frontier's file."""
        return self._file.path

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def _load(self, first_rank: int) -> None:
        for *values, not_before in self._db.execute(_VISITS, (first_rank,)).fetchall():
            visit = Visit(*values)
            if visit.attempt > 1:
                self._put_off(visit, not_before)
            else:
                self._fresh.add(visit.id)
                self._ready.setdefault(visit.host, deque()).append(visit)

    def _put_off(self, visit: Visit, until: float) -> None:
        self._late.add(visit.id)
        self._deferred.setdefault(visit.host, []).append((until, visit.rank, visit))

    def _advance(self) -> None:
        """Begin the next batch when it is time.

        A listing page that waits for another try holds it up, since what it shows decides what
        is new and whose turn is next; a product page does so only where a cap has to count it.
        """
        while not self._fresh and not self._holds_up():
            first = self._next_rank
            with self._file.transaction() as db:
                end = begin_batch(db, self._bounds, first)
            if end == first:
                return
            self._next_rank = end
            self._load(first)

    def _holds_up(self) -> bool:
        if self._bounds.max_products is not None or self._bounds.max_pages is not None:
            return bool(self._late)
        return any(
            visit.kind != "product" for heap in self._deferred.values() for _, _, visit in heap
        )

    def seed(self, urls: Iterable[tuple[str, str, str]]) -> None:
        """Queue (url, kind, host) triples that are not known yet, in their order."""
        with self._file.transaction() as db:
            (base,) = db.execute("SELECT COUNT(*) FROM queue WHERE parent = 0").fetchone()
            allowed = (seed for seed in urls if self._tombstones.on_url(seed[0]) is None)
            for position, (url, kind, host) in enumerate(allowed, start=base):
                wave = PRODUCT_WAVE if kind == "product" else 0
                family = None if kind in ("product", "sitemap") else f"shape:{shape(url)}"
                db.execute(
                    _INSERT,
                    (
                        url,
                        kind,
                        host,
                        wave,
                        0,
                        position,
                        None,
                        0,
                        0,
                        0,
                        0,
                        0,
                        0,
                        family,
                        None,
                        None,
                    ),
                )
                if kind == "product":
                    db.execute(
                        "INSERT OR IGNORE INTO products VALUES (?, ?, 0, ?)", (url, wave, position)
                    )

    def waiting_hosts(self) -> list[str]:
        """Hosts that have queued pages, sorted."""
        self._advance()
        for host, queue in list(self._ready.items()):
            while queue and queue[0].id not in self._fresh:
                queue.popleft()
            if not queue:
                del self._ready[host]
        return sorted(self._ready.keys() | {h for h, heap in self._deferred.items() if heap})

    def next_visit(self, host: str, now: float, in_flight: Collection[int]) -> Visit | None:
        """The host's first page that is due and not in `in_flight`; `now` is wall-clock time."""
        self._advance()
        if self._is_time_up(now):
            self._close_rest(host, in_flight)
            return None
        for at, _, visit in sorted(self._deferred.get(host, ())):
            if at <= now and visit.id not in in_flight:
                return visit
        for visit in self._ready.get(host, ()):
            if visit.id in self._fresh and visit.id not in in_flight:
                return visit
        return None

    def next_due(self, host: str, in_flight: Collection[int]) -> float | None:
        """When the host's earliest page not in `in_flight` is due (wall clock); None without."""
        for visit in self._ready.get(host, ()):
            if visit.id in self._fresh and visit.id not in in_flight:
                return 0.0
        waiting = (at for at, _, v in self._deferred.get(host, ()) if v.id not in in_flight)
        return min(waiting, default=None)

    def has_pending(self) -> bool:
        """Whether any page is queued or in flight."""
        if not (self._fresh or self._late):
            self._advance()
        return bool(self._fresh or self._late)

    def _is_time_up(self, now: float) -> bool:
        """Whether the crawl of the site, its interruptions left out, took all its time."""
        if self._bounds.max_hours is None or math.isinf(now):  # an archive takes no time
            return False
        self._seconds += 0.0 if self._tick is None else max(0.0, now - self._tick)
        self._tick = now
        return self._seconds >= self._bounds.max_hours * 3600

    def _close_rest(self, host: str, in_flight: Collection[int]) -> None:
        """The time is up: what was not asked for yet never will be."""
        words = f"max_hours = {self._bounds.max_hours:g}"
        rest = [v for v in self._ready.get(host, ()) if v.id in self._fresh]
        rest += [visit for _, _, visit in self._deferred.get(host, ())]
        with self._file.transaction() as db:
            db.execute(
                "UPDATE queue SET outcome = 'capped', error = ?"
                " WHERE rank IS NULL AND outcome IS NULL",
                (words,),
            )
            for visit in rest:
                if visit.id not in in_flight:
                    db.execute(
                        "UPDATE queue SET outcome = 'capped', error = ? WHERE id = ?",
                        (words, visit.id),
                    )
        for visit in rest:
            if visit.id not in in_flight:
                self._forget(visit)

    def _forget(self, visit: Visit) -> None:
        """The page is closed; it is not in memory any more."""
        self._fresh.discard(visit.id)
        if visit.id in self._late:
            self._late.remove(visit.id)
            heap = self._deferred[visit.host]
            heap[:] = [entry for entry in heap if entry[2].id != visit.id]

    def defer(self, visit: Visit, until: float, error: str) -> None:
        """Try the page again at `until`."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE queue SET attempts = ?, not_before = ?, error = ? WHERE id = ?",
                (visit.attempt, until, error, visit.id),
            )
        self._forget(visit)
        self._put_off(replace(visit, attempt=visit.attempt + 1), until)

    def finish(
        self, visit: Visit, outcome: str, error: str | None, *, attempted: bool = True
    ) -> None:
        """Close a page that gave nothing; `attempted` is false where no request was made."""
        with self._file.transaction() as db:
            db.execute(
                "UPDATE queue SET outcome = ?, error = ?, attempts = ? WHERE id = ?",
                (outcome, error, visit.attempt - (not attempted), visit.id),
            )
        self._forget(visit)

    def commit_page(
        self,
        visit: Visit,
        outcome: str,
        status: int,
        fetched_at: str,
        capture: CapturePlace,
        reading: PageReading,
        error: str | None = None,
        *,
        follow: bool = True,
    ) -> None:
        """Everything one page gave, in one transaction; `fetched_at` is the WARC-Date.

        Without `follow` its links are stored and not queued.
        """
        reading, removed = without_barred(reading, self._tombstones)
        with self._file.transaction() as db:
            standing = stand(db, visit, reading, self._bounds)
            notes = [note for note in (error, *reading.notes, standing.ended) if note]
            sightings = [s for s in reading.sightings if s.product_url not in standing.left_out]
            if standing.left_out:
                notes.append(
                    f"max_products_per_category = {self._bounds.max_products_per_category}: "
                    f"{len(standing.left_out)} products not taken"
                )
            _insert_sightings(db, visit.id, sightings)
            _insert_links(db, visit.id, reading.links)
            if removed:
                db.execute("INSERT OR REPLACE INTO removed VALUES (?, ?)", (visit.id, removed))
            if follow:
                rows = list(requests(db, visit, standing, reading.links, self._bounds))
                db.executemany(_INSERT, rows)
            db.execute(
                "UPDATE queue SET outcome = ?, status = ?, fetched_at = ?, capture_file = ?,"
                " capture_offset = ?, capture_end = ?, attempts = ?, opt_out = ?, error = ?,"
                " fruitful = ? WHERE id = ?",
                (outcome, status, fetched_at, capture.file, capture.offset,
                 capture.offset + capture.length, visit.attempt, reading.opt_out,
                 "; ".join(notes) or None, standing.fruitful, visit.id),
            )  # fmt: skip
            if self._bounds.max_hours is not None:
                db.execute("INSERT OR REPLACE INTO meta VALUES ('seconds', ?)", (self._seconds,))
        self._forget(visit)

    def index_tiles(self) -> None:
        """Make `tiles` fast; only crawls that carry pages forward need it."""
        self._db.execute("CREATE INDEX IF NOT EXISTS by_product ON sightings(product_url)")

    def tiles(self, product_url: str) -> list[tuple[str | None, str | None]]:
        """Title and picture of every tile of a product that listing pages showed."""
        return self._db.execute(
            "SELECT title, image_url FROM sightings WHERE product_url = ? AND page_kind = 'listing'"
            " ORDER BY page, position",
            (product_url,),
        ).fetchall()

    def host(self, host: str) -> HostState | None:
        """What is stored of a host."""
        row = self._db.execute(
            "SELECT host, robots, robots_status, robots_at, last_request FROM hosts WHERE host = ?",
            (host,),
        ).fetchone()
        return None if row is None else HostState(*row)

    def hosts(self) -> list[HostState]:
        """What is stored of every host."""
        rows = self._db.execute(
            "SELECT host, robots, robots_status, robots_at, last_request FROM hosts ORDER BY host"
        )
        return [HostState(*row) for row in rows]

    def save_robots(
        self,
        host: str,
        text: str | None,
        status: int | None,
        at: float,
        capture: CapturePlace | None,
    ) -> None:
        """Keep a host's robots.txt, and the capture it came from."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (host, text, status, at, capture and capture.file,
                 capture and capture.offset + capture.length, at),
            )  # fmt: skip

    def save_last_request(self, host: str, at: float) -> None:
        """Remember when the host was last asked, for whoever asks it next."""
        with self._file.transaction() as db:
            db.execute(
                "INSERT INTO hosts(host, last_request) VALUES (?, ?)"
                " ON CONFLICT(host) DO UPDATE SET last_request = excluded.last_request",
                (host, at),
            )

    def outcomes(self) -> dict[str, int]:
        """Pages per outcome; `queued` for those without one."""
        rows = self._db.execute(
            "SELECT COALESCE(outcome, 'queued'), COUNT(*) FROM queue GROUP BY 1 ORDER BY 1"
        )
        return dict(rows.fetchall())

    def removed(self) -> int:
        """Sightings of what was taken down, on all pages."""
        (count,) = self._db.execute("SELECT COALESCE(SUM(sightings), 0) FROM removed").fetchone()
        return int(count)

    def rows(self, query: str) -> Iterator[dict[str, Any]]:
        """Rows of a query as dictionaries, streamed."""
        return self._file.rows(query)


def _insert_sightings(db: sqlite3.Connection, page: int, sightings: Sequence[Sighting]) -> None:
    db.executemany(
        "INSERT INTO sightings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (page, position, s.record_id, s.product_id, s.product_url, s.page_kind, s.title,
             s.image_url, s.category_path and json.dumps(s.category_path, ensure_ascii=False),
             json.dumps(s.extracted_by))
            for position, s in enumerate(sightings)
        ],
    )  # fmt: skip


def _insert_links(db: sqlite3.Connection, page: int, links: Sequence[Link]) -> None:
    db.executemany(
        "INSERT INTO links VALUES (?, ?, ?, ?, ?, ?)",
        [
            (page, position, link.target_url, link.kind, link.anchor_text,
             json.dumps(link.trail, ensure_ascii=False) if link.trail else "[]")
            for position, link in enumerate(links)
        ],
    )  # fmt: skip
