"""What was taken down is absent: of a release to verify, and of what somebody asks an audit for.

In come a workspace's tombstones; out go failures for records that are there all the same, or the
date on which what is named was removed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.failure import Failure
from release.manifest import Manifest
from runtime.errors import WorkspaceError
from runtime.storage import sha256_file
from runtime.tombstones import IMAGE, Tombstone, Tombstones, load_tombstones
from runtime.workspace import Workspace

_COLUMNS = ["record_id", "product_url", "image_url", "sha256"]


def check_tombstones(folder: Path, manifest: Manifest, workspace: Workspace) -> Iterator[Failure]:
    """Records of a release that the workspace's tombstones bar, by file and row.

    A damaged tombstone file is a failure, too: nobody can tell what it barred.
    """
    try:
        stones = load_tombstones(workspace.folder)
    except WorkspaceError as error:
        yield Failure("tombstones", None, str(error))
        return
    if not stones:
        if manifest.tombstones is not None:
            problem = f"expected the tombstones {manifest.tombstones[:16]}… of its making, got none"
            yield Failure("tombstones", None, problem)
        return
    for entry, _ in manifest.shards:
        try:
            yield from _in_shard(folder / entry.path, entry.path, stones)
        except (OSError, pa.ArrowException):
            continue  # told by the checks of files


def _in_shard(path: Path, name: str, stones: Tombstones) -> Iterator[Failure]:
    row = 0
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=_COLUMNS):
            columns = (batch[column].to_pylist() for column in _COLUMNS)
            for record_id, product, image, sha256 in zip(*columns, strict=True):
                if stones.bars(record_id, product, image) or sha256 in stones.image_hashes:
                    yield Failure(name, row, f"record {record_id}: it was taken down")
                row += 1


def removal(workspace: Workspace, named: str, *, left: bool = False) -> Tombstone | None:
    """The tombstone of an id, a URL, a SHA-256 or a picture's file; None for what has none.

    Records that went with their picture, and may be there again with another, count with `left`
    alone. Raises WorkspaceError for damaged tombstones.
    """
    stones = load_tombstones(workspace.folder)
    if not stones:
        return None
    digest = sha256_file(Path(named)) if Path(named).is_file() else named
    if digest in stones.image_hashes:
        return next(entry for entry in stones.of_kind(IMAGE) if entry.value == digest)
    found = stones.on_left(named) if left else stones.on_record(named)
    return found or (stones.on_url(named) if "/" in named else None)
