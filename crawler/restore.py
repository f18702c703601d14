"""The product memory made again from the files, on demand: what `mep3m restore` does.

A run makes `state.sqlite` again by itself where it sees that it is missing or damaged. What it
cannot see (rows that an intact file has wrong) is put right here. The new file takes the place of
the old one in one step.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crawler.memory_file import STATE_FILE, fault, make_memory, not_remembered
from runtime.errors import WorkspaceError
from runtime.sqlite_files import remove_database
from runtime.storage import atomic_path
from runtime.workspace import Run, Workspace

# Runs that somebody deleted are in no file any more; an intact memory is all that tells of them.
_TAKE_OVER = """
INSERT INTO products SELECT * FROM old.products WHERE last_run NOT IN (SELECT id FROM present)
ON CONFLICT(record_id) DO NOTHING"""
_OLDER = """
UPDATE products SET first_seen = o.first_seen FROM old.products AS o
WHERE o.record_id = products.record_id AND o.first_seen < products.first_seen"""
_GONE = "SELECT COUNT(*) FROM old.folded WHERE run_id NOT IN (SELECT id FROM present)"
_FOLDED = """
INSERT OR IGNORE INTO folded
SELECT * FROM old.folded WHERE run_id NOT IN (SELECT id FROM present)"""


@dataclass(frozen=True)
class Restored:
    """A memory that was made again.

    `found` says how the file was before ("intact", or what was wrong); `runs` are those it holds,
    the newest one not among them: that is taken in when the next one begins. `taken_over` counts
    products of deleted runs, which only the file before knew; `missing` are (run, site) whose parts
    are damaged.
    """

    path: Path
    found: str
    runs: tuple[str, ...]
    products: int
    taken_over: int
    missing: tuple[tuple[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": str(self.path), "found": self.found, "runs": list(self.runs),
            "products": self.products, "taken_over": self.taken_over,
            "not_remembered": [{"run_id": run, "site": site} for run, site in self.missing],
        }  # fmt: skip

    def to_text(self) -> str:
        """For people."""
        lines = [
            f"{self.path} ({self.found}) was made again from the files: "
            f"{len(self.runs)} runs, {self.products} products"
        ]
        if self.taken_over:
            lines.append(f"{self.taken_over} products of runs that are gone were taken over")
        lines += [
            f"run {run}, site {site}: not remembered, its parts are damaged; restore them from a "
            "copy and do this again"
            for run, site in self.missing
        ]
        return "\n".join(lines)


def restore_memory(workspace: Workspace) -> Restored:
    """Make the product memory again, as it stands for the newest run. The caller holds the lock.

    Raises WorkspaceError where no file can stand in its place, StorageFullError on a full disk.
    """
    path, runs = workspace.folder / STATE_FILE, workspace.runs()
    if path.is_dir():
        raise WorkspaceError(f"{path}: expected a file or nothing, got a folder; move it away")
    newest = runs[-1].run_id if runs else ""
    found = _found(path)
    with atomic_path(path) as temporary:
        # A killed one of the same process number would be taken for a memory.
        remove_database(temporary)
        with closing(make_memory(temporary, runs, newest, workspace.latest_release())) as db:
            taken_over = _take_over(db, path, runs) if found == "intact" else 0
            (products,) = db.execute("SELECT COUNT(*) FROM products").fetchone()
            told = db.execute("SELECT DISTINCT run_id FROM folded ORDER BY 1").fetchall()
            missing = not_remembered(db)
        if found != "intact":
            remove_database(path)  # its log would be played into the new file
    return Restored(
        path, found, tuple(run for (run,) in told), products, taken_over, tuple(missing)
    )


def _found(path: Path) -> str:
    """How the file is; looking at it plays a killed writer's log back."""
    if not path.is_file():
        return "missing"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        return fault(db, path) or "intact"


def _take_over(db: sqlite3.Connection, before: Path, runs: Sequence[Run]) -> int:
    """Products and folded runs that only the file before knows; how many products that were."""
    db.execute("ATTACH ? AS old", (str(before),))
    db.execute("CREATE TEMP TABLE present(id TEXT PRIMARY KEY)")
    db.executemany("INSERT INTO present VALUES (?)", ((run.run_id,) for run in runs))
    (gone,) = db.execute(_GONE).fetchone()
    taken_over = 0
    if gone:
        db.execute("BEGIN")
        taken_over = db.execute(_TAKE_OVER).rowcount
        db.execute(_OLDER)
        db.execute(_FOLDED)
        db.execute("COMMIT")
    db.execute("DETACH old")
    return taken_over
