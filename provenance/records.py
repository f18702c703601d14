"""The published records of a release as compact arrays, for checks across millions of them.

A record is 52 bytes here: a 128-bit hash of its id, its split, its shard and row, its perceptual
hash if it has a picture, and where its page's capture lies. Ids themselves are read back from the
shard when a fault has to be named.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from release.splits import SPLIT_CODE

KEY = np.dtype("S16")
ROW = np.dtype(
    [
        ("key", KEY), ("split", "u1"), ("shard", "<u4"), ("row", "<u4"), ("phash", "<u8"),
        ("pictured", "?"), ("run", "<u2"), ("file", "<u4"), ("offset", "<i8"),
    ]
)  # fmt: skip
Rows = npt.NDArray[np.void]


def record_keys(ids: Iterable[str]) -> npt.NDArray[np.bytes_]:
    """128-bit BLAKE2b of each id."""
    joined = b"".join(hashlib.blake2b(i.encode(), digest_size=16).digest() for i in ids)
    return np.frombuffer(joined, KEY)


@dataclass
class RecordsBuilder:
    """Collects the records of shard after shard."""

    shards: list[str] = field(default_factory=list)
    runs: dict[str, int] = field(default_factory=dict)
    files: dict[str | None, int] = field(default_factory=dict)
    pieces: list[Rows] = field(default_factory=list)

    def start_shard(self, path: str) -> None:
        """The rows added from now on are this shard's."""
        self.shards.append(path)

    def add(self, rows: pa.Table, split: str, first_row: int) -> None:
        """Some rows of the current shard, of which the first is its row `first_row`."""
        found = np.empty(rows.num_rows, ROW)
        found["key"] = record_keys(rows["record_id"].to_pylist())
        found["split"] = SPLIT_CODE[split]
        found["shard"] = len(self.shards) - 1
        found["row"] = np.arange(first_row, first_row + rows.num_rows)
        found["pictured"] = rows["phash"].is_valid().to_numpy()
        found["phash"] = rows["phash"].fill_null(0).to_numpy()
        found["run"] = [self.runs.setdefault(r, len(self.runs)) for r in rows["run_id"].to_pylist()]
        found["file"] = [
            self.files.setdefault(name, len(self.files))
            for name in rows["capture_file"].to_pylist()
        ]
        found["offset"] = [-1 if o is None else o for o in rows["capture_offset"].to_pylist()]
        self.pieces.append(found)

    def join(self, other: RecordsBuilder) -> None:
        """Take over the shards that another one collected, after one's own."""
        runs = [self.runs.setdefault(name, len(self.runs)) for name in other.runs]
        files = [self.files.setdefault(name, len(self.files)) for name in other.files]
        for piece in other.pieces:
            piece["shard"] += len(self.shards)
            piece["run"] = np.array(runs, np.uint16)[piece["run"]]
            piece["file"] = np.array(files, np.uint32)[piece["file"]]
            self.pieces.append(piece)
        self.shards += other.shards

    def build(self, folder: Path) -> Records:
        """All records, sorted by key."""
        rows = np.concatenate(self.pieces or [np.empty(0, ROW)])
        rows = rows[np.argsort(rows["key"], kind="stable")]
        return Records(folder, tuple(self.shards), tuple(self.runs), tuple(self.files), rows)


@dataclass(frozen=True)
class Records:
    """Every row of every shard, sorted by key; `shard`, `run` and `file` are places in tuples."""

    folder: Path
    shards: tuple[str, ...]
    runs: tuple[str, ...]
    files: tuple[str | None, ...]
    rows: Rows

    def find(self, keys: npt.NDArray[np.bytes_]) -> npt.NDArray[np.int64]:
        """Places in `rows` of each key, -1 for those that no shard holds."""
        return find_keys(self.rows["key"], keys)

    def record_id(self, place: int) -> str:
        """The id of the record at a place, read from its shard."""
        row = self.rows[place]
        table = pq.read_table(self.folder / self.shards[row["shard"]], columns=["record_id"])
        return str(table["record_id"][int(row["row"])].as_py())


def find_keys(
    within: npt.NDArray[np.bytes_], keys: npt.NDArray[np.bytes_]
) -> npt.NDArray[np.int64]:
    """Places of `keys` in the sorted array `within`, -1 for those that are not there."""
    if not len(within):
        return np.full(len(keys), -1, np.int64)
    places = np.minimum(np.searchsorted(within, keys), len(within) - 1)
    return np.where(within[places] == keys, places, -1)
