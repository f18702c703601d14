"""The image index: which picture URLs a run wants, and where the bytes of each one lie.

A local SQLite cache over listings and image parts, made anew whenever one of them changed. It
keeps the plan of `fetch` and the look-ups of `clean` out of memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runtime.errors import WorkspaceError
from runtime.parts import PartFolder
from runtime.workspace import Run

_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts(name TEXT PRIMARY KEY, sha256 TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS urls(
  url TEXT PRIMARY KEY, host TEXT, place INTEGER, attempts INTEGER NOT NULL DEFAULT 0,
  outcome TEXT, part TEXT, row INTEGER, sha256 TEXT) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS plan ON urls(host, place);
"""

_POLICY = "policy"  # a row of `parts` that is none; parts have a "/" in their names


@dataclass(frozen=True)
class ImagePlace:
    """The last word on one image URL: its outcome and, when `ok`, where the bytes lie."""

    outcome: str
    part: str
    row: int
    sha256: str | None


class ImageIndex:
    """The index of one run."""

    def __init__(self, run: Run, *, read_only: bool = False) -> None:
        self.run = run
        self.path = index_path(run)
        if read_only:
            if not self.path.is_file():
                raise WorkspaceError(
                    f"run {run.run_id}: expected its images fetched, found no {self.path.name}; "
                    "run `mep3m fetch` first"
                )
            self._db = sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._db = _open_or_replace(self.path)
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Release the file."""
        self._db.close()

    def _is_folded(self, folder: PartFolder) -> bool:
        known = dict(self._db.execute("SELECT name, sha256 FROM parts"))
        sealed = {
            f"{folder.table.name}/{name}": seal.sha256 for name, seal in folder.seals().items()
        }
        ours = {k: v for k, v in known.items() if k.startswith(f"{folder.table.name}/")}
        return all(sealed.get(name) == sha256 for name, sha256 in ours.items())

    def _has_policy(self, policy: str) -> bool:
        row = self._db.execute("SELECT sha256 FROM parts WHERE name = ?", (_POLICY,)).fetchone()
        return row is not None and row[0] == policy

    def refresh(
        self, wanted: Iterable[tuple[str, Iterable[tuple[str, str]]]], policy: str = ""
    ) -> None:
        """Bring the index up to date.

        `wanted` gives, per listings part in order, the (url, host) pairs it names; `policy` says
        which settings chose them. Parts only ever appear; when one changed or went, or the
        policy changed, everything is folded in again.
        """
        folded = self._is_folded(self.run.images) and self._is_folded(self.run.listings)
        if not (folded and self._has_policy(policy)):
            self._db.execute("DELETE FROM parts")
            self._db.execute("DELETE FROM urls")
        known = dict(self._db.execute("SELECT name, sha256 FROM parts"))
        self._db.execute("BEGIN")
        self._remember(_POLICY, policy)
        (place,) = self._db.execute("SELECT COALESCE(MAX(place), 0) FROM urls").fetchone()
        listings = self.run.listings.seals()
        for name, pairs in wanted:
            if f"listings/{name}" in known:
                continue
            for url, host in pairs:
                place += 1
                self._db.execute(
                    "INSERT INTO urls(url, host, place) VALUES (?, ?, ?) ON CONFLICT(url) DO UPDATE"
                    " SET host = excluded.host, place = COALESCE(place, excluded.place)",
                    (url, host, place),
                )
            self._remember(f"listings/{name}", listings[name].sha256)
        for name, seal in self.run.images.seals().items():
            if f"images/{name}" not in known:
                self._fold(name)
                self._remember(f"images/{name}", seal.sha256)
        self._db.execute("COMMIT")

    def _remember(self, name: str, sha256: str) -> None:
        self._db.execute("INSERT OR REPLACE INTO parts VALUES (?, ?)", (name, sha256))

    def _fold(self, name: str) -> None:
        """The last `ok` counts; without one, the last attempt."""
        row_number = 0
        for batch in self.run.images.stream(name, ["image_url", "outcome", "sha256"]):
            for row in batch.to_pylist():
                self._db.execute(
                    "INSERT INTO urls(url, attempts, outcome, part, row, sha256)"
                    " VALUES (?, 1, ?, ?, ?, ?) ON CONFLICT(url) DO UPDATE SET"
                    " attempts = attempts + 1,"
                    " outcome = excluded.outcome, part = excluded.part, row = excluded.row,"
                    " sha256 = excluded.sha256"
                    " WHERE excluded.outcome = 'ok' OR COALESCE(outcome, '') != 'ok'",
                    (row["image_url"], row["outcome"], name, row_number, row["sha256"]),
                )
                row_number += 1

    def hosts(self) -> list[str]:
        """Hosts that wanted URLs lie on, sorted."""
        rows = self._db.execute("SELECT DISTINCT host FROM urls WHERE place IS NOT NULL ORDER BY 1")
        return [host for (host,) in rows]

    def to_fetch(
        self, host: str, final: Sequence[str], max_attempts: int
    ) -> Iterator[tuple[str, int]]:
        """(url, attempts so far) of the host's URLs that are worth asking for, in listing order.

        Not those with an outcome in `final`, nor those tried `max_attempts` times already.
        """
        marks = ", ".join("?" * len(final))
        cursor = self._db.execute(
            f"SELECT url, attempts FROM urls WHERE host = ? AND place IS NOT NULL"
            f" AND (outcome IS NULL OR outcome NOT IN ({marks})) AND attempts < ? ORDER BY place",
            (host, *final, max_attempts),
        )
        yield from cursor

    def places(self, urls: Iterable[str]) -> Mapping[str, ImagePlace]:
        """What is known of each URL that was attempted."""
        found = {}
        for url in urls:
            row = self._db.execute(
                "SELECT outcome, part, row, sha256 FROM urls WHERE url = ? AND outcome IS NOT NULL",
                (url,),
            ).fetchone()
            if row is not None:
                found[url] = ImagePlace(*row)
        return found

    def outcomes(self) -> dict[str, int]:
        """Wanted URLs per last outcome; `waiting` for those never attempted."""
        rows = self._db.execute(
            "SELECT COALESCE(outcome, 'waiting'), COUNT(*) FROM urls WHERE place IS NOT NULL"
            " GROUP BY 1 ORDER BY 1"
        )
        return dict(rows.fetchall())


def _open_or_replace(path: Path) -> sqlite3.Connection:
    """The index for writing; a damaged one is a cache and is made anew."""
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA quick_check").fetchall()
    except sqlite3.DatabaseError:
        db.close()
        for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
            path.with_name(name).unlink(missing_ok=True)
        db = sqlite3.connect(path, isolation_level=None)
    return db


def index_path(run: Run) -> Path:
    """Where a run's image index lies."""
    return run.folder / "image-index.sqlite"
