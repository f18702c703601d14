"""Verification of a release: files, schema, pictures, labels, splits, references, and its captures.

Comes in: a release folder, also one copied out of its workspace, and the workspace where it is at
hand. Goes out: every fault found, each with file and row, and warnings apart from faults. Nothing
is mended, and nothing found stops the search for more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from provenance.account_checks import check_accounts, check_first_releases
from provenance.capture_checks import check_captures, count_parts
from provenance.failure import Failure, Findings
from provenance.index_checks import IndexCheck, is_same_platform
from provenance.leak_checks import check_leaks
from provenance.manifest_checks import check_files, check_listed, open_manifest
from provenance.parent_checks import check_parent
from provenance.records import Records, RecordsBuilder
from provenance.reference_checks import (
    check_decisions,
    check_fingerprints,
    check_lineage,
    check_unique,
)
from provenance.shard_checks import ShardFindings, ShardWork, check_shard
from provenance.takedown.absence import check_tombstones
from release.manifest import MANIFEST, POINTER, Manifest, parse_version
from release.signature import check_signature
from runtime.errors import MepError, WorkspaceError
from runtime.executor import WorkerPool
from runtime.progress import Tick, progress
from runtime.storage import read_json, sha256_file
from runtime.workspace import Workspace
from taxonomy.tree import Tree, load_tree

__all__ = ["Failure", "Findings", "examine", "find_failures", "verify"]


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
    """The same; `tick` is called with what is done and how much there is."""
    return examine(release_folder, workspace, tick, tree, trusted).failures


def examine(
    release_folder: Path,
    workspace: Workspace | None,
    tick: Tick,
    tree: Tree,
    trusted: Ed25519PublicKey | None = None,
    *,
    pool: WorkerPool | None = None,
    sample: int | None = None,
) -> Findings:
    """Faults and warnings.

    A step of progress is a file, a shard, or a listings part whose captures are read. Shards are
    checked by the workers of `pool`. About `sample` pictures, drawn by a hash of their records'
    ids, are decoded to make their fingerprints again (None: all).
    """
    found = Findings()
    if workspace is not None:
        found.add(_pointer_faults(workspace))
    manifest, faults = open_manifest(release_folder)
    found.add(faults)
    if manifest is None:
        return found
    found.version = manifest.version
    if workspace is not None and manifest.version != release_folder.resolve().name:
        problem = f"version {manifest.version} in folder {release_folder.name}"
        found.add([Failure(MANIFEST, None, problem)])
    steps = _Steps(tick, len(manifest.files) + len(manifest.shards))
    found.add(check_signature(release_folder, trusted))
    found.add(check_listed(release_folder, manifest))
    for entry in manifest.files:
        found.add(check_files(release_folder, entry))
        steps.step()
    with TemporaryDirectory(prefix="mep3m-verify-") as scratch:
        works = _works(release_folder, manifest, tree, Path(scratch), sample)
        builder = RecordsBuilder()
        for result in _checked(works, pool):
            found.add(result.faults)
            builder.join(result.records)
            found.pictures += result.pictures
            steps.step()
        records = builder.build(release_folder)
        prints = [work.prints for work in works]
        check = IndexCheck(records, prints, is_same_platform(manifest))
        found.add(_across(release_folder, manifest, check))
    if workspace is not None:
        steps.total += count_parts(records, workspace)
        found.add(check_captures(records, workspace, steps.step))
        found.add(check_tombstones(release_folder, manifest, workspace))
    return found


def _works(
    folder: Path, manifest: Manifest, tree: Tree, scratch: Path, sample: int | None
) -> list[ShardWork]:
    share = 1.0 if sample is None else sample / max(manifest.counts.records, 1)
    return [
        ShardWork(
            folder, entry, facts, tree, manifest.fingerprint, manifest.schema_sha256, share,
            scratch / f"{number}.npy",
        )
        for number, (entry, facts) in enumerate(manifest.shards)
        if (folder / entry.path).is_file()
    ]  # fmt: skip


def _checked(works: list[ShardWork], pool: WorkerPool | None) -> Iterable[ShardFindings]:
    return map(check_shard, works) if pool is None else pool.map(check_shard, works)


def _across(folder: Path, manifest: Manifest, check: IndexCheck) -> Iterator[Failure]:
    """What is wrong between the files; a file that cannot be read ends the checks that need it."""
    records: Records = check.records
    yield from check_unique(records)
    yield from check_accounts(folder, manifest, records)
    with _Reading() as reading:
        found, lineage = check_lineage(folder, records)
        yield from found
        yield from check_first_releases(folder, manifest)
        with _Reading() as within:
            yield from check_decisions(folder, manifest, lineage)
        yield from within.faults
        with _Reading() as within:
            of_index = list(check_fingerprints(folder, check, manifest.fingerprint))
            yield from of_index
            if all(fault.is_warning for fault in of_index):  # else its rows prove nothing
                yield from check_leaks(folder, manifest)
        yield from within.faults
        yield from check_parent(folder, manifest)
    yield from reading.faults


class _Reading(ExitStack):
    """Turns a file that cannot be read into a fault."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[Failure] = []
        self.push(self._tell)

    def _tell(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if not isinstance(error, WorkspaceError | UnicodeDecodeError):
            return False
        self.faults.append(Failure(MANIFEST, None, f"a file it names cannot be read: {error}"))
        return True


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
