"""What files take on disk: each counted once, however many names it has."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runtime.workspace import Workspace

_OTHERS = (
    "attachments", "logs", "recipes", "tombstones", "state.sqlite", "picture-places.sqlite",
)  # fmt: skip
Inode = tuple[int, int]


@dataclass(frozen=True)
class Sizes:
    """A file's identity, its names and the bytes that its blocks take."""

    inode: Inode
    links: int
    bytes: int

    @classmethod
    def of(cls, path: Path) -> Sizes:
        facts = path.lstat()
        return cls((facts.st_dev, facts.st_ino), facts.st_nlink, facts.st_blocks * 512)


def disk_use(workspace: Workspace, seconds: float) -> tuple[dict[str, int], bool]:
    """Bytes by kind, and whether everything was looked at: it ends after so many seconds.

    A file that several folders share counts for the first of them. Only what is the workspace's own
    is looked at: it may lie in the folder of a project.
    """
    seen: set[Inode] = set()
    found = dict.fromkeys(("releases", "captures", "images", "tables", "other"), 0)
    deadline = time.monotonic() + seconds
    for kind, path in _own_files(workspace):
        if time.monotonic() > deadline:
            return found, False
        try:
            facts = Sizes.of(path)
        except FileNotFoundError:
            continue  # another process works here
        if facts.inode not in seen:
            seen.add(facts.inode)
            found[kind] += facts.bytes
    return found, True


def _own_files(workspace: Workspace) -> Iterator[tuple[str, Path]]:
    for path in _files(workspace.releases):
        yield "releases", path
    runs = workspace.folder / "runs"
    for path in _files(runs):
        below = path.relative_to(runs).parts[1:2]
        yield below[0] if below[0:1] in (("captures",), ("images",)) else "tables", path
    for name in _OTHERS:
        place = workspace.folder / name
        if place.is_file():
            yield "other", place
        for path in _files(place):
            yield "other", path


def _files(folder: Path) -> Iterator[Path]:
    for base, _, names in os.walk(folder):
        for name in names:
            yield Path(base, name)


def bytes_text(count: int) -> str:
    """A number of bytes for people."""
    value = float(count)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} TiB"
