"""How a workspace stands: its runs, what waits to be done, what is due, what it takes on disk.

Comes in: a workspace, which another process may be working on, and the configuration. Goes out: a
`Status`. Nothing is written or locked; what cannot be read this moment is told as unknown.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from operations.due import Due, next_due
from operations.last_run import LAST_RUN
from operations.retention.applying import MARKER
from operations.retention.sizes import bytes_text, disk_use
from provenance.takedown.job import JOB_FILE
from runtime.config import Config
from runtime.console import table
from runtime.errors import WorkspaceError
from runtime.image_index import index_path
from runtime.locks import lock_holder
from runtime.stages import utc_text
from runtime.storage import read_json
from runtime.workspace import Run, Workspace

SHOWN_RUNS = 10
DISK_SECONDS = 10.0
_QUEUED = "SELECT COUNT(*) FROM queue WHERE outcome IS NULL"
_WANTED = (
    "SELECT COUNT(*) FROM urls WHERE place IS NOT NULL AND (outcome IS NULL OR outcome = 'dropped')"
)


@dataclass(frozen=True)
class Backlog:
    """What waits in the newest run; None for a number that is not known (yet).

    `queued` are pages by site, `pictures` URLs that nobody asked for yet, `held` records that wait
    for an answer of `mep3m review`.
    """

    run_id: str | None
    queued: Mapping[str, int | None]
    pictures: int | None
    held: int | None


@dataclass(frozen=True)
class Status:
    """All that `mep3m status` tells; `disk` is in bytes, at least where it is not `disk_whole`."""

    runs: tuple[Mapping[str, Any], ...]
    left: Mapping[str, tuple[str, ...]]
    release: Path | None
    backlog: Backlog
    dues: tuple[Due, ...]
    now: datetime
    disk: Mapping[str, int]
    disk_whole: bool
    last_run: Mapping[str, Any] | None
    lock: int | None
    takedown: bool
    gc: bool

    def to_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "runs": list(self.runs),
            "stages_left": {run_id: list(left) for run_id, left in self.left.items()},
            "release": str(self.release) if self.release else None,
            "backlog": {
                "run_id": self.backlog.run_id,
                "queued_pages": dict(self.backlog.queued),
                "pictures": self.backlog.pictures,
                "held": self.backlog.held,
            },
            "sites": [
                {
                    "site": due.site, "last": due.last and utc_text(due.last),
                    "due_at": due.due_at and utc_text(due.due_at), "due": due.is_due(self.now),
                }
                for due in self.dues
            ],
            "disk": {**self.disk, "complete": self.disk_whole},
            "last_run": self.last_run,
            "lock": {"held": self.lock is not None, "process": self.lock},
            "unfinished": {"takedown": self.takedown, "gc": self.gc},
        }  # fmt: skip

    def to_text(self) -> str:
        """For people."""
        lines = [_runs_text(self), f"current release: {self.release or 'none yet'}", ""]
        lines += [_last_run_text(self.last_run), _backlog_text(self.backlog)]
        if self.dues:
            rows = [
                (
                    due.site, utc_text(due.last) if due.last else "never",
                    "now" if due.is_due(self.now) or due.due_at is None else utc_text(due.due_at),
                    _number(self.backlog.queued.get(due.site, 0)),
                )
                for due in self.dues
            ]  # fmt: skip
            lines += ["", table(rows, ("site", "last crawled", "due", "pages queued"))]
        least = "" if self.disk_whole else "at least "
        sizes = [(kind, bytes_text(size)) for kind, size in self.disk.items()]
        lines += ["", table(sizes, ("on disk", f"{least}takes"))]
        if self.lock is not None:
            lines.append(f"process {self.lock} is working on it")
        if self.takedown:
            lines.append("a takedown was killed: the next `mep3m run` finishes it first")
        if self.gc:
            lines.append("a `mep3m gc --apply` is under way, or was killed: run it again")
        return "\n".join(lines)


def find_status(workspace: Workspace, config: Config, now: datetime) -> Status:
    """Raises WorkspaceError for a `run.json` that is damaged."""
    runs = workspace.runs()
    records = tuple(run.record for run in runs)
    left = {run.run_id: _left(run, told) for run, told in zip(runs, records, strict=True)}
    disk, whole = disk_use(workspace, DISK_SECONDS)
    return Status(
        records, left, workspace.latest_release(), _backlog(runs[-1] if runs else None),
        tuple(next_due(workspace, config)), now, disk, whole, _last_run(workspace),
        lock_holder(workspace.folder), (workspace.folder / JOB_FILE).is_file(),
        (workspace.folder / MARKER).is_file(),
    )  # fmt: skip


def _left(run: Run, record: Mapping[str, Any]) -> tuple[str, ...]:
    if record["status"] != "running":
        return ()
    return tuple(stage for stage in run.stages if stage not in record["stages"])


def _backlog(run: Run | None) -> Backlog:
    if run is None:
        return Backlog(None, {}, None, None)
    record = run.record
    queued: dict[str, int | None] = {}
    if not run.is_finished and "crawl" not in record["stages"]:
        for path in sorted(run.frontiers.glob("*.sqlite")):
            queued[path.stem] = _count(path, _QUEUED)
    pictures: int | None = 0
    if not run.is_finished and "fetch" not in record["stages"] and not run.is_imported:
        pictures = _count(index_path(run), _WANTED)
    mapped = record["stages"].get("map")
    held = None if mapped is None else int(mapped.get("held", 0))
    return Backlog(run.run_id, queued, pictures, held)


def _count(path: Path, query: str) -> int | None:
    """What a query counts in a database that another process may be writing."""
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return int(db.execute(query).fetchone()[0])
    except sqlite3.DatabaseError:
        return None  # it is being made this moment, or damaged: the next run says which


def _last_run(workspace: Workspace) -> Mapping[str, Any] | None:
    try:
        told: Mapping[str, Any] = read_json(workspace.folder / LAST_RUN)
    except (FileNotFoundError, WorkspaceError):
        return None
    names = ("run_id", "exit_status", "outcome", "error", "summary", "began", "ended", "seconds")
    return {name: told.get(name) for name in names} if isinstance(told, dict) else None


def _runs_text(status: Status) -> str:
    if not status.runs:
        return "no run yet"
    rows = [
        (
            str(record["run_id"]), str(record["status"]), str(record.get("release") or "-"),
            ", ".join(status.left[record["run_id"]]) or "-",
        )
        for record in status.runs[-SHOWN_RUNS:]
    ]  # fmt: skip
    text = table(rows, ("run", "status", "release", "stages left"))
    older = len(status.runs) - len(rows)
    return f"{text}\n({older} older)" if older else text


def _last_run_text(told: Mapping[str, Any] | None) -> str:
    if told is None:
        return "last run: nothing is told of one"
    said = told["error"] or told["summary"] or "-"
    return f"last run: exit {told['exit_status']} ({told['outcome']}) at {told['ended']}: {said}"


def _backlog_text(backlog: Backlog) -> str:
    if backlog.run_id is None:
        return "waiting: nothing"
    pages = [count for count in backlog.queued.values() if count is not None]
    queued = "unknown" if len(pages) < len(backlog.queued) else _number(sum(pages))
    return (
        f"waiting in run {backlog.run_id}: {queued} pages, {_number(backlog.pictures)} pictures, "
        f"{_number(backlog.held)} records held for `mep3m review`"
    )


def _number(count: int | None) -> str:
    return "unknown" if count is None else f"{count:,}"
