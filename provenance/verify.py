"""Verification of a release: files, schema, pictures, labels, references, and its captures.

Comes in: a release folder and, where it is at hand, its workspace. Goes out: every fault found,
each with file and row. Nothing is mended, and nothing found stops the search for more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from provenance.capture_checks import check_captures, count_parts
from provenance.failure import Failure
from provenance.records import RecordsBuilder
from provenance.reference_checks import (
    check_decisions,
    check_fingerprints,
    check_lineage,
    check_unique,
)
from provenance.shard_checks import check_shard
from provenance.takedown.absence import check_tombstones
from release.manifest import (
    FORMAT,
    MANIFEST,
    POINTER,
    Manifest,
    count_records,
    parse_version,
    read_manifest,
)
from release.schema import RELEASE_SCHEMA, schema_digest
from release.signature import SIGNATURE, check_signature
from runtime.errors import MepError, WorkspaceError
from runtime.progress import Tick, progress
from runtime.storage import read_json, sha256_file
from runtime.workspace import Workspace
from taxonomy.tree import Tree, load_tree

__all__ = ["Failure", "find_failures", "verify"]


def verify(
    release_folder: Path,
    workspace: Workspace | None = None,
    *,
    quiet: bool = False,
    tree: Tree | None = None,
    trusted: Ed25519PublicKey | None = None,
) -> list[Failure]:
    """Every fault of a release; an empty list means that it is sound.

    With a workspace its captures and `LATEST.json` are checked too. `tree` is the category tree
    of the labels (None: the shipped one), `trusted` the key that must have signed the manifest.
    Progress is shown on stderr unless `quiet`.
    """
    with progress("verify", quiet=quiet) as tick:
        return find_failures(release_folder, workspace, tick, tree or load_tree(), trusted)


def find_failures(
    release_folder: Path,
    workspace: Workspace | None,
    tick: Tick,
    tree: Tree,
    trusted: Ed25519PublicKey | None = None,
) -> list[Failure]:
    """The same; `tick` is called with what is done and how much there is.

    A step is a file, a shard, or a listings part whose captures are read.
    """
    failures: list[Failure] = []
    if workspace is not None:
        failures += _pointer_faults(workspace)
    try:
        manifest = read_manifest(release_folder)
    except WorkspaceError as error:
        return [*failures, Failure(MANIFEST, None, str(error))]
    steps = _Steps(tick, len(manifest.files) + len(manifest.shards))
    failures += _manifest_faults(release_folder, manifest)
    failures += check_signature(release_folder, trusted)
    failures += _file_faults(release_folder, manifest, steps)
    builder = RecordsBuilder()
    for entry, facts in manifest.shards:
        if (release_folder / entry.path).is_file():
            failures += check_shard(
                release_folder, entry, facts, tree, builder, manifest.fingerprint
            )
        steps.step()
    records = builder.build(release_folder)
    failures += check_unique(records)
    try:
        found, lineage = check_lineage(release_folder, records)
        failures += found
        failures += check_fingerprints(release_folder, records, manifest.fingerprint)
        failures += check_decisions(release_folder, manifest, lineage)
    except WorkspaceError as error:
        failures.append(Failure(MANIFEST, None, f"a file it names cannot be read: {error}"))
    if workspace is not None:
        steps.total += count_parts(records, workspace)
        failures += check_captures(records, workspace, steps.step)
        failures += check_tombstones(release_folder, manifest, workspace)
    return failures


class _Steps:
    """Counts steps and reports them."""

    def __init__(self, tick: Tick, total: int) -> None:
        self.tick, self.total, self.done = tick, total, 0

    def step(self) -> None:
        self.done += 1
        self.tick(self.done, self.total)


def _pointer_faults(workspace: Workspace) -> Iterator[Failure]:
    """LATEST.json names a release that is there, by its manifest's digest."""
    path = workspace.releases / POINTER
    try:
        pointer = read_json(path)
        version = str(pointer["version"])
        parse_version(version)
        actual = sha256_file(workspace.releases / version / MANIFEST)
        if actual != pointer["manifest_sha256"]:
            problem = f"release {version}: expected manifest SHA-256 {pointer['manifest_sha256']}"
            yield Failure(POINTER, None, f"{problem}, got {actual}")
    except (OSError, MepError, KeyError, TypeError, ValueError) as error:
        yield Failure(POINTER, None, f"expected it to name a complete release, got {error!r}")


def _manifest_faults(folder: Path, manifest: Manifest) -> Iterator[Failure]:
    if manifest.format != FORMAT:
        yield Failure(MANIFEST, None, f"expected format {FORMAT}, got {manifest.format}")
    if manifest.version != folder.resolve().name:
        yield Failure(MANIFEST, None, f"version {manifest.version} in folder {folder.name}")
    expected = schema_digest(RELEASE_SCHEMA)
    if manifest.schema_sha256 != expected:
        yield Failure(MANIFEST, None, f"expected schema {expected}, got {manifest.schema_sha256}")
    said = asdict(manifest.counts)
    flow = {name: said[name] for name in ("added", "removed", "changed")}
    counted = asdict(count_records(manifest.shards, **flow))
    for name, value in counted.items():
        if said[name] != value:
            yield Failure(MANIFEST, None, f"counts.{name}: expected {value}, got {said[name]}")


def _file_faults(folder: Path, manifest: Manifest, steps: _Steps) -> Iterator[Failure]:
    """Files that are missing, altered, or named by no entry."""
    listed = {entry.path for entry in manifest.files}
    for found in _files(folder):
        if found not in listed and found not in (MANIFEST, SIGNATURE):
            yield Failure(found, None, "not in the manifest")
    for entry in manifest.files:
        path = folder / entry.path
        if not path.is_file():
            yield Failure(entry.path, None, "expected a file, found none")
        else:
            actual = sha256_file(path)
            if actual != entry.sha256:
                problem = f"expected SHA-256 {entry.sha256}, got {actual}"
                yield Failure(entry.path, None, problem)
            elif path.stat().st_size != entry.bytes:
                problem = f"expected {entry.bytes} bytes, got {path.stat().st_size}"
                yield Failure(entry.path, None, problem)
        steps.step()


def _files(folder: Path) -> Iterable[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
