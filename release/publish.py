"""The publish stage: what survived becomes an immutable release, whole or not at all.

Comes in: a run whose stages are done, and the current release. Goes out: `releases/<version>/`
with shards, decisions, lineage, fingerprints, card and manifest, then `LATEST.json` pointing at
it. Everything is built in a hidden folder beside it, so that a kill at any moment leaves readers
the release they had; running again finishes.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.ledger import Ledger, ledger
from provenance.rebuild.recipe import write_recipe
from release.adoption import find_bound, is_adopting
from release.build import Build, build_release, is_restated
from release.carry import write_named
from release.decide import DecideWork, decide_part
from release.inputs import inputs_digest
from release.lineage import FINGERPRINTS_FILE
from release.manifest import (
    MANIFEST,
    Manifest,
    next_version,
    read_manifest,
)
from release.pointer import point_at
from release.publish_rules import ADOPTED
from release.published import write_published
from release.reversion import Reversion, find_reversion, run_fingerprint
from release.schema import RELEASE_SCHEMA, schema_digest
from release.signature import configured_key
from release.split_plan import plan_splits
from runtime import logs
from runtime.errors import WorkspaceError
from runtime.parts import run_key
from runtime.stages import Context, StageResult, Unit, run_units
from runtime.storage import fsync_folder, os_errors_explained, sha256_file

VERSION = "5"


@dataclass(frozen=True)
class PublishResult(StageResult):
    """What publish did. `version` is None when there was nothing to add, remove or restate."""

    version: str | None = None
    folder: Path | None = None
    fates: dict[str, int] | None = None


@dataclass(frozen=True)
class _Current:
    """The release that the run grows from."""

    folder: Path
    manifest: Manifest
    manifest_sha256: str


@dataclass(frozen=True)
class Standing:
    """What a release would do to the current one: records `removed`, of those `published`."""

    removed: int
    published: int


def publish(
    context: Context, judge: Callable[[Context, Standing], None] | None = None
) -> PublishResult:
    """Decide what is published and make the release, if there is anything new in it.

    Raises GateError when the sightings do not add up or a record lacks what it must have, and
    whatever `judge` raises, which sees the decided run; nothing is published then. The caller holds
    the workspace lock.
    """
    # A faulty key is told before any work is done.
    key = configured_key(context.config, context.config_folder)
    current = _parent(context)
    scratch = context.run.folder / "publish"
    _clear(context, scratch)
    reversion = find_reversion(context.run, current.folder if current else None)
    decided = _decide(context, current, reversion, scratch)
    account = ledger(context.run)
    account.check()
    counts, fates = decided.counts, dict(account.fates)
    if judge is not None:
        judge(context, Standing(counts["removed"], _records(current)))
    different = counts["newcomers"] or counts["removed"] or counts["adopted"]
    restated = current is not None and is_restated(context, current.manifest)
    if not different and not restated and reversion is None:
        shutil.rmtree(scratch)
        return PublishResult(counts, decided.made, fates=fates)
    folder = _release(context, current, scratch, account, decided, reversion, key)
    shutil.rmtree(scratch)
    return PublishResult(counts, decided.made, version=folder.name, folder=folder, fates=fates)


def _parent(context: Context) -> _Current | None:
    """The release before this run's: the current one, or its parent when the run made it."""
    latest = context.workspace.latest_release()
    if latest is None:
        return None
    current = _load(latest)
    if current.manifest.run_id != context.run.run_id:
        return current
    before = current.manifest.parent
    # With the same inputs the run makes the same release again, not another one on top of it.
    if (
        inputs_digest(context, before.manifest_sha256 if before else None)
        != current.manifest.inputs
    ):
        return current
    return _load(context.workspace.releases / before.version) if before else None


def _records(current: _Current | None) -> int:
    return current.manifest.counts.records if current else 0


def _load(folder: Path) -> _Current:
    return _Current(folder, read_manifest(folder), sha256_file(folder / MANIFEST))


def _clear(context: Context, scratch: Path) -> None:
    """An empty scratch folder, and nothing left of a release that a killed process was making."""
    with os_errors_explained(scratch):
        for leftover in context.workspace.releases.glob(".*.partial"):
            shutil.rmtree(leftover)
        if scratch.exists():
            shutil.rmtree(scratch)
        scratch.mkdir(parents=True)


def _decide(
    context: Context, current: _Current | None, reversion: Reversion | None, scratch: Path
) -> StageResult:
    """Make the publish decisions of every listings part."""
    run = context.run
    splits = scratch / "splits.npy"
    folder, manifest = (current.folder, current.manifest) if current else (None, None)
    plan_splits(context, folder, manifest, splits)
    bound = _find_bound(context, current, reversion, scratch)
    published = scratch / "published.sqlite"
    if current is not None:
        write_published(published, current.folder, current.manifest, set(run.record["sites"]))
    given = {
        "parent": current.manifest_sha256 if current else "", "splits": sha256_file(splits),
        "bound": sha256_file(bound) if bound else "",
    }  # fmt: skip
    honour = tuple(sorted(set(context.config.crawl.honour)))
    folders = {
        "listings": run.listings,
        "survivors": run.survivors,
        "cleaned": run.cleaned,
        "clean": run.decisions("clean"),
    }
    units = []
    for part in run.listings.names():
        seals = {name: folder.seal(part) for name, folder in folders.items()}
        inputs = {name: seal.sha256 if seal else "" for name, seal in seals.items()}
        key = run_key("publish", VERSION, [honour], {**inputs, **given})
        work = DecideWork(run, part, key, folder, published, splits, honour, bound)
        units.append(Unit(part, key, work))
    return run_units(context, "publish: decide", [run.decisions("publish")], units, decide_part)


def _find_bound(
    context: Context, current: _Current | None, reversion: Reversion | None, scratch: Path
) -> Path | None:
    """Which published records keep their picture; None unless differences are adopted."""
    if current is None or not is_adopting(context.run):
        return None
    index = reversion.index if reversion is not None else current.folder / FINGERPRINTS_FILE
    target = scratch / "bound.arrow"
    find_bound(context, index, target)
    return target


def _release(
    context: Context,
    current: _Current | None,
    scratch: Path,
    account: Ledger,
    decided: StageResult,
    reversion: Reversion | None,
    key: Ed25519PrivateKey | None,
) -> Path:
    """The finished release's folder, made now or by a run that was killed before it could tell."""
    releases = context.workspace.releases
    inputs = inputs_digest(context, current.manifest_sha256 if current else None)
    version, major = None, False
    if current is not None:
        version = current.manifest.version
        schema = schema_digest(RELEASE_SCHEMA)
        major = reversion is not None or current.manifest.schema_sha256 != schema
        major = major or decided.counts["adopted"] + decided.counts["refused_since"] > 0
    while True:
        version = next_version(version, newcomers=decided.counts["newcomers"] > 0, major=major)
        folder = releases / version
        if not folder.exists():
            break
        if _made_from(folder, inputs):
            point_at(folder)
            return folder
        logs.warning(f"{folder} exists and was made from other inputs; taking the next version")
    write_recipe(context, version)
    partial = releases / f".{version}.partial"
    removals = write_named(scratch / "removed.arrow", _named(context, "removed"))
    adopted = write_named(scratch / "adopted.arrow", _named(context, "adopted"))
    with os_errors_explained(partial):
        build_release(
            Build(
                context=context,
                folder=partial,
                scratch=scratch,
                version=version,
                inputs=inputs,
                parent=current.folder if current else None,
                parent_manifest=current.manifest if current else None,
                parent_sha256=current.manifest_sha256 if current else None,
                account=account,
                removals=removals,
                adopted=adopted,
                fingerprint=_fingerprint(context, current, reversion),
                reversion=reversion,
                signing_key=key,
            )
        )
        _fsync_tree(partial)
        partial.rename(folder)
        fsync_folder(releases)
    point_at(folder)
    return folder


def _fingerprint(
    context: Context, current: _Current | None, reversion: Reversion | None
) -> str | None:
    """The version of the release's fingerprints."""
    if reversion is not None:
        return reversion.fingerprint
    return current.manifest.fingerprint if current else run_fingerprint(context.run)


def _made_from(folder: Path, inputs: str) -> bool:
    try:
        return read_manifest(folder).inputs == inputs
    except WorkspaceError:
        return False


def _named(context: Context, count: str) -> dict[str, str]:
    """Split by record id, of the published records that are removed, or adopted."""
    chosen = {"removed": ("verdict", "=", "removed"), "adopted": ("rule", "=", ADOPTED)}[count]
    folder = context.run.decisions("publish")
    found: dict[str, str] = {}
    for part, seal in folder.seals().items():
        if seal.counts.get(count):
            table = pq.read_table(folder.path(part), filters=[chosen])
            ids: Sequence[str] = table["record_id"].to_pylist()
            found.update(zip(ids, table["value"].to_pylist(), strict=True))
    return found


def _fsync_tree(folder: Path) -> None:
    for path in [folder, *(p for p in folder.rglob("*") if p.is_dir())]:
        fsync_folder(path)
