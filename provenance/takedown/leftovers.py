"""Files that no table of the workspace is: attachments, reports, logs and what else lies there.

A line of text that names what leaves goes; an attachment that does goes whole. What is neither is
told by its path, so that a person can look at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from provenance.takedown.captures import PLAN_FILE
from provenance.takedown.job import JOB_FILE, Job
from runtime.storage import write_bytes
from runtime.tombstones import FOLDER as TOMBSTONES
from runtime.workspace import Workspace

_BY_LINES = frozenset({".log", ".txt", ".csv", ".jsonl", ".tsv", ".md"})
_OWN = frozenset({JOB_FILE, PLAN_FILE, "mep3m.toml", ".lock"})
_TABLES = frozenset({".parquet", ".sqlite", ".gz"})
_LARGEST = 256 * 1024 * 1024


def purge_leftovers(workspace: Workspace, job: Job) -> list[str]:
    """Purge every other file of the workspace's own folders; returns those left to a person."""
    left = []
    for path in _files(workspace.folder):
        below = path.relative_to(workspace.folder)
        data = path.read_bytes()
        if not any(job.names.mentioned_in(text) for text in _texts(data)):
            continue
        if below.parts[0] == "attachments":
            path.unlink()
        elif path.suffix in _BY_LINES:
            lines = data.decode("utf-8", "surrogateescape").splitlines(keepends=True)
            kept = "".join(line for line in lines if not job.names.mentioned_in(line))
            write_bytes(path, kept.encode("utf-8", "surrogateescape"))
        else:
            left.append(below.as_posix())
    return left


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        below = path.relative_to(folder)
        if (
            path.is_file()
            and not path.is_symlink()
            and below.parts[0] != TOMBSTONES
            and below.as_posix() not in _OWN
            and path.suffix not in _TABLES
            and path.stat().st_size <= _LARGEST
        ):
            yield path


def _texts(data: bytes) -> Iterator[str]:
    yield data.decode("utf-8", "surrogateescape")
    if b"\x00" in data:
        yield data.decode("utf-16-le", "replace")
