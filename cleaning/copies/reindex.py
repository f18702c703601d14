"""Fingerprints of what is published in another version than it was published with.

Hashes of two versions cannot be compared, so where the configured version is not the release's,
every published picture is decoded again from its shard's bytes: a shard a unit of work, kept in the
run by the shard's digest, so that a killed run goes on. In comes the current release; out goes an
index that the run's pictures can be compared with. Publish then makes a major release of it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from cleaning.hashes import VERSIONS, Mode
from cleaning.stage import libraries
from release.lineage import FINGERPRINTS_FILE, schema_metadata
from release.manifest import read_manifest
from release.reversion import INDEX
from runtime.parts import run_key
from runtime.progress import progress
from runtime.stages import Context, Unit, run_units, stale_units
from runtime.storage import sha256_file
from runtime.tables import FINGERPRINT
from runtime.workspace import Run

VERSION = "1"


@dataclass(frozen=True)
class ShardWork:
    """One shard to decode again; `careful`: it killed a worker, so decode where that is no harm."""

    run: Run
    shard: Path
    name: str
    key: str
    version: str
    mode: Mode
    max_seconds: float
    careful: bool = False


@dataclass(frozen=True)
class IndexWork:
    """All shards' fingerprints to be laid into one index, sorted as the old one."""

    run: Run
    old: Path
    shards: tuple[str, ...]
    key: str
    version: str


def comparable_index(context: Context, version: str) -> Path | None:
    """A fingerprint index of the current release in that version; None before the first release.

    It is the release's own where that is of the same version, else one made in the run's folder.
    Raises WorkspaceError where the release cannot be read.
    """
    run = context.run
    release = context.workspace.latest_release()
    path = None if release is None else release / FINGERPRINTS_FILE
    if release is None or path is None or not path.is_file():
        _discard(run)
        return None
    if schema_metadata(path).get(FINGERPRINT) == version:
        _discard(run)
        return path
    code = "; ".join((VERSION, *libraries(), version))
    _reprint_shards(context, release, version, code)
    made = run.reprints.seals()
    inputs = {f"shard/{name}": seal.sha256 for name, seal in made.items()}
    key = run_key("reindex", code, None, {**inputs, "index": sha256_file(path)})
    unit = Unit(INDEX, key, IndexWork(run, path, tuple(sorted(made)), key, version))
    if stale_units([run.fingerprints], [unit]):
        with progress("dedupe: index what is published", quiet=context.quiet):
            list(context.pool.map(index_all, [unit.work]))
    return run.fingerprints.path(INDEX)


def _reprint_shards(context: Context, release: Path, version: str, code: str) -> None:
    run = context.run
    mode = next(mode for mode, name in VERSIONS.items() if name == version)
    seconds = context.config.clean.max_image_seconds
    units = []
    for entry, _ in read_manifest(release).shards:
        name = Path(entry.path).stem
        key = run_key("reindex", code, seconds, {"shard": entry.sha256})
        work = ShardWork(run, release / entry.path, name, key, version, mode, seconds)
        units.append(Unit(name, key, work))
    run_units(
        context,
        "dedupe: fingerprint what is published",
        [run.reprints],
        units,
        reprint_shard,
        after_death=lambda work: replace(work, careful=True),
    )


def _discard(run: Run) -> None:
    """Nothing is left of an index in a version that is no longer asked for."""
    for folder in (run.fingerprints, run.reprints):
        folder.prune(())


def reprint_shard(work: ShardWork) -> None:
    """Fingerprint every picture of a shard, in a worker: only there its libraries are loaded."""
    from cleaning.copies import reprints

    reprints.reprint_shard(work)


def index_all(work: IndexWork) -> None:
    """Write the whole index, in a worker likewise."""
    from cleaning.copies import reprints

    reprints.index_all(work)
