"""The import stage: a copy's rows and pictures become the listings and images of a run.

It comes first in the run of an import, where others crawl, merge and fetch. In comes the copy that
`run.json` names; out go `annotations/` (every row of the file, sorted), `listings/`, `images/` and
a decision for every row that became no record.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from release.imports.errors import CopyError
from release.imports.merging import write_parts
from release.imports.part import PartWork, take_in
from release.imports.scan import Scan, scan_copy
from release.imports.source import CopySource
from runtime.config import Config
from runtime.errors import ConfigError
from runtime.origins import IMPORTED_SITE
from runtime.parts import run_key
from runtime.stages import Context, StageResult, Unit, run_units
from runtime.storage import sha256_file
from runtime.workspace import Run, Workspace
from taxonomy.tree import SHIPPED_TREE, load_tree

VERSION = "1"


def import_run(
    source: CopySource,
    workspace: Workspace,
    config: Config,
    config_folder: Path,
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
    _scan(source, workspace, config, config_folder, quiet=quiet)
    return workspace.new_run(now, [IMPORTED_SITE], imported=source.to_json())


def _scan(
    source: CopySource, workspace: Workspace, config: Config, config_folder: Path, *, quiet: bool
) -> Scan:
    tree = SHIPPED_TREE
    if config.map.taxonomy is not None:
        tree = config_folder / config.map.taxonomy
    return scan_copy(source, load_tree(tree), sha256_file(tree), workspace.folder, quiet=quiet)


def import_copy(context: Context) -> StageResult:
    """Take the copy in. Raises CopyError when its file is not the one the run was started with."""
    run, config = context.run, context.config
    source = CopySource.from_json(run.record["imported"])
    names = run.annotations.names()
    if run.record.get("annotation_parts") != len(names):
        names = _merge(context, source)
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


def _merge(context: Context, source: CopySource) -> list[str]:
    """Write the annotations parts, from the chunks of the scan."""
    run, config = context.run, context.config
    if not source.annotations.is_file() or sha256_file(source.annotations) != source.sha256:
        raise CopyError(
            f"{source.annotations}: expected the file that run {run.run_id} was started with "
            f"(SHA-256 {source.sha256[:16]}…), found another one; restore it to go on, or "
            f"remove {run.folder}"
        )
    scan = _scan(source, context.workspace, config, context.config_folder, quiet=context.quiet)
    write_parts(scan.chunks, run.annotations, scan.key, config.part_rows, IMPORTED_SITE)
    names = run.annotations.names()
    run.update(annotation_parts=len(names))
    scan.discard()
    return names
