"""Which run a command works on: an unfinished one, one that answers came for, or a new one.

Comes in: a workspace whose lock is held, and what was asked for. Goes out: a run and its stages, or
what there is to say where nothing is to be done.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from operations.due import Due, earliest, next_due
from runtime import clock
from runtime.config import Config
from runtime.errors import ConfigError, WorkspaceError
from runtime.executor import WorkerPool
from runtime.stages import utc_text
from runtime.workspace import GATE_FAILED, STAGES, Run, Workspace

ANSWERED_STAGES = ("map", "dedupe", "publish")
"""What takes answers of `review` into a run that is finished."""

Begin = Callable[[Workspace, WorkerPool], Run]
"""Gives the run to work on, other than the newest unfinished one."""


@dataclass(frozen=True)
class Chooser:
    """A workspace and its configuration."""

    workspace: Workspace
    config: Config
    config_folder: Path

    def answered_run(self) -> Run | None:
        """The newest crawled run, when it has held records and was answered since it published."""
        from taxonomy.site_mappings import answers_digest

        crawled = [run for run in self.workspace.runs() if not run.is_imported]
        if not crawled:
            return None
        record = crawled[-1].record
        taken = record.get("answers_taken")
        if taken is None or not record["stages"].get("map", {}).get("held"):
            return None
        if record["status"] == GATE_FAILED:
            return None  # the answers count in the next run, which this one must not hold up
        found = answers_digest(record["sites"], self.config, self.config_folder)
        return None if found == taken else crawled[-1]

    def unfinished_run(self) -> Run | None:
        """The run to go on with; ConfigError when the configuration lost one of its sites.

        Sites that no run knows yet join it, as long as it crawls.
        """
        run = self.workspace.unfinished_run()
        if run is not None and "from_warc" not in run.record and not run.is_imported:
            configured = {site.key for site in self.config.site}
            own = set(run.record["sites"])
            gone = sorted(own - configured)
            if gone:
                raise ConfigError(
                    f"[[site]] {', '.join(gone)}: expected the sites of the unfinished run "
                    f"{run.run_id}, found them removed; put them back until it has finished"
                )
            if not own >= configured:
                known = {due.site for due in self.dues() if due.last is not None}
                run.update(sites=sorted(own | (configured - known)))
        return run

    def reopen(self, accepted: Sequence[str]) -> None:
        """Let the newest run go on, where gates ended it; ConfigError for a name that none has."""
        from operations.gates.names import require_gates

        runs = self.workspace.runs()
        newest = runs[-1] if runs else None
        sites = {site.key for site in self.config.site}
        require_gates(accepted, sites | set(newest.record["sites"] if newest else ()))
        if newest is not None and newest.record["status"] == GATE_FAILED:
            newest.accept(accepted)
            newest.update(status="running")

    def dues(self) -> list[Due]:
        """When each site is due."""
        return next_due(self.workspace, self.config)

    def new_run(self, *, due_or_not: bool) -> Run | None:
        """A new run of the sites that are due, or of all; None where none is.

        Raises ConfigError: a faulty site must not start a run.
        """
        from crawler.sources import load_sites, require_startable

        require_startable(
            self.config, load_sites(self.config, self.config_folder), self.config_folder
        )
        now = clock.now()
        due = [due.site for due in self.dues() if due_or_not or due.is_due(now)]
        return self.workspace.new_run(now, due) if due else None

    def nothing_due(self) -> str:
        """When the next site is."""
        first = earliest(self.dues())
        assert first is not None and first.due_at is not None, "a site that never ran is due"
        return f"no site is due: {first.site} is the next, from {utc_text(first.due_at)} on"

    def newest_run(self) -> Run:
        """The newest run, finished or not; WorkspaceError where there is none."""
        runs = self.workspace.runs()
        if not runs:
            raise WorkspaceError(
                f"no run in {self.workspace.folder}: expected one; start with `mep3m crawl`"
            )
        return runs[-1]

    def has_published(self, run: Run) -> bool:
        """Whether an unfinished run made the current release; then it is finished here."""
        from release.manifest import read_manifest

        release = self.workspace.latest_release()
        if run.is_finished or release is None or read_manifest(release).run_id != run.run_id:
            return False
        scratch = run.folder / "publish"
        if scratch.is_dir():
            shutil.rmtree(scratch)
        run.update(status="published", release=release.name)
        return True


def is_whole(stages: Sequence[str]) -> bool:
    """Whether all stages of a crawled run were asked for."""
    return tuple(stages) == STAGES
