"""The import stage: a copy's rows and pictures become the listings and images of a run.

It comes first in the run of an import, where others crawl, merge and fetch. In comes the copy that
`run.json` names; out go `annotations/` (every row of the file, sorted), `listings/`, `images/` and
a decision for every row that became no record.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from release.imports.errors import CopyError
from release.imports.merging import write_parts
from release.imports.part import PartWork, take_in
from release.imports.scan import Scan, scan_copy
from release.imports.source import CopySource
from runtime.config import Config
from runtime.errors import ConfigError
from runtime.executor import WorkerPool
from runtime.origins import IMPORTED_SITE
from runtime.parts import run_key
from runtime.stages import Context, StageResult, Unit, run_units
from runtime.storage import sha256_file
from runtime.tombstones import load_tombstones
from runtime.workspace import Run, Workspace
from taxonomy.tree import SHIPPED_TREE, load_tree

VERSION = "1"


def import_run(
    source: CopySource,
    workspace: Workspace,
    config: Config,
    config_folder: Path,
    pool: WorkerPool,
    now: datetime,
    *,
    quiet: bool = False,
) -> Run:
    """The run that takes the copy in: a new one, or the unfinished one where it is the same.

    The annotations are read first: what is wrong with the file starts no run. Raises CopyError for
    it, ConfigError where another run is not finished.
    """
    unfinished = workspace.unfinished_run()
    if unfinished is not None:
        if unfinished.record.get("imported") != source.to_json():
            raise ConfigError(
                f"import: expected no unfinished run, or one of the same copy and options, found "
                f"{unfinished.run_id}; finish it first with `mep3m run`"
            )
        return unfinished
    list(pool.map(read_copy, [_read_work(source, workspace, config, config_folder, quiet=quiet)]))
    pool.rest()
    return workspace.new_run(now, [IMPORTED_SITE], imported=source.to_json())


def import_copy(context: Context) -> StageResult:
    """Take the copy in. Raises CopyError when its file is not the one the run was started with."""
    run, config = context.run, context.config
    source = CopySource.from_json(run.record["imported"])
    seals = run.annotations.seals()
    damaged = (run.annotations.damage(name, seal) for name, seal in seals.items())
    if run.record.get("annotation_parts") != len(seals) or any(damaged):
        _sort(context, source)
    names = run.annotations.names()
    settings = [config.fetch.max_image_mib, source.images is not None]
    units = []
    for name in names:
        seal = run.annotations.seal(name)
        key = run_key("import", VERSION, settings, {"annotations": seal.sha256 if seal else ""})
        max_bytes = config.fetch.max_image_mib * 2**20
        units.append(Unit(name, key, PartWork(run, name, key, source.images, max_bytes)))
    outputs = [run.decisions("import"), run.listings]
    if source.images is not None:
        outputs.insert(0, run.images)
    return run_units(context, "import: parts", outputs, units, take_in)


def _sort(context: Context, source: CopySource) -> None:
    """Write the annotations parts, those that are missing or damaged."""
    run, config = context.run, context.config
    if not source.annotations.is_file() or sha256_file(source.annotations) != source.sha256:
        raise CopyError(
            f"{source.annotations}: expected the file that run {run.run_id} was started with "
            f"(SHA-256 {source.sha256[:16]}…), found another one; restore it to go on, or "
            f"remove {run.folder}"
        )
    read = _read_work(source, context.workspace, config, context.config_folder, quiet=context.quiet)
    list(context.pool.map(sort_copy, [_SortWork(read, run, config.part_rows)]))
    run.update(annotation_parts=len(run.annotations.names()))


@dataclass(frozen=True)
class _ReadWork:
    """The annotations to read, against which tree; a unit of work, since a worker's memory ends
    with it."""

    source: CopySource
    tree: Path
    workspace: Path
    quiet: bool


@dataclass(frozen=True)
class _SortWork:
    """The same to be read, as far as it is not, and laid into the parts of a run in order."""

    read: _ReadWork
    run: Run
    part_rows: int


def _read_work(
    source: CopySource, workspace: Workspace, config: Config, config_folder: Path, *, quiet: bool
) -> _ReadWork:
    named = config.map.taxonomy
    tree = SHIPPED_TREE if named is None else config_folder / named
    return _ReadWork(source, tree, workspace.folder, quiet)


def read_copy(work: _ReadWork) -> None:
    """Read the annotations into sorted chunks, in a worker."""
    _scan(work)


def sort_copy(work: _SortWork) -> None:
    """Write the run's annotations parts from those chunks, in a worker."""
    scan = _scan(work.read)
    stones = load_tombstones(work.run.workspace)
    annotations = work.run.annotations
    write_parts(scan.chunks, annotations, scan.key, work.part_rows, IMPORTED_SITE, stones)
    scan.discard()


def _scan(work: _ReadWork) -> Scan:
    tree = load_tree(work.tree)
    digest = sha256_file(work.tree)
    return scan_copy(work.source, tree, digest, work.workspace, quiet=work.quiet)
