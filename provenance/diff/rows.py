"""Which rows that two releases share have other contents, told from the shards they do not share.

Comes in: those shards of both. Goes out: the differing rows of each side, column by column.
Pictures are not read: their SHA-256 stands in the row. A row takes 40 bytes of memory, whatever it
holds; shards that both have are never opened.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from provenance.lookup import opened_shard, take_rows
from provenance.records import KEY, find_keys, record_keys
from provenance.release_copy import ReleaseCopy
from release.manifest import FileEntry

_ROW = np.dtype([("key", KEY), ("digest", KEY), ("shard", "<u4"), ("row", "<u4")])
_BATCH = 4096
Rows = npt.NDArray[np.void]


@dataclass(frozen=True)
class _Side:
    """One release: the shards to look into, and a digest of each of their rows."""

    copy: ReleaseCopy
    shards: list[FileEntry]
    rows: Rows


@dataclass(frozen=True)
class ChangedRow:
    """The cells of a row that differs, in A (`side` 0) or in B (1)."""

    record_id: str
    side: int
    cells: dict[str, Any]


@dataclass(frozen=True)
class Columns:
    """The columns of both releases, those of one alone."""

    common: tuple[str, ...]
    added: tuple[str, ...]
    removed: tuple[str, ...]


def unshared_shards(a: ReleaseCopy, b: ReleaseCopy) -> tuple[list[FileEntry], list[FileEntry]]:
    """The shards of each that the other does not have, byte for byte."""
    ours, theirs = ([e for e, _ in copy.manifest.shards] for copy in (a, b))
    shared = {e.sha256 for e in ours} & {e.sha256 for e in theirs}
    first, second = ([e for e in side if e.sha256 not in shared] for side in (ours, theirs))
    return first, second


def columns_of(a: ReleaseCopy, b: ReleaseCopy) -> Columns:
    """How the schemas differ; pictures aside. Raises WorkspaceError."""
    ours, theirs = (_names(copy) for copy in (a, b))
    if ours is None or theirs is None:  # a release without a record has no shard to ask
        ours = theirs = ours or theirs or []
    return Columns(
        tuple(name for name in ours if name in theirs and name != "image"),
        tuple(name for name in theirs if name not in ours),
        tuple(name for name in ours if name not in theirs),
    )


def _names(copy: ReleaseCopy) -> list[str] | None:
    for entry, _ in copy.manifest.shards:
        with opened_shard(copy.folder / entry.path) as file:
            names: list[str] = file.schema_arrow.names
            return names
    return None


def changed_rows(a: ReleaseCopy, b: ReleaseCopy, columns: Sequence[str]) -> Iterator[ChangedRow]:
    """Both sides of every row whose cells differ, in the order of shards. Raises WorkspaceError."""
    shards = unshared_shards(a, b)
    sides = [
        _Side(copy, mine, _digests(copy, mine, columns))
        for copy, mine in zip((a, b), shards, strict=True)
    ]
    left, right = (side.rows for side in sides)
    places = find_keys(right["key"], left["key"])
    both = np.flatnonzero(places >= 0)
    differing = both[left["digest"][both] != right["digest"][places[both]]]
    for number, (side, chosen) in enumerate(
        zip(sides, (left[differing], right[places[differing]]), strict=True)
    ):
        for record_id, cells in _cells(side, chosen, columns):
            yield ChangedRow(record_id, number, cells)


def _digests(copy: ReleaseCopy, shards: Sequence[FileEntry], columns: Sequence[str]) -> Rows:
    """A digest of every row, sorted by key."""
    pieces = [np.empty(0, _ROW)]
    for number, entry in enumerate(shards):
        first = 0
        with opened_shard(copy.folder / entry.path) as file:
            for batch in file.iter_batches(_BATCH, columns=list(columns)):
                found = np.empty(batch.num_rows, _ROW)
                found["key"] = record_keys(batch["record_id"].to_pylist())
                found["digest"] = _row_digests(batch, columns)
                found["shard"] = number
                found["row"] = np.arange(first, first + batch.num_rows)
                first += batch.num_rows
                pieces.append(found)
    rows = np.concatenate(pieces)
    return rows[np.argsort(rows["key"], kind="stable")]


def _row_digests(batch: pa.RecordBatch, columns: Sequence[str]) -> npt.NDArray[np.bytes_]:
    cells = [_plain(batch[name]).to_pylist() for name in columns]
    digests = (
        hashlib.blake2b(repr(row).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for row in zip(*cells, strict=True)
    )
    return np.frombuffer(b"".join(digests), KEY)


def _plain(values: pa.Array) -> pa.Array:
    """Instants as numbers, which are many times quicker to take apart."""
    return values.cast(pa.int64()) if pa.types.is_timestamp(values.type) else values


def _cells(
    side: _Side, chosen: Rows, columns: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    for number in np.unique(chosen["shard"]).tolist():
        rows = np.sort(chosen["row"][chosen["shard"] == number]).tolist()
        path = side.copy.folder / side.shards[number].path
        for table in take_rows(path, rows, columns):
            for row in table.to_pylist():
                yield row["record_id"], row
