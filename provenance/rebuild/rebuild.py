"""Rebuild: a release made again from what was recorded, and held against the recorded one.

Comes in: a workspace and the version of a release. Goes out: whether data, decisions, lineage and
fingerprints are the same, byte for byte; or row for row, where other libraries made them. `deep`
begins with the first release and grows each next one from the rebuilt one before.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cleaning.copies.stage import dedupe
from cleaning.stage import clean
from provenance.rebuild.comparison import Difference, compare_makes
from provenance.rebuild.recipe import read_recipe
from provenance.rebuild.scratch import prepare_scratch
from provenance.release_copy import ReleaseCopy, open_copy, standing_releases
from release.inputs import libraries
from release.manifest import Manifest, read_manifest
from release.publish import publish
from runtime.errors import ConfigError, WorkspaceError
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.workspace import Workspace
from taxonomy.stage import map_records


@dataclass(frozen=True)
class Rebuilt:
    """One release made again; `by_rows` where other libraries made it than the recorded one."""

    version: str
    folder: Path
    records: int
    by_rows: bool
    differences: tuple[Difference, ...]

    def to_text(self) -> str:
        """For people: the verdict, and each file that differs."""
        how = "row for row (other libraries made it)" if self.by_rows else "byte for byte"
        if not self.differences:
            return f"release {self.version}: {self.records} records, the same {how}"
        lines = [f"release {self.version}: made again, {len(self.differences)} files differ"]
        return "\n".join([*lines, *(f"  {difference}" for difference in self.differences)])

    def to_json(self) -> dict[str, Any]:
        """The same as values."""
        return {
            "version": self.version,
            "records": self.records,
            "same": not self.differences,
            "by_rows": self.by_rows,
            "differences": [asdict(difference) for difference in self.differences],
        }


def rebuild(
    workspace: Workspace,
    version: str,
    pool: WorkerPool,
    *,
    deep: bool = False,
    output: Path | None = None,
    quiet: bool = False,
) -> list[Rebuilt]:
    """Make the release again, with `deep` all releases that it grew from as well, oldest first.

    What is made is kept as `output/<version>`, where that is given. Raises ConfigError for a
    release that was withdrawn or grew from one, WorkspaceError naming what is missing.
    """
    chain = _chain(workspace, version) if deep else [_copy(workspace, version)]
    if output is not None:
        for copy in chain:
            if (output / copy.folder.name).exists():
                raise ConfigError(
                    f"--output {output}: expected no `{copy.folder.name}` in it, found one; "
                    "remove it or name another folder"
                )
        output.mkdir(parents=True, exist_ok=True)
    at_hand = standing_releases(workspace.releases)
    found: list[Rebuilt] = []
    with TemporaryDirectory(prefix=".rebuild-", dir=output) as folder:
        kept = output or Path(folder) / "made"
        kept.mkdir(exist_ok=True)
        for copy in chain:
            parent = _parent(workspace, copy, found[-1].folder if found else None)
            maker = _Maker(workspace, pool, Path(folder) / copy.folder.name, at_hand, quiet)
            found.append(maker.make(copy, parent, kept / copy.folder.name))
    return found


def _copy(workspace: Workspace, version: str) -> ReleaseCopy:
    folder = workspace.releases / version
    if not folder.is_dir():
        known = ", ".join(copy.manifest.version for copy in standing_releases(workspace.releases))
        raise ConfigError(
            f"release {version!r}: expected one of {workspace.releases}, got none; name one of "
            f"{known or 'none yet'}"
        )
    return open_copy(folder)


def _chain(workspace: Workspace, version: str) -> list[ReleaseCopy]:
    """The release and all it grew from, oldest first."""
    chain = [_copy(workspace, version)]
    while (before := chain[-1].manifest.parent) is not None:
        chain.append(_parent_copy(workspace, chain[-1], before.version))
    return chain[::-1]


def _parent_copy(workspace: Workspace, copy: ReleaseCopy, version: str) -> ReleaseCopy:
    try:
        return open_copy(workspace.releases / version)
    except (ConfigError, WorkspaceError) as error:
        raise ConfigError(
            f"release {copy.manifest.version} grew from {version}, whose records are needed to "
            f"make it again: {error}"
        ) from None


def _parent(workspace: Workspace, copy: ReleaseCopy, rebuilt: Path | None) -> Path | None:
    """The release to grow from: the one rebuilt before, else the recorded one."""
    before = copy.manifest.parent
    if before is None or rebuilt is not None:
        return rebuilt
    return _parent_copy(workspace, copy, before.version).folder


@dataclass(frozen=True)
class _Maker:
    """Makes one release in a scratch folder."""

    workspace: Workspace
    pool: WorkerPool
    folder: Path
    at_hand: Sequence[ReleaseCopy]
    quiet: bool

    def make(self, copy: ReleaseCopy, parent: Path | None, target: Path) -> Rebuilt:
        """Make the release into `target`, and compare."""
        manifest, recipe = copy.manifest, read_recipe(self.workspace, copy.folder.name)
        context = prepare_scratch(
            self.folder, self.workspace, recipe, parent, self.at_hand, self.pool, quiet=self.quiet
        )
        self.pool.rest()
        made = _publish(context)
        by_rows = dict(manifest.libraries) != libraries()
        if made is None:
            nothing = Difference(copy.folder.name, "expected records for it, found nothing new")
            return Rebuilt(manifest.version, target, 0, by_rows, (nothing,))
        new = read_manifest(made)
        differences = _compared(copy, manifest, made, new, by_rows=by_rows)
        shutil.move(made, target)
        shutil.rmtree(self.folder)
        return Rebuilt(manifest.version, target, new.counts.records, by_rows, differences)


def _compared(
    copy: ReleaseCopy, manifest: Manifest, made: Path, new: Manifest, *, by_rows: bool
) -> tuple[Difference, ...]:
    differences = list(compare_makes(copy.folder, manifest, made, new, by_rows=by_rows))
    if new.version != manifest.version:
        differences.insert(0, Difference("manifest.json", f"made as version {new.version}"))
    return tuple(differences)


def _publish(context: Context) -> Path | None:
    """Run the computed stages; the folder of the release that they made."""
    for stage, work in (("clean", clean), ("map", map_records), ("dedupe", dedupe)):
        context.run.finish_stage(stage, work(context).counts)
        context.pool.rest()
    return publish(context).folder
