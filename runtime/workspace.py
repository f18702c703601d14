"""Where things lie: the folders of a workspace, its runs and the pointer to its current release."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runtime.errors import NotWritableError, WorkspaceError
from runtime.keys import digest
from runtime.parts import PartFolder
from runtime.run_ids import next_run_id, start_of
from runtime.storage import explain_os_error, read_json, write_json
from runtime.tables import (
    ABSENT,
    ANNOTATIONS,
    CLEANED,
    DECISIONS,
    FINGERPRINTS,
    IMAGES,
    KNOWN,
    LABELS,
    LINKS,
    LISTINGS,
    PAGES,
    REPRINTS,
    SIGHTINGS,
    SURVIVORS,
    Table,
)

MAX_FILE_KEY = 100
STAGES = ("crawl", "merge", "fetch", "clean", "map", "dedupe", "publish")
GATE_FAILED = "gate_failed"
"""The status of a run that must not publish; the next one begins anew."""
IMPORT_STAGES = ("import", "clean", "map", "dedupe", "publish")


# Removing it would take the run, and what it knows of its records, out of the workspace.
_RECORD_REMEDY = "restore the file from a copy"
_POINTER_REMEDY = "make a release current again with `mep3m rollback VERSION`"
_RECORD_TYPES: Mapping[str, type] = {
    "status": str, "stages": dict, "run_id": str, "sites": list, "started": str,
    "failed_sites": dict, "set_aside": dict, "site_digests": dict,
}  # fmt: skip
_REQUIRED = ("status", "stages")


def _record_problem(value: Any) -> str | None:
    """What a `run.json` should be and is not; None when it is in order."""
    if not isinstance(value, dict):
        return f"an object, got {str(value)[:60]}"
    for name, kind in _RECORD_TYPES.items():
        if name in value and not isinstance(value[name], kind):
            return f"`{name}` as {kind.__name__}, got {str(value[name])[:60]!r}"
        if name in _REQUIRED and name not in value:
            return f"an object with `{name}`, got none"
    try:
        datetime.fromisoformat(value.get("started", "2000-01-01"))
    except ValueError:
        return f"`started` as an instant, got {value['started'][:60]!r}"
    return None


def file_key(host: str) -> str:
    """A host as a file name, another for every host: `127.0.0.1:80` becomes `127.0.0.1%3A80`.

    A page can name hosts longer than any file name; those end in a digest.
    """
    key = quote(host, safe="")
    return key if len(key) <= MAX_FILE_KEY else f"{key[:MAX_FILE_KEY]}~{digest(host)}"


@dataclass(frozen=True)
class Run:
    """One run: what was recorded and what was computed from it, below one folder."""

    folder: Path

    @property
    def run_id(self) -> str:
        """The folder's name: the run's start in UTC."""
        return self.folder.name

    @property
    def workspace(self) -> Path:
        """The folder of the workspace that it is a run of."""
        return self.folder.parent.parent

    @property
    def captures(self) -> Path:
        """WARC files."""
        return self.folder / "captures"

    @property
    def frontiers(self) -> Path:
        """One SQLite file per site."""
        return self.folder / "frontier"

    def _table(self, table: Table, *below: str) -> PartFolder:
        return PartFolder(self.folder.joinpath(table.name, *below), table)

    @property
    def pages(self) -> PartFolder:
        return self._table(PAGES)

    @property
    def sightings(self) -> PartFolder:
        return self._table(SIGHTINGS)

    @property
    def links(self) -> PartFolder:
        return self._table(LINKS)

    @property
    def annotations(self) -> PartFolder:
        """The rows of an imported copy."""
        return self._table(ANNOTATIONS)

    @property
    def listings(self) -> PartFolder:
        return self._table(LISTINGS)

    @property
    def known(self) -> PartFolder:
        return self._table(KNOWN)

    @property
    def absent(self) -> PartFolder:
        return self._table(ABSENT)

    @property
    def images(self) -> PartFolder:
        return self._table(IMAGES)

    @property
    def cleaned(self) -> PartFolder:
        return self._table(CLEANED)

    @property
    def labels(self) -> PartFolder:
        return self._table(LABELS)

    @property
    def survivors(self) -> PartFolder:
        return self._table(SURVIVORS)

    @property
    def reprints(self) -> PartFolder:
        """Fingerprints of a release's shards in this run's version, where that is another one."""
        return self._table(REPRINTS)

    @property
    def fingerprints(self) -> PartFolder:
        """The release's whole fingerprint table made anew from `reprints`, as one part."""
        return self._table(FINGERPRINTS)

    def decisions(self, stage: str) -> PartFolder:
        """The decisions of one stage, in parts named as the listings'."""
        return self._table(DECISIONS, stage)

    @property
    def record(self) -> dict[str, Any]:
        """What `run.json` says: status, configuration digest, per stage its counts.

        Raises WorkspaceError for a damaged one.
        """
        path = self.folder / "run.json"
        value = read_json(path, _RECORD_REMEDY)
        problem = _record_problem(value)
        if problem is not None:
            raise WorkspaceError(f"{path}: expected {problem}; {_RECORD_REMEDY}")
        found: dict[str, Any] = value
        return found

    def update(self, **changes: Any) -> None:
        """Replace some entries of `run.json`."""
        write_json(self.folder / "run.json", {**self.record, **changes})

    def accept(self, gates: Iterable[str]) -> None:
        """Record gates that a person accepted, beside those that were before."""
        self.update(accepted=sorted({*self.accepted, *gates}))

    @property
    def accepted(self) -> tuple[str, ...]:
        """The gates that a person accepted: the run may publish though it failed them."""
        return tuple(self.record.get("accepted", ()))

    def finish_stage(self, stage: str, counts: Mapping[str, int]) -> None:
        """Record a finished stage's counts; what came after it is no longer current."""
        before = self.stages[: self.stages.index(stage)]
        stages = {
            name: self.record["stages"][name] for name in before if name in self.record["stages"]
        }
        self.update(stages={**stages, stage: dict(counts)})

    def require_before(self, stage: str) -> None:
        """Raise WorkspaceError unless every stage before this one is done."""
        for earlier in self.stages[: self.stages.index(stage)]:
            if earlier not in self.record["stages"]:
                raise WorkspaceError(
                    f"run {self.run_id}: `{stage}` expects `{earlier}` done, and it is not; "
                    f"run `mep3m {earlier}` first, or `mep3m run` for all stages"
                )

    def require_stage(self, stage: str) -> None:
        """Raise WorkspaceError unless it is one of the run's stages."""
        if stage not in self.stages:
            raise WorkspaceError(
                f"run {self.run_id}: expected one of its stages ({', '.join(self.stages)}), got "
                f"`{stage}`, of which an imported copy has no need; `mep3m run` finishes it, or "
                "starts the next one"
            )

    @property
    def started(self) -> datetime | None:
        """When it was started, by the clock of that day; None where nothing says."""
        text = self.record.get("started")
        return datetime.fromisoformat(text) if text else start_of(self.run_id)

    @property
    def is_imported(self) -> bool:
        """Whether its records come from an existing copy instead of a crawl."""
        return "imported" in self.record

    @property
    def stages(self) -> tuple[str, ...]:
        """Its stages in their order."""
        return IMPORT_STAGES if self.is_imported else STAGES

    @property
    def is_finished(self) -> bool:
        """True once the run published, found nothing to publish, or failed a gate."""
        return str(self.record["status"]) != "running"


@dataclass(frozen=True)
class Workspace:
    """A workspace folder."""

    folder: Path

    @property
    def releases(self) -> Path:
        return self.folder / "releases"

    def attachments(self, version: str) -> Path:
        """For what is made of a release later: reports, baselines; no part of it."""
        return self.folder / "attachments" / version

    def prepare(self) -> None:
        """Create the folder, or say in one line why it cannot be used.

        Raises WorkspaceError when it is not a folder or cannot be written.
        """
        if self.folder.exists() and not self.folder.is_dir():
            raise WorkspaceError(
                f"workspace {self.folder}: expected a folder, got a file; "
                "change the `workspace` setting"
            )
        try:
            (self.folder / "runs").mkdir(parents=True, exist_ok=True)
            self.releases.mkdir(exist_ok=True)
        except OSError as error:
            explained = explain_os_error(error, self.folder)
            if isinstance(explained, NotWritableError):  # nothing was begun: the setting is wrong
                raise WorkspaceError(str(explained)) from error
            raise explained from error
        if not os.access(self.folder / "runs", os.W_OK | os.X_OK):
            raise WorkspaceError(
                f"cannot write {self.folder}: expected a writable folder; "
                "change its permissions or the `workspace` setting"
            )

    def runs(self) -> list[Run]:
        """All runs, oldest first."""
        folder = self.folder / "runs"
        if not folder.is_dir():
            return []
        return [Run(p) for p in sorted(folder.iterdir()) if (p / "run.json").is_file()]

    def run(self, run_id: str) -> Run:
        """The run of that name; raises WorkspaceError when there is none."""
        found = Run(self.folder / "runs" / run_id)
        if not (found.folder / "run.json").is_file():
            raise WorkspaceError(
                f"no run {run_id!r} in {self.folder}: expected one of "
                f"{', '.join(r.run_id for r in self.runs()) or 'none yet'}"
            )
        return found

    def unfinished_run(self) -> Run | None:
        """The newest run, when it has not finished."""
        runs = self.runs()
        return runs[-1] if runs and not runs[-1].is_finished else None

    def new_run(self, now: datetime, sites: Iterable[str], **record: Any) -> Run:
        """Start a run named after `now`, later than every other run, whatever the clock says.

        `record` are further entries of its `run.json`.
        """
        folders = self.folder / "runs"
        taken = [path.name for path in folders.iterdir()] if folders.is_dir() else []
        run_id = next_run_id(now, max((name for name in taken if start_of(name)), default=None))
        started = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        run = Run(self.folder / "runs" / run_id)
        write_json(
            run.folder / "run.json",
            {
                "run_id": run_id, "started": started, "status": "running", "sites": sorted(sites),
                "stages": {}, **record,
            },
        )  # fmt: skip
        return run

    def latest_release(self) -> Path | None:
        """Folder of the current release, by `LATEST.json`; None before the first.

        Raises WorkspaceError where that names no release folder beside it.
        """
        pointer = self.releases / "LATEST.json"
        if not pointer.is_file():
            return None
        value = read_json(pointer, _POINTER_REMEDY)
        version = value.get("version") if isinstance(value, dict) else None
        if not isinstance(version, str) or not version or Path(version).name != version:
            raise WorkspaceError(
                f"{pointer}: expected an object with a `version`, got {str(value)[:60]}; "
                f"{_POINTER_REMEDY}"
            )
        return self.releases / version
