"""SQLite files without what leaves: frontiers are purged and written anew, caches are removed.

A deleted row's bytes stay in a file's free pages and its log: secure_delete, a truncated log and
VACUUM see to both.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

from crawler.archive import INDEX_FILE
from crawler.memory_file import STATE_FILE
from provenance.takedown.job import Job
from runtime import logs
from runtime.image_bytes import PLACES_FILE
from runtime.image_index import index_path
from runtime.sqlite_files import is_damage, remove_database
from runtime.workspace import Workspace

_PATIENCE_SECONDS = 20.0
# As the frontier counts sightings of what was taken down before.
_COUNTED = """
CREATE TABLE IF NOT EXISTS removed(page INTEGER PRIMARY KEY, sightings INTEGER NOT NULL)"""
_COUNT = """
INSERT INTO removed SELECT page, COUNT(*) FROM sightings
WHERE leaves(record_id) OR leaves(product_url) GROUP BY page
ON CONFLICT(page) DO UPDATE SET sightings = sightings + excluded.sightings"""


def purge_databases(workspace: Workspace, job: Job) -> None:
    """Rewrite the frontiers of all runs, and remove caches that are made again from the files."""
    for run in workspace.runs():
        for path in sorted(run.frontiers.glob("*.sqlite")):
            if path.stem in job.sites:
                remove_database(path)
            else:
                _purge_or_remove(path, job)
        remove_database(index_path(run))
        remove_database(run.folder / INDEX_FILE)
    remove_database(workspace.folder / STATE_FILE)
    remove_database(workspace.folder / PLACES_FILE)


def _purge_or_remove(path: Path, job: Job) -> None:
    """What cannot be purged cannot stay; the next crawl of the run begins its site anew."""
    try:
        purge_database(path, job)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        logs.warning(f"{path}: expected an intact frontier, got {str(error)!r}; removed it")
        remove_database(path)


def purge_database(path: Path, job: Job) -> None:
    """Delete the rows that name what leaves, in every table, and rewrite the file."""
    names = job.names
    with closing(sqlite3.connect(path, timeout=_PATIENCE_SECONDS, isolation_level=None)) as db:
        db.execute("PRAGMA temp_store = MEMORY")
        db.execute("PRAGMA secure_delete = ON")
        db.create_function("leaves", 1, _leaves(job), deterministic=True)
        db.create_function("plain", 1, lambda text: text and names.without(text))
        db.execute("BEGIN IMMEDIATE")
        if _has_table(db, "sightings"):
            db.execute(_COUNTED)
            db.execute(_COUNT)
        tables = list(_text_columns(db))
        for table, columns in tables:
            subjects = [name for name in columns if name not in ("error", "robots", "image_url")]
            if subjects:
                where = " OR ".join(f'leaves("{name}")' for name in subjects)
                db.execute(f'DELETE FROM "{table}" WHERE {where}')
            if "error" in columns:
                db.execute(f'UPDATE "{table}" SET error = plain(error) WHERE error IS NOT NULL')
        db.execute("COMMIT")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _leaves(job: Job) -> Callable[[object], bool]:
    names = job.names

    def leaves(value: object) -> bool:
        return isinstance(value, str) and (value in names.exact or names.is_record(value))

    return leaves


def _has_table(db: sqlite3.Connection, name: str) -> bool:
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone() is not None


def _text_columns(db: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    """Every table with its columns of text."""
    for (table,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        columns = db.execute(f'PRAGMA table_info("{table}")').fetchall()
        yield table, [name for _, name, kind, *_ in columns if kind == "TEXT"]
