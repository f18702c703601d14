"""Rollback: make an earlier release the current one again; the next run grows from it.

Comes in: a workspace whose lock the caller holds, and a version. Goes out: `LATEST.json` pointing
at that release, after a quick look at its files. Nothing is deleted: what came after it stays
beside it, and no version is ever given twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from release.manifest import FileEntry, parse_version, read_manifest, release_folders
from release.pointer import point_at
from release.withdrawn import withdrawal
from runtime import logs
from runtime.errors import ConfigError, VerificationError, WorkspaceError
from runtime.storage import sha256_file
from runtime.workspace import Workspace


@dataclass(frozen=True)
class Rollback:
    """What was done; `before` is the release that was current (None: none was)."""

    before: str | None
    version: str
    folder: Path


def rollback(workspace: Workspace, version: str) -> Rollback:
    """Point `LATEST.json` at the release of that version.

    Raises ConfigError where there is no such release or it was withdrawn, VerificationError where a
    file is missing or is not the one that the manifest names. Files with pictures are compared by
    their size alone: `verify` reads them.
    """
    folder = _folder(workspace, version)
    try:
        latest = workspace.latest_release()
    except WorkspaceError as error:
        logs.warning(str(error))  # a damaged pointer is what this puts right
        latest = None
    for entry in read_manifest(folder).files:
        problem = _damage(folder, entry)
        if problem is not None:
            raise VerificationError(
                f"{folder / entry.path}: {problem}; restore the release from a copy, or roll back "
                "to another one"
            )
    point_at(folder)
    return Rollback(latest.name if latest is not None else None, version, folder)


def _folder(workspace: Workspace, version: str) -> Path:
    folder = workspace.releases / version
    known = [path.name for path in release_folders(workspace.releases)]
    withdrawn = withdrawal(folder) if _is_version(version) else None
    if withdrawn is not None:
        raise ConfigError(
            f"release {version}: expected one that still holds its records, got one withdrawn on "
            f"{withdrawn.at} ({withdrawn.reason}); name another of {', '.join(known) or 'none'}"
        )
    if version not in known:
        raise ConfigError(
            f"release {version!r}: expected a complete release of {workspace.releases}, got none; "
            f"name one of {', '.join(known) or 'none yet'}"
        )
    return folder


def _is_version(version: str) -> bool:
    try:
        parse_version(version)
    except ValueError:
        return False
    return True


def _damage(folder: Path, entry: FileEntry) -> str | None:
    """What is wrong with a file at a quick look."""
    path = folder / entry.path
    if not path.is_file():
        return "expected a file, found none"
    if path.stat().st_size != entry.bytes:
        return f"expected {entry.bytes} bytes, found {path.stat().st_size}"
    if entry.shard is not None and entry.shard.image_bytes:
        return None
    found = sha256_file(path)
    if found != entry.sha256:
        return f"expected SHA-256 {entry.sha256[:16]}…, found {found[:16]}…"
    return None
