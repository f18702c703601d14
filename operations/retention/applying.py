"""Carrying a plan out, step by step; a kill between two steps leaves a workspace that works.

Comes in: a workspace whose lock the caller holds, and a plan. Goes out: nothing but room. While it
works a marker lies in the workspace: parts that a kill left half replaced are finished by whoever
takes the lock next.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from operations.retention.needs import find_needs, published_digests
from operations.retention.pictures import drop_bytes
from operations.retention.plan import Going, Plan, crawled_sites
from provenance.takedown.part_files import finish_replacements
from release.withdrawn import withdraw_release
from runtime.config import Config
from runtime.image_index import index_path
from runtime.pruned import Pruned, pruned_of
from runtime.sqlite_files import remove_database
from runtime.storage import write_json
from runtime.workspace import Run, Workspace

MARKER = "gc.json"
REASON = "removed by `mep3m gc`, which no rule of [retention] kept from it"
Step = Callable[[str], None]


def finish_unfinished(workspace: Workspace) -> bool:
    """Finish what a killed `gc` was replacing; says whether one was. The caller holds the lock."""
    marker = workspace.folder / MARKER
    if not marker.is_file():
        return False
    for run in workspace.runs():
        finish_replacements(run.folder)
    marker.unlink()
    return True


def _quiet(step: str) -> None:
    """Nobody is told of the steps."""


def apply(
    workspace: Workspace,
    config: Config,
    plan: Plan,
    now: datetime,
    keep: tuple[str, ...] = (),
    step: Step = _quiet,
) -> None:
    """Let go of what the plan names; `step` is called after each step that a kill may follow."""
    if not plan.going:
        return
    at = now.date().isoformat()
    write_json(workspace.folder / MARKER, {"at": at})
    step("marked")
    digests: set[bytes] = set()
    if any(item.kind == "pictures" for item in plan.going):
        needs = find_needs(workspace, config.retention.keep_releases, keep)
        digests = published_digests(workspace, needs)
    for item in plan.going:
        if item.kind == "release":
            folder = workspace.folder / item.path
            withdraw_release(folder, at, REASON)
        else:
            if item.kind in ("tables", "captures"):
                _mark(Run(workspace.folder.joinpath(*Path(item.path).parts[:2])), item, at)
                step(f"{item.path} told")
            for drop in item.drops:
                drop_bytes(drop, digests)
                step(f"{drop.paths[0].name} without bytes")
            for file in item.files:
                file.unlink(missing_ok=True)
                step(f"{file.name} gone")
            _remove_empty(workspace.folder / item.path, item)
        step(f"{item.path} done")
    if any(item.kind in ("release", "pictures") for item in plan.going):
        # Where bytes lie is looked up again by the next fetch of the run that is worked on.
        for run in workspace.runs()[-1:]:
            remove_database(index_path(run))
    (workspace.folder / MARKER).unlink()
    step("done")


def _mark(run: Run, item: Going, at: str) -> None:
    before = pruned_of(run) or Pruned(at)
    if item.kind == "tables":
        sites = set(before.sites) | set(crawled_sites(run))
        Pruned(at, True, tuple(sorted(sites)), before.captures).record(run)
    else:
        names = {*before.captures, *(file.name for file in item.files)}
        Pruned(at, before.tables, before.sites, tuple(sorted(names))).record(run)


def _remove_empty(folder: Path, item: Going) -> None:
    """Folders that nothing is left in; the run's own stays, with its `run.json`."""
    below = {parent for file in item.files for parent in file.parents if folder in parent.parents}
    for path in sorted(below | {folder}, key=lambda path: len(path.parts), reverse=True):
        if path.is_dir() and not any(path.iterdir()):
            path.rmdir()
