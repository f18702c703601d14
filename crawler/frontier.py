"""The frontier: one site's queue and what its pages gave, in one SQLite file.

A page's sightings, links, new requests and its "done" are one transaction, after its capture was
handed to the operating system. What was in flight at a kill is still queued, because only the
commit takes a page off the queue.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from errno import ENOSPC
from pathlib import Path
from typing import Any

from crawler.captures import CapturePlace, repair
from crawler.sites.pages import Link, PageReading, Sighting
from runtime.errors import LockedError, SiteError
from runtime.storage import explain_os_error

# Listing pages before products, so that a cut-off crawl knows the shop's extent.
PRIORITY = {"sitemap": 0, "start": 1, "category": 1, "next": 1, "product": 2}
LOCK_PATIENCE_SECONDS = 20.0

_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue(
  id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, host TEXT NOT NULL,
  priority INTEGER NOT NULL, chain INTEGER, page_no INTEGER NOT NULL, depth INTEGER NOT NULL,
  redirects INTEGER NOT NULL, stale INTEGER NOT NULL, not_before REAL NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, outcome TEXT, status INTEGER, fetched_at TEXT,
  capture_file TEXT, capture_offset INTEGER, capture_end INTEGER, opt_out TEXT, error TEXT);
CREATE INDEX IF NOT EXISTS waiting ON queue(host, priority, id) WHERE outcome IS NULL;
CREATE INDEX IF NOT EXISTS due ON queue(host, not_before) WHERE outcome IS NULL;
CREATE TABLE IF NOT EXISTS sightings(
  page INTEGER NOT NULL, position INTEGER NOT NULL, record_id TEXT NOT NULL, product_id TEXT,
  product_url TEXT NOT NULL, page_kind TEXT NOT NULL, title TEXT, image_url TEXT,
  category_path TEXT, extracted_by TEXT NOT NULL, PRIMARY KEY(page, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS links(
  page INTEGER NOT NULL, position INTEGER NOT NULL, target_url TEXT NOT NULL, kind TEXT NOT NULL,
  anchor_text TEXT, trail TEXT NOT NULL, PRIMARY KEY(page, position)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS chain_products(
  chain INTEGER NOT NULL, product TEXT NOT NULL, page INTEGER NOT NULL,
  PRIMARY KEY(chain, product)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hosts(
  host TEXT PRIMARY KEY, robots TEXT, robots_status INTEGER, robots_at REAL,
  capture_file TEXT, capture_end INTEGER, last_request REAL);
"""


@dataclass(frozen=True)
class Visit:
    """One URL to be requested; `attempt` counts from 1."""

    id: int
    url: str
    kind: str
    host: str
    attempt: int
    chain: int | None
    page_no: int
    depth: int
    redirects: int
    stale: int


@dataclass(frozen=True)
class HostState:
    """What is known of a host: its robots.txt (None: all disallowed) and its last request."""

    host: str
    robots: str | None
    robots_status: int | None
    robots_at: float | None
    last_request: float | None


@dataclass(frozen=True)
class Bounds:
    """How far a crawl goes."""

    max_depth: int
    max_pages_per_category: int
    max_redirects: int
    stale_pages: int


class Frontier:
    """Exclusive access to one site's frontier file."""

    def __init__(self, path: Path, captures: Path, site: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        except OSError as error:
            raise explain_os_error(error, path) from error
        self._acquire()
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode=WAL")
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._db.executescript(_SCHEMA)
            self._forget_lost_captures(captures, site)
        except sqlite3.DatabaseError as error:
            raise SiteError(
                f"site {site}: expected a frontier in {path}, got {error}; "
                "remove the file to crawl the site again"
            ) from error

    def _acquire(self) -> None:
        """A killed run's worker may live for a moment longer; wait for its lock to go."""
        deadline = time.monotonic() + LOCK_PATIENCE_SECONDS
        while True:
            try:
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise LockedError(
                        f"frontier {self.path} is in use: expected it free; stop the other crawl"
                    ) from None
                time.sleep(0.1)

    def close(self) -> None:
        """Release the file, its write-ahead log folded in."""
        self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._db.close()
        os.close(self._lock)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield self._db
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError) and (
                error.sqlite_errorcode == sqlite3.SQLITE_FULL
            ):
                raise explain_os_error(OSError(ENOSPC, str(error)), self.path) from error
            raise

    def _forget_lost_captures(self, captures: Path, site: str) -> None:
        """After a power failure: pages whose capture did not reach the disk are queued again."""
        ends = self._db.execute(
            "SELECT capture_file, MAX(capture_end) FROM"
            " (SELECT capture_file, capture_end FROM queue"
            " UNION ALL SELECT capture_file, capture_end FROM hosts)"
            " WHERE capture_file IS NOT NULL GROUP BY capture_file"
        ).fetchall()
        for name in repair(captures, site, ends):
            path = captures / name
            size = path.stat().st_size if path.is_file() else 0
            with self._transaction() as db:
                lost = "SELECT id FROM queue WHERE capture_file = ? AND capture_end > ?"
                db.execute(f"DELETE FROM sightings WHERE page IN ({lost})", (name, size))
                db.execute(f"DELETE FROM links WHERE page IN ({lost})", (name, size))
                db.execute(f"DELETE FROM chain_products WHERE page IN ({lost})", (name, size))
                db.execute(
                    "UPDATE queue SET outcome = NULL, capture_file = NULL"
                    " WHERE capture_file = ? AND capture_end > ?",
                    (name, size),
                )
                db.execute(
                    "DELETE FROM hosts WHERE capture_file = ? AND capture_end > ?", (name, size)
                )

    def seed(self, urls: Iterable[tuple[str, str, str]]) -> None:
        """Queue (url, kind, host) triples that are not known yet."""
        with self._transaction() as db:
            db.executemany(
                "INSERT OR IGNORE INTO queue(url, kind, host, priority, page_no, depth, redirects,"
                " stale) VALUES (?, ?, ?, ?, 0, 0, 0, 0)",
                [(url, kind, host, PRIORITY[kind]) for url, kind, host in urls],
            )

    def waiting_hosts(self) -> list[str]:
        """Hosts that have queued pages, sorted."""
        # From host to host by the index: DISTINCT would walk over every queued page.
        rows = self._db.execute(
            "WITH RECURSIVE waiting(host) AS ("
            " SELECT MIN(host) FROM queue WHERE outcome IS NULL UNION ALL"
            " SELECT (SELECT MIN(host) FROM queue WHERE outcome IS NULL AND host > waiting.host)"
            " FROM waiting WHERE waiting.host IS NOT NULL)"
            " SELECT host FROM waiting WHERE host IS NOT NULL"
        )
        return [host for (host,) in rows]

    def next_visit(self, host: str, now: float, in_flight: Sequence[int]) -> Visit | None:
        """The host's first page that is due and not in `in_flight`; `now` is wall-clock time."""
        # Left to choose, SQLite takes the index on not_before and sorts the whole queue.
        rows = self._db.execute(
            "SELECT id, url, kind, host, attempts, chain, page_no, depth, redirects, stale FROM"
            " queue INDEXED BY waiting WHERE host = ? AND outcome IS NULL AND not_before <= ?"
            " ORDER BY priority, id LIMIT ?",
            (host, now, len(in_flight) + 1),
        )
        for row in rows:
            if row[0] not in in_flight:
                id_, url, kind, host, attempts, *rest = row
                return Visit(id_, url, kind, host, attempts + 1, *rest)
        return None

    def next_due(self, host: str, in_flight: Sequence[int]) -> float | None:
        """When the host's earliest page not in `in_flight` is due (wall clock); None without."""
        rows = self._db.execute(
            "SELECT id, not_before FROM queue WHERE host = ? AND outcome IS NULL"
            " ORDER BY not_before LIMIT ?",
            (host, len(in_flight) + 1),
        )
        return next((float(due) for id_, due in rows if id_ not in in_flight), None)

    def has_pending(self) -> bool:
        """Whether any page is queued or in flight."""
        row = self._db.execute("SELECT 1 FROM queue WHERE outcome IS NULL LIMIT 1").fetchone()
        return row is not None

    def defer(self, visit: Visit, until: float, error: str) -> None:
        """Try the page again at `until`."""
        with self._transaction() as db:
            db.execute(
                "UPDATE queue SET attempts = ?, not_before = ?, error = ? WHERE id = ?",
                (visit.attempt, until, error, visit.id),
            )

    def finish(
        self, visit: Visit, outcome: str, error: str | None, *, attempted: bool = True
    ) -> None:
        """Close a page that gave nothing; `attempted` is false where no request was made."""
        with self._transaction() as db:
            db.execute(
                "UPDATE queue SET outcome = ?, error = ?, attempts = ? WHERE id = ?",
                (outcome, error, visit.attempt - (not attempted), visit.id),
            )

    def commit_page(
        self,
        visit: Visit,
        outcome: str,
        status: int,
        fetched_at: str,
        capture: CapturePlace,
        reading: PageReading,
        bounds: Bounds,
        hosts: Sequence[str],
        error: str | None = None,
    ) -> None:
        """Everything one page gave, in one transaction.

        `hosts` are those of the reading's links, in order; `fetched_at` is the WARC-Date.
        """
        with self._transaction() as db:
            chain = visit.chain if visit.chain is not None else visit.id
            stale = self._stale(db, visit, chain, reading)
            ended = stale >= bounds.stale_pages
            if ended:
                error = f"no new products on {stale} pages in a row: not followed further"
            _insert_sightings(db, visit.id, reading.sightings)
            _insert_links(db, visit.id, reading.links)
            db.executemany(
                "INSERT OR IGNORE INTO queue(url, kind, host, priority, chain, page_no, depth,"
                " redirects, stale) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                _requests(visit, chain, stale, reading.links, bounds, hosts, ended),
            )
            db.execute(
                "UPDATE queue SET outcome = ?, status = ?, fetched_at = ?, capture_file = ?,"
                " capture_offset = ?, capture_end = ?, attempts = ?, opt_out = ?, error = ?"
                " WHERE id = ?",
                (outcome, status, fetched_at, capture.file, capture.offset,
                 capture.offset + capture.length, visit.attempt, reading.opt_out, error, visit.id),
            )  # fmt: skip

    def _stale(self, db: sqlite3.Connection, visit: Visit, chain: int, reading: PageReading) -> int:
        """How many pages of the chain in a row, this one included, showed nothing new.

        Counted within the chain of one category, so that it does not depend on what other
        categories had shown by then.
        """
        products = {sighting.record_id for sighting in reading.sightings} or {
            link.target_url for link in reading.links if link.kind == "product"
        }
        new = 0
        if visit.kind in ("start", "category", "next"):
            for product in sorted(products):
                new += db.execute(
                    "INSERT OR IGNORE INTO chain_products VALUES (?, ?, ?)",
                    (chain, product, visit.id),
                ).rowcount
        return visit.stale + 1 if visit.kind == "next" and not new else 0

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
        with self._transaction() as db:
            db.execute(
                "INSERT OR REPLACE INTO hosts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (host, text, status, at, capture and capture.file,
                 capture and capture.offset + capture.length, at),
            )  # fmt: skip

    def save_last_request(self, host: str, at: float) -> None:
        """Remember when the host was last asked, for whoever asks it next."""
        with self._transaction() as db:
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

    def rows(self, query: str) -> Iterator[dict[str, Any]]:
        """Rows of a query as dictionaries, streamed."""
        cursor = self._db.execute(query)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


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
             json.dumps(link.trail, ensure_ascii=False))
            for position, link in enumerate(links)
        ],
    )  # fmt: skip


def _requests(
    visit: Visit,
    chain: int,
    stale: int,
    links: Sequence[Link],
    bounds: Bounds,
    hosts: Sequence[str],
    ended: bool,
) -> Iterator[tuple[Any, ...]]:
    """Queue rows for the links that the bounds allow."""
    for link, host in zip(links, hosts, strict=True):
        kind, priority, target_chain = link.kind, PRIORITY.get(link.kind, 2), None
        if link.kind == "next":
            if ended or visit.page_no + 1 >= bounds.max_pages_per_category:
                continue
            follow, target_chain = (visit.page_no + 1, visit.depth, 0, stale), chain
        elif link.kind == "redirect":
            if visit.redirects >= bounds.max_redirects:
                continue
            kind, priority = visit.kind, PRIORITY[visit.kind]
            follow = (visit.page_no, visit.depth, visit.redirects + 1, visit.stale)
            target_chain = visit.chain
        elif visit.depth + 1 > bounds.max_depth:
            continue
        else:
            follow = (0, visit.depth + 1, 0, 0)
        yield (link.target_url, kind, host, priority, target_chain, *follow)


def pages_done(path: Path) -> int:
    """Pages with an outcome in a frontier that another process may be writing."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        try:
            (count,) = db.execute("SELECT COUNT(*) FROM queue WHERE outcome IS NOT NULL").fetchone()
        except sqlite3.DatabaseError:
            return 0  # its tables are being made this moment, or its worker will say what is wrong
    return int(count)
