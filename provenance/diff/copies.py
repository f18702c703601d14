"""A release to compare, in a workspace or copied out of one, and what the two have in common.

Comes in: a folder. Goes out: a `ReleaseCopy`; a withdrawn release is refused, since its records are
gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from release.lineage import LINEAGE_FILE
from release.manifest import FileEntry, Manifest, read_manifest
from release.withdrawn import withdrawal
from runtime.errors import ConfigError


@dataclass(frozen=True)
class ReleaseCopy:
    """One release."""

    folder: Path
    manifest: Manifest

    def digest(self, path: str) -> str | None:
        """The SHA-256 that the manifest names for a file."""
        return next((e.sha256 for e in self.manifest.files if e.path == path), None)

    @property
    def lineage(self) -> Path:
        """Its table of records, by record id."""
        return self.folder / LINEAGE_FILE


def open_copy(folder: Path) -> ReleaseCopy:
    """The release in a folder.

    Raises ConfigError where it was withdrawn, WorkspaceError where it has no manifest.
    """
    withdrawn = withdrawal(folder)
    if withdrawn is not None:
        raise ConfigError(
            f"{folder}: expected a release with its records, got one withdrawn on {withdrawn.at} "
            f"({withdrawn.reason}); compare another release"
        )
    return ReleaseCopy(folder, read_manifest(folder))


def unshared_shards(a: ReleaseCopy, b: ReleaseCopy) -> tuple[list[FileEntry], list[FileEntry]]:
    """The shards of each that the other does not have, byte for byte."""
    ours, theirs = ([e for e, _ in copy.manifest.shards] for copy in (a, b))
    shared = {e.sha256 for e in ours} & {e.sha256 for e in theirs}
    first, second = ([e for e in side if e.sha256 not in shared] for side in (ours, theirs))
    return first, second
