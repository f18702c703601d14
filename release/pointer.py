"""`LATEST.json`: which release is the current one. It is replaced atomically and last of all."""

from __future__ import annotations

from pathlib import Path

from release.manifest import MANIFEST, POINTER
from runtime.storage import sha256_file, write_json


def point_at(folder: Path) -> None:
    """Make the release in `folder` the current one of the releases it lies among."""
    write_json(
        folder.parent / POINTER,
        {"version": folder.name, "manifest_sha256": sha256_file(folder / MANIFEST)},
    )
