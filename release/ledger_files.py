"""The decisions that a release ships: where they lie, and those on one record.

Each release adds one file, `decisions/<version>.parquet`, sorted by record_id, with the decisions
of its run on records whose verdicts changed; files of earlier releases are carried unchanged. The
newest file with rows of a record holds all that its last run decided on it. Releases made before
there was one file for each have `decisions/<run>/<part>.parquet`, which are read in the same way.
"""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa

from release.lineage import read_range
from release.manifest import FileEntry, Manifest, parse_version
from runtime.tables import DECISIONS

Row = dict[str, Any]
LEDGER = "decisions"


def ledger_file(version: str) -> str:
    """The path, inside a release, of the decisions that this version added."""
    return f"{LEDGER}/{version}.parquet"


def ledger_files(manifest: Manifest) -> list[FileEntry]:
    """The release's files of decisions, oldest first."""
    found = [entry for entry in manifest.files if entry.path.startswith(f"{LEDGER}/")]
    return sorted(found, key=_age)


def _age(entry: FileEntry) -> tuple[int, tuple[int, int, int], str]:
    path = PurePosixPath(entry.path)
    if len(path.parts) == 2:
        return 1, parse_version(path.stem), entry.path
    return 0, (0, 0, 0), entry.path  # run ids sort by age


def decisions_between(release: Path, entry: FileEntry, low: str, high: str) -> pa.Table:
    """The decisions of one file on the records whose ids lie in [low, high], in their order.

    Only the row groups that may hold some are read. Raises WorkspaceError.
    """
    return read_range(release / entry.path, low, high, DECISIONS.schema.names)


def decisions_on(release: Path, manifest: Manifest, record_id: str) -> list[list[Row]]:
    """What each file says of a record, oldest first, files without a word on it left out.

    The last one is what holds now. Raises WorkspaceError when a file cannot be read.
    """
    found = (
        decisions_between(release, entry, record_id, record_id).to_pylist()
        for entry in ledger_files(manifest)
    )
    return [rows for rows in found if rows]
