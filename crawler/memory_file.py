"""The product memory's file: what all earlier runs saw of every record, in `state.sqlite`.

A cache beside the runs: each run's sightings and absences are folded into it once, in run order,
a transaction for each site. What the files of the runs no longer tell comes from the
oldest run's `known` table and from the current release. Whenever it is missing, damaged or does
not agree with the files, it is made anew.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from crawler.rows import Row, plain_rows, rows
from runtime import logs
from runtime.errors import PartError, WorkspaceError
from runtime.keys import digest
from runtime.pruned import pruned_of
from runtime.sqlite_files import is_damage, remove_database
from runtime.storage import explain_sqlite_error
from runtime.streams import chunks
from runtime.workspace import Run

STATE_FILE = "state.sqlite"
SCHEMA_VERSION = 1  # of the tables below; a file of another version is made anew

_SCHEMA = """
CREATE TABLE folded(
  run_id TEXT NOT NULL, site TEXT NOT NULL, digest TEXT NOT NULL, PRIMARY KEY(run_id, site)
) WITHOUT ROWID;
CREATE TABLE products(
  record_id TEXT PRIMARY KEY, product_url TEXT NOT NULL, first_seen INTEGER NOT NULL,
  last_seen INTEGER NOT NULL, last_run TEXT NOT NULL, missed INTEGER NOT NULL,
  page_url TEXT, page_run TEXT, page_file TEXT, page_offset INTEGER,
  page_fetched_at INTEGER, page_tiles TEXT) WITHOUT ROWID;
CREATE INDEX pages ON products(page_url) WHERE page_url IS NOT NULL;
"""
_SEEN = """
INSERT INTO products(record_id, product_url, first_seen, last_seen, last_run, missed)
 VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT(record_id) DO UPDATE SET
 first_seen = MIN(first_seen, excluded.first_seen),
 last_seen = MAX(last_seen, excluded.last_seen), product_url = excluded.product_url,
 last_run = excluded.last_run, missed = excluded.missed"""
# An archive may be older than what is known, and is no look at the shop of today.
_SEEN_IN_ARCHIVE = f"{_SEEN} WHERE excluded.last_seen > last_seen"
_OLDER = "UPDATE products SET first_seen = ? WHERE record_id = ? AND first_seen > ?"
# A page that was carried forward keeps the tiles that its product had when it was captured.
_PAGE = """
UPDATE products SET page_url = :url, page_run = :run, page_fetched_at = :fetched_at,
 page_tiles = CASE WHEN page_file = :file AND page_offset = :offset THEN page_tiles ELSE :tiles END,
 page_file = :file, page_offset = :offset
WHERE record_id = :record_id AND COALESCE(page_fetched_at, :fetched_at) <= :fetched_at"""
_MISSED = "UPDATE products SET missed = ? WHERE record_id = ?"
_DAMAGED = "damaged: "  # before the digest of what could not be read
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SIGHTING = [
    "record_id", "product_url", "page_url", "page_kind", "title", "image_url", "fetched_at",
    "capture_file", "capture_offset",
]  # fmt: skip
_KNOWN = ["record_id", "product_url", "first_seen", "last_seen", "last_run", "missed"]
_RELEASED = ["record_id", "product_url", "first_seen", "fetched_at", "run_id"]


def micros(moment: datetime) -> int:
    """An instant as whole microseconds since 1970."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def instant(value: int) -> datetime:
    """The instant of `micros`."""
    return _EPOCH + timedelta(microseconds=value)


def tile_look(title: str | None, image_url: str | None) -> str:
    """What a tile of a grid shows of a product, as a digest: its words and its picture."""
    return digest(title or "", image_url or "")[:16]


def open_memory(
    path: Path, runs: Sequence[Run], before: str, release: Path | None
) -> sqlite3.Connection:
    """The memory of the runs before the one of id `before`, as it stands then.

    `runs` are those that are still there, oldest first; `release` is the current release's
    folder. The caller holds the workspace lock. Raises StorageFullError on a full disk.
    """
    earlier = [run for run in runs if run.run_id < before]
    with _told(path):
        try:
            return _open(path, earlier, before, release)
        except sqlite3.DatabaseError as error:
            # What a quick look does not find (an index that disagrees) is met while folding.
            if not is_damage(error):
                raise
            problem = f"expected an intact file, got {error}"
            return _open_anew(path, problem, earlier, before, release)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """Raise the user's situation where SQLite cannot write the file."""
    try:
        yield
    except sqlite3.OperationalError as error:
        explained = explain_sqlite_error(error, path)
        if explained is not error:
            raise explained from error
        raise WorkspaceError(
            f"{path}: expected a file to write, got {error}; remove it or mend its permissions"
        ) from error


def _open(path: Path, runs: Sequence[Run], before: str, release: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        problem = fault(db, path)
        todo = None if problem else _to_fold(db, runs, before)
        if todo is not None:
            _fold_all(db, todo)
            return db
    except BaseException:
        db.close()
        raise
    db.close()
    problem = problem or "expected the runs it was made from, got others"
    return _open_anew(path, problem, runs, before, release)


def _open_anew(
    path: Path, problem: str, runs: Sequence[Run], before: str, release: Path | None
) -> sqlite3.Connection:
    remove_database(path)
    if runs:
        logs.warning(f"{path}: {problem}; making it again from the runs")
    return _make(path, runs, before, release)


def make_memory(
    path: Path, runs: Sequence[Run], before: str, release: Path | None
) -> sqlite3.Connection:
    """A new memory of the runs before the one of id `before`, in a file that is not there yet.

    `runs` are all that are there, oldest first: a later one recorded what it knew of runs that
    were deleted.

    Raises StorageFullError on a full disk.
    """
    with _told(path):
        return _make(path, runs, before, release)


def _make(path: Path, runs: Sequence[Run], before: str, release: Path | None) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.executescript(f"BEGIN;{_SCHEMA}PRAGMA user_version = {SCHEMA_VERSION};COMMIT;")
        _fold_base(db, runs, release)
        earlier = [run for run in runs if run.run_id < before]
        _fold_all(db, _to_fold(db, earlier, before) or [])
    except BaseException:
        db.close()
        raise
    return db


def _fold_all(db: sqlite3.Connection, todo: Sequence[tuple[Run, str, str]]) -> None:
    for run, site, its_digest in todo:
        try:
            _fold(db, run, site, its_digest)
        except PartError as error:
            logs.warning(f"run {run.run_id}, site {site}: not remembered ({error.problem})")
            row = (run.run_id, site, f"{_DAMAGED}{its_digest}")
            db.execute("INSERT INTO folded VALUES (?, ?, ?)", row)


def not_remembered(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """(run id, site) of what could not be read when it was to be taken in."""
    rows = db.execute(
        "SELECT run_id, site FROM folded WHERE digest LIKE ? ORDER BY 1, 2", (f"{_DAMAGED}%",)
    )
    return rows.fetchall()


def fault(db: sqlite3.Connection, path: Path) -> str | None:
    """Why the file cannot be used; None when it can."""
    try:
        if path.stat().st_size == 0:
            return "expected a product memory, found none"
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version != SCHEMA_VERSION:
            return f"expected version {SCHEMA_VERSION}, got {version}"
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        return None if found == "ok" else f"expected an intact file, got {' '.join(found.split())}"
    except sqlite3.DatabaseError as error:
        return f"expected an intact file, got {error}"


def _to_fold(
    db: sqlite3.Connection, runs: Sequence[Run], before: str
) -> list[tuple[Run, str, str]] | None:
    """(run, site, digest) of what is not folded yet; None when that cannot be put right.

    Runs that are no longer there stay in memory; a run that changed, or that belongs before one
    that is folded, does not fit.
    """
    folded = {(run, site): d for run, site, d in db.execute("SELECT * FROM folded")}
    last = max((run for run, _ in folded), default="")
    if last >= before:
        return None  # it knows more than was known then
    todo = []
    for run in runs:
        for site in run.pages.names():
            its_digest = _digest(run, site)
            known = folded.get((run.run_id, site))
            if its_digest is None or known == its_digest:
                continue
            if known == f"{_DAMAGED}{its_digest}" and _is_damaged(run, site):
                continue
            if (run.run_id, site) in folded or run.run_id < last:
                return None
            todo.append((run, site, its_digest))
    return todo


def _digest(run: Run, site: str) -> str | None:
    """What a run holds of a site, by its seals; None when the site was not crawled to its end."""
    sightings, absent = run.sightings.seal(site), run.absent.seal(site)
    if sightings is None:
        return None
    return digest(sightings.sha256, absent.sha256 if absent else "")


def _is_damaged(run: Run, site: str) -> bool:
    seals = ((folder, folder.seal(site)) for folder in (run.sightings, run.absent))
    return any(seal is not None and folder.damage(site, seal) for folder, seal in seals)


# --------------------------------------------------------------------------- folding


def _fold(db: sqlite3.Connection, run: Run, site: str, its_digest: str) -> None:
    """Take in what one run saw of one site. Raises PartError when its parts are damaged."""
    from_archive = run.record.get("from_warc") is not None
    db.execute("BEGIN")
    try:
        for pairs in chunks(_seen(run, site), 4096):
            seen = [values for values, _ in pairs]
            db.executemany(_SEEN_IN_ARCHIVE if from_archive else _SEEN, seen)
            if from_archive:
                db.executemany(_OLDER, [(first, record, first) for record, _, first, *_ in seen])
            db.executemany(_PAGE, [page for _, page in pairs if page is not None])
        if run.absent.seal(site) is not None:
            absent = rows(run.absent, site, ["record_id", "missed"])
            db.executemany(_MISSED, ((row["missed"], row["record_id"]) for row in absent))
        db.execute("INSERT INTO folded VALUES (?, ?, ?)", (run.run_id, site, its_digest))
        db.execute("COMMIT")
    except BaseException:
        db.execute("ROLLBACK")
        raise


def _seen(run: Run, site: str) -> Iterator[tuple[tuple[Any, ...], Row | None]]:
    """Rows of `_SEEN` and `_PAGE` for each record, in order."""
    sightings = rows(run.sightings, site, _SIGHTING)
    for record_id, group in groupby(sightings, key=lambda row: row["record_id"]):
        shown = list(group)
        times = [row["fetched_at"] for row in shown]
        _, url = min((row["page_kind"] != "product", row["product_url"]) for row in shown)
        yield (record_id, url, min(times), max(times), run.run_id, 0), _page(run, record_id, shown)


def _page(run: Run, record_id: str, shown: Sequence[Row]) -> Row | None:
    """The record's own page in this run, and how its tiles looked then."""
    own = [row for row in shown if row["page_kind"] == "product"]
    if not own:
        return None
    row = max(own, key=lambda row: (row["fetched_at"], row["page_url"]))
    tiles = {
        tile_look(tile["title"], tile["image_url"])
        for tile in shown
        if tile["page_kind"] != "product"
    }
    return {
        "url": row["page_url"], "run": run.run_id, "fetched_at": row["fetched_at"],
        "file": row["capture_file"], "offset": row["capture_offset"],
        "tiles": " ".join(sorted(tiles)), "record_id": record_id,
    }  # fmt: skip


def _fold_base(db: sqlite3.Connection, runs: Sequence[Run], release: Path | None) -> None:
    """What is known from before the oldest run that is still there."""
    db.execute("BEGIN")
    if release is not None:
        whole = {run.run_id for run in runs if not _lacks_tables(run)}
        for values in _released(release, whole):
            db.executemany(_SEEN, values)
    last_pruned = _last_pruned(runs)
    based: set[str] = set()
    for run in runs:
        for site in run.pages.names():
            # What came before a run that went is in what a later one recorded as known.
            its_digest = _digest(run, site)
            if its_digest is not None and run.run_id < last_pruned.get(site, ""):
                db.execute("INSERT INTO folded VALUES (?, ?, ?)", (run.run_id, site, its_digest))
        for site in sorted(set(run.known.names()) - based):
            if run.run_id < last_pruned.get(site, ""):
                continue
            based.add(site)
            try:
                known = rows(run.known, site)
                db.executemany(_SEEN, (tuple(row[n] for n in _KNOWN) for row in known))
            except PartError as error:
                logs.warning(f"run {run.run_id}, site {site}: not remembered ({error.problem})")
    db.execute("COMMIT")


def _lacks_tables(run: Run) -> bool:
    pruned = pruned_of(run)
    return pruned is not None and pruned.tables


def _last_pruned(runs: Sequence[Run]) -> dict[str, str]:
    """By site, the newest run that had crawled it and has its tables no more."""
    found: dict[str, str] = {}
    for run in runs:
        pruned = pruned_of(run)
        if pruned is not None and pruned.tables:
            found.update(dict.fromkeys(pruned.sites, run.run_id))
    return found


def _released(release: Path, present: set[str]) -> Iterator[list[tuple[Any, ...]]]:
    """Records of a release that runs brought in which are there no longer."""
    for shard in sorted((release / "data").glob("*.parquet")):
        try:
            with pq.ParquetFile(shard) as file:
                for batch in file.iter_batches(4096, columns=_RELEASED):
                    yield [
                        (row["record_id"], row["product_url"], row["first_seen"],
                         row["fetched_at"], row["run_id"], 0)
                        for row in plain_rows(batch)
                        if row["run_id"] not in present and row["product_url"] is not None
                        and row["first_seen"] is not None and row["fetched_at"] is not None
                    ]  # fmt: skip
        except (OSError, pa.ArrowException) as error:
            logs.warning(f"{shard}: not remembered ({error}); run `mep3m verify`")
