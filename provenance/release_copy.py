"""A release with its manifest, in a workspace or copied out of one.

Comes in: a folder. Goes out: a `ReleaseCopy`; a withdrawn release is refused, since its records are
gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from release.lineage import LINEAGE_FILE
from release.manifest import Manifest, parse_version, read_manifest, release_folders
from release.withdrawn import Withdrawal, withdrawal
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
            f"({withdrawn.reason}); name another release"
        )
    return ReleaseCopy(folder, read_manifest(folder))


def standing_releases(releases: Path) -> list[ReleaseCopy]:
    """The complete releases of a workspace that were not withdrawn, oldest first."""
    folders = release_folders(releases)
    return [ReleaseCopy(f, read_manifest(f)) for f in folders if withdrawal(f) is None]


def withdrawn_releases(releases: Path) -> list[tuple[str, Withdrawal]]:
    """The versions of a workspace that were withdrawn, oldest first, with when and why."""
    folders = [path for path in releases.iterdir() if path.is_dir()] if releases.is_dir() else []
    found = [(path.name, told) for path in folders if (told := withdrawal(path)) is not None]
    return sorted(found, key=lambda one: parse_version(one[0]))
