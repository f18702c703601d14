"""Second pass of the shuffle: cut the newcomers into shards and write each one.

A split's newcomers stand in the order of a hash of their ids, so a shard is a range of that hash,
behind the rows of the published shard that it tops up; where to cut follows from the pictures'
sizes alone. Plain Parquet: zstd for text, nothing over the pictures, page index, page checksums,
small row groups for random readers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.carried_rows import CarriedShard, carried_rows
from release.manifest import FileEntry, ShardFacts
from release.schema import (
    IMAGE_BYTES,
    RELEASE_SCHEMA,
    leaf_paths,
    released_schema,
)
from release.spills import ROW_GROUP_BYTES, SpilledRows, index_path
from release.splits import SPLIT_CODE, SPLITS
from runtime.columns import numbers
from runtime.keys import order_hash
from runtime.regroup import regrouped
from runtime.storage import atomic_path, sha256_file

DATA = "data"
PLAN = np.dtype([("order", "<u8"), ("size", "<u4"), ("split", "u1")])
ROW_BYTES = 2048
"""What a record counts for beside its picture: a shard of titles alone is bounded by its rows."""
TEXT_ROW_GROUP_ROWS = 10_000
"""Of a shard without pictures, whose rows are small."""
_TEXT = [path for path in leaf_paths(RELEASE_SCHEMA) if path != IMAGE_BYTES]


@dataclass(frozen=True)
class ShardRange:
    """The records of a split whose order hash lies in [low, high]."""

    split: str
    low: int
    high: int


@dataclass(frozen=True)
class ShardWork:
    """One shard to write: the rows of a published one, then newcomers; either may be None."""

    split: str
    folder: Path
    target: str
    row_group_rows: int
    fingerprint: str | None
    carried: CarriedShard | None = None
    newcomers: ShardRange | None = None
    spills: tuple[Path, ...] = ()


def shard_name(split: str, version: str, number: int) -> str:
    """`data/train-1.2.0-00007.parquet`: the version is the release that wrote the file."""
    return f"{DATA}/{split}-{version}-{number:05d}.parquet"


def load_plan(spills: Sequence[Path]) -> npt.NDArray[np.void]:
    """Order hash, size and split of every newcomer: 13 bytes a record."""
    parts = []
    for spill in spills:
        index = np.load(index_path(spill), mmap_mode="r")
        part = np.empty(len(index), PLAN)
        part["order"], part["split"] = index["order"], index["split"]
        part["size"] = index["size"] + np.uint32(ROW_BYTES)
        parts.append(part)
    return np.concatenate(parts or [np.empty(0, PLAN)])


def cut(
    plan: npt.NDArray[np.void], shard_bytes: int, taken: Mapping[str, int] | None = None
) -> list[ShardRange]:
    """Shards of about `shard_bytes` of pictures, split by split, in order.

    A shard starts with the first record at or past each multiple of `shard_bytes`, so none
    exceeds it by more than a picture. `taken` says how many bytes of a split's first shard are
    filled already, less than a shard's.
    """
    found: list[ShardRange] = []
    for code, split in enumerate(SPLITS):
        chosen = plan[plan["split"] == code]
        chosen = chosen[np.argsort(chosen["order"], kind="stable")]
        sizes = chosen["size"].astype(np.int64)
        bins = (np.cumsum(sizes) - sizes + (taken or {}).get(split, 0)) // shard_bytes
        order = chosen["order"]
        # Equal hashes stay together, since a shard is a range of hashes.
        starts: list[int] = [
            start
            for start in np.flatnonzero(np.diff(bins, prepend=-1)).tolist()
            if start == 0 or order[start] != order[start - 1]
        ]
        ends = [*starts[1:], len(order)] if starts else []
        found.extend(
            ShardRange(split, int(order[start]), int(order[end - 1]))
            for start, end in zip(starts, ends, strict=True)
        )
    return found


def write_shard(work: ShardWork) -> FileEntry | None:
    """Write one shard, or nothing when no row is left for it.

    Its bytes depend on its records alone, not on how they were spilled. Raises PartError where
    a published shard's new fingerprints do not fit it.
    """
    with ExitStack() as opened:
        pieces: list[Iterator[pa.Table]] = []
        size = max(work.row_group_rows, TEXT_ROW_GROUP_ROWS)
        if work.carried is not None:
            pieces.append(carried_rows(work.carried))
            size = work.row_group_rows if work.carried.pictured else size
        if (range_ := work.newcomers) is not None:
            code = SPLIT_CODE[range_.split]
            rows = opened.enter_context(SpilledRows(work.spills, code, range_.low, range_.high))
            size = work.row_group_rows if rows.pictured else size
            pieces.append(rows.groups(size))
        groups = regrouped(chain.from_iterable(pieces), size, ROW_GROUP_BYTES, _picture_bytes)
        first = next(groups, None)
        if first is None:
            return None
        return _write(
            work.folder, work.target, work.split, chain([first], groups), work.fingerprint
        )


def _picture_bytes(rows: pa.Table) -> npt.NDArray[np.int64]:
    sizes = pc.binary_length(pc.struct_field(rows["image"], "bytes")).combine_chunks()
    return numbers(sizes.fill_null(0)).astype(np.int64)


@dataclass
class ShardSummary:
    """What a shard holds, gathered while its row groups pass by."""

    rows: int = 0
    without_picture: int = 0
    image_bytes: int = 0
    first: str = ""
    last: str = ""
    sites: Counter[str] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    fetched: list[str] = field(default_factory=list)

    def add(self, rows: pa.Table) -> None:
        """Take in the next rows; there is at least one."""
        orders = [order_text(record) for record in rows["record_id"].to_pylist()]
        self.first = min(orders) if not self.first else min(self.first, *orders)
        self.last = max(self.last, *orders)
        self.rows += rows.num_rows
        sizes = pc.binary_length(pc.struct_field(rows["image"], "bytes"))
        self.without_picture += rows["sha256"].null_count
        self.image_bytes += pc.sum(sizes).as_py() or 0
        self.sites.update(rows["site"].to_pylist())
        self.classes.update(rows["class_name"].to_pylist())
        times = [time for time in pc.min_max(rows["fetched_at"]).as_py().values() if time]
        span = [*self.fetched, *(f"{time:%Y-%m-%dT%H:%M:%SZ}" for time in times)]
        self.fetched = [min(span), max(span)] if span else []

    def seal(self, split: str) -> ShardFacts:
        """The facts of all rows together."""
        return ShardFacts(
            split, self.first, self.last, self.image_bytes,
            dict(sorted(self.sites.items())), dict(sorted(self.classes.items())),
            self.fetched[0] if self.fetched else None, self.fetched[1] if self.fetched else None,
            self.without_picture,
        )  # fmt: skip


def order_text(record_id: str) -> str:
    """The record's order hash as 16 hex digits, which sort as the number does."""
    return f"{order_hash(record_id):016x}"


def _write(
    folder: Path, target: str, split: str, row_groups: Iterable[pa.Table], fingerprint: str | None
) -> FileEntry:
    facts = ShardSummary()
    path = folder / target
    schema = released_schema(fingerprint)
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(
            temporary,
            schema,
            compression=dict.fromkeys(_TEXT, "zstd"),  # pictures are compressed already
            use_dictionary=_TEXT,
            write_statistics=_TEXT,  # the smallest and largest picture tell nobody anything
            write_page_index=True,
            write_page_checksum=True,
            use_content_defined_chunking=True,  # a rewritten shard shares most of its pages
        ) as writer:
            for rows in row_groups:
                writer.write_table(rows.cast(schema), row_group_size=rows.num_rows)
                facts.add(rows)
        digest = sha256_file(temporary)
    return FileEntry(target, path.stat().st_size, digest, facts.rows, facts.seal(split))
