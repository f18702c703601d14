"""What kept releases need: which releases stay, and the runs and captures that their rows name.

Comes in: a workspace, how many releases to keep, and versions to keep besides. Goes out: `Needs`.
Two columns of the shards are read; a shard that releases share is read once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from release.manifest import Manifest, read_manifest, release_folders
from runtime.errors import ConfigError, WorkspaceError
from runtime.image_bytes import release_shards, shard_digests
from runtime.workspace import Workspace


@dataclass(frozen=True)
class Needs:
    """Releases that stay, each with why; run -> the release of them that it made; and run -> the
    capture files that rows of these name (none for imported rows)."""

    releases: Mapping[str, str]
    makers: Mapping[str, str]
    captures: Mapping[str, frozenset[str]]


def find_needs(workspace: Workspace, keep: int, named: Collection[str]) -> Needs:
    """Raises ConfigError for a named version that is not there, WorkspaceError for a shard or a
    manifest that cannot be read."""
    manifests = {f.name: read_manifest(f) for f in release_folders(workspace.releases)}
    unknown = sorted(set(named) - set(manifests))
    if unknown:
        raise ConfigError(
            f"--keep {unknown[0]}: expected a release of {workspace.releases}, got none; name one "
            f"of {', '.join(manifests) or 'none yet'}"
        )
    latest = workspace.latest_release()
    why = dict.fromkeys(list(manifests)[-keep:], f"one of the newest {keep}")
    if latest is not None and latest.name in manifests:
        why[latest.name] = "the current release"
    why |= {version: "named by --keep" for version in named if version not in why}
    makers = {manifests[version].run_id: version for version in why}
    for version in list(why):
        parent = manifests[version].parent
        if parent is not None and parent.version in manifests:
            why.setdefault(parent.version, f"{version} grew from it")
    return Needs(why, makers, _captures(workspace, why, manifests))


def published_digests(workspace: Workspace, needs: Needs) -> set[bytes]:
    """The SHA-256 of every picture in the releases that stay: about 100 bytes of memory each."""
    shards = release_shards(workspace, set(needs.releases))
    return {bytes.fromhex(sha256) for shard in shards for _, sha256 in shard_digests(shard)}


def _captures(
    workspace: Workspace, versions: Collection[str], manifests: Mapping[str, Manifest]
) -> dict[str, frozenset[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    read: set[str] = set()
    for version in versions:
        for entry, _ in manifests[version].shards:
            if entry.sha256 in read:
                continue
            read.add(entry.sha256)
            path = workspace.releases / version / entry.path
            try:
                rows = pq.read_table(path, columns=["run_id", "capture_file"])
            except (OSError, pa.ArrowException) as error:
                raise WorkspaceError(
                    f"{path}: expected a readable shard, got {error}; run `mep3m verify`, nothing "
                    "was removed"
                ) from error
            pairs = rows.group_by(["run_id", "capture_file"]).aggregate([]).to_pylist()
            for pair in pairs:
                files = found[pair["run_id"]]
                if pair["capture_file"] is not None:
                    files.add(pair["capture_file"])
    return {run_id: frozenset(files) for run_id, files in found.items()}
