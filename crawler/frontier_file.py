"""The frontier's file: its tables, its lock, its transactions, and what a power failure undoes.

One SQLite file (WAL) for each site and run, used by one process at a time.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from crawler.captures import repair
from runtime.errors import LockedError, SiteError
from runtime.sqlite_files import is_damage, is_intact
from runtime.storage import explain_os_error, explain_sqlite_error
from runtime.workspace import Run

LOCK_PATIENCE_SECONDS = 20.0

# `wave`, `parent` and `position` are a request's place in the order of discovery, `rank` its turn
# once its wave has begun; none of them depends on which answer came first.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS queue(
  id INTEGER PRIMARY KEY, url TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, host TEXT NOT NULL,
  wave INTEGER NOT NULL, parent INTEGER NOT NULL, position INTEGER NOT NULL, rank INTEGER,
  chain INTEGER, page_no INTEGER NOT NULL DEFAULT 0, depth INTEGER NOT NULL DEFAULT 0,
  redirects INTEGER NOT NULL DEFAULT 0, stale INTEGER NOT NULL DEFAULT 0,
  repeats INTEGER NOT NULL DEFAULT 0, barren INTEGER NOT NULL DEFAULT 0,
  family TEXT, fruitful INTEGER,
  not_before REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
  outcome TEXT, status INTEGER, fetched_at TEXT, capture_file TEXT, capture_offset INTEGER,
  capture_end INTEGER, opt_out TEXT, error TEXT);
CREATE INDEX IF NOT EXISTS unranked ON queue(wave, parent, position)
  WHERE rank IS NULL AND outcome IS NULL;
CREATE INDEX IF NOT EXISTS waiting ON queue(rank) WHERE rank IS NOT NULL AND outcome IS NULL;
CREATE INDEX IF NOT EXISTS families ON queue(family, rank) WHERE fruitful IS NOT NULL;
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
CREATE TABLE IF NOT EXISTS products(
  product TEXT PRIMARY KEY, wave INTEGER NOT NULL, rank INTEGER NOT NULL,
  position INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents(
  key TEXT PRIMARY KEY, wave INTEGER NOT NULL, rank INTEGER NOT NULL, url TEXT NOT NULL)
  WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hosts(
  host TEXT PRIMARY KEY, robots TEXT, robots_status INTEGER, robots_at REAL,
  capture_file TEXT, capture_end INTEGER, last_request REAL);
CREATE TABLE IF NOT EXISTS removed(page INTEGER PRIMARY KEY, sightings INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS meta(name TEXT PRIMARY KEY, value REAL NOT NULL) WITHOUT ROWID;
"""


class FrontierDamagedError(SiteError):
    """A frontier whose file is not what was written; its site has to begin anew."""


def frontier_path(run: Run, site: str) -> Path:
    """Where a run keeps a site's frontier."""
    return run.frontiers / f"{site}.sqlite"


class FrontierFile:
    """Exclusive access to one site's frontier file; `captures` is the folder its pages lie in."""

    def __init__(self, path: Path, captures: Path, site: str) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
        except OSError as error:
            raise explain_os_error(error, path) from error
        self._acquire()
        self.db: sqlite3.Connection
        try:
            self._open(captures, site)
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self, captures: Path, site: str) -> None:
        path = self.path
        was_there = path.is_file() and path.stat().st_size > 0
        try:
            self.db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.DatabaseError as error:
            raise SiteError(
                f"site {site}: expected a frontier in {path}, got {error}; remove it to crawl the "
                "site again"
            ) from error
        try:
            # Indexes as well: one that lacks an entry would end the crawl before its time.
            if was_there and not is_intact(self.db, indexes=True):
                raise FrontierDamagedError(
                    f"site {site}: expected an intact frontier in {path}, got a damaged one"
                )
            self.db.execute("PRAGMA journal_mode=WAL")
            self.db.execute("PRAGMA synchronous=NORMAL")
            self.db.executescript(_SCHEMA)
            self._forget_lost_captures(captures, site)
        except sqlite3.DatabaseError as error:
            self.db.close()
            explained = explain_sqlite_error(error, path)
            if explained is not error:
                raise explained from error
            said = f"site {site}: expected an intact frontier in {path}, got {str(error)!r}"
            if is_damage(error):
                raise FrontierDamagedError(said) from error
            raise SiteError(f"{said}; check the disk and run again") from error
        except BaseException:
            self.db.close()
            raise

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
        try:
            self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            self.db.close()
            os.close(self._lock)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """All of the block's writes or none. Raises StorageFullError on a full disk."""
        try:
            self.db.execute("BEGIN IMMEDIATE")
            yield self.db
            self.db.execute("COMMIT")
        except BaseException as error:
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error):
                raise explain_sqlite_error(error, self.path) from error
            raise

    def _forget_lost_captures(self, captures: Path, site: str) -> None:
        """After a power failure: pages whose capture did not reach the disk are queued again."""
        ends = self.db.execute(
            "SELECT capture_file, MAX(capture_end) FROM"
            " (SELECT capture_file, capture_end FROM queue"
            " UNION ALL SELECT capture_file, capture_end FROM hosts)"
            " WHERE capture_file IS NOT NULL GROUP BY capture_file"
        ).fetchall()
        for name in repair(captures, site, ends):
            path = captures / name
            size = path.stat().st_size if path.is_file() else 0
            with self.transaction() as db:
                lost = "SELECT id FROM queue WHERE capture_file = ? AND capture_end > ?"
                for table in ("sightings", "links", "chain_products", "removed"):
                    db.execute(f"DELETE FROM {table} WHERE page IN ({lost})", (name, size))
                ranks = lost.replace("SELECT id", "SELECT rank")
                for table in ("products", "contents"):
                    db.execute(f"DELETE FROM {table} WHERE rank IN ({ranks})", (name, size))
                db.execute(
                    "UPDATE queue SET outcome = NULL, capture_file = NULL, fruitful = NULL"
                    " WHERE capture_file = ? AND capture_end > ?",
                    (name, size),
                )
                db.execute(
                    "DELETE FROM hosts WHERE capture_file = ? AND capture_end > ?", (name, size)
                )

    def rows(self, query: str) -> Iterator[dict[str, Any]]:
        """Rows of a query as dictionaries, streamed."""
        cursor = self.db.execute(query)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


def pages_done(path: Path) -> int:
    """Pages with an outcome in a frontier that another process may be writing."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            (count,) = db.execute("SELECT COUNT(*) FROM queue WHERE outcome IS NOT NULL").fetchone()
    except sqlite3.DatabaseError:
        return 0  # it is being made this moment, or its worker will say what is wrong
    return int(count)
