"""The rows of a published shard as they go into the next release: fewer, or with other values.

In come the shard, the ids that leave, fingerprints of another version where there are some, and
rows that a major release shows otherwise. Out go its rows in their order, a row group at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.lineage import without
from release.schema import RELEASE_SCHEMA, as_released
from release.spills import SpilledRows
from runtime.columns import column, from_numbers
from runtime.errors import PartError
from runtime.keys import order_hash


@dataclass(frozen=True)
class Adopted:
    """Spill files with the rows that published records have from now on, of one split."""

    spills: tuple[Path, ...]
    split: int


@dataclass(frozen=True)
class CarriedShard:
    """A published shard, of which `removed`, an Arrow file, names the records that leave.

    `reprints` has the fingerprints of each of its rows in another version; `pictured` tells whether
    any of them has a picture.
    """

    source: Path
    removed: Path
    pictured: bool
    reprints: Path | None = None
    adopted: Adopted | None = None


def carried_rows(shard: CarriedShard) -> Iterator[pa.Table]:
    """The rows that stay, of a row group each. Raises PartError for reprints that do not fit."""
    with pa.memory_map(str(shard.removed)) as source:
        removed = pa.ipc.open_file(source).read_all()["record_id"].combine_chunks()
    hashes = None if shard.reprints is None else _hashes(shard.reprints)
    with ExitStack() as opened:
        file = opened.enter_context(pq.ParquetFile(shard.source, page_checksum_verification=True))
        adopted = None
        if shard.adopted is not None:
            rows = SpilledRows(shard.adopted.spills, shard.adopted.split, 0, 2**64 - 1)
            adopted = opened.enter_context(rows)
        start = 0
        for group in range(file.num_row_groups):
            rows = as_released(file.read_row_group(group))
            if shard.reprints is not None and hashes is not None:
                count = rows.num_rows - rows["sha256"].null_count
                rows = _reprinted(rows, hashes.slice(start, count), shard.reprints)
                start += count
            rows = without(rows, removed)
            if rows.num_rows and adopted is not None:
                rows = _adopting(rows, adopted)
            if rows.num_rows:
                yield rows.replace_schema_metadata(None)


def _adopting(rows: pa.Table, adopted: SpilledRows) -> pa.Table:
    """The rows in their order, those that have another one now replaced by it."""
    ids = rows["record_id"].to_pylist()
    held, found = adopted.of_orders(np.array([order_hash(record) for record in ids], np.uint64))
    if not held.any():
        return rows
    replaced = np.flatnonzero(held)
    if found["record_id"].to_pylist() != [ids[row] for row in replaced.tolist()]:
        raise ValueError(f"two records of one order hash: {found['record_id'].to_pylist()}")
    order = np.arange(len(ids))
    order[replaced] = len(ids) + np.arange(len(replaced))
    plain = rows.replace_schema_metadata(None).cast(RELEASE_SCHEMA)
    return pa.concat_tables([plain, found.cast(RELEASE_SCHEMA)]).take(from_numbers(order))


def _hashes(reprints: Path) -> pa.Table:
    try:
        return pq.read_table(reprints, columns=["record_id", "phash"])
    except (OSError, pa.ArrowException) as error:
        raise PartError(reprints, f"cannot be read ({error})") from error


def _reprinted(rows: pa.Table, hashes: pa.Table, reprints: Path) -> pa.Table:
    """The rows with other hashes, which stand in their order; rows without a picture have none."""
    pictured = pc.is_valid(rows["sha256"])
    if hashes["record_id"].to_pylist() != rows["record_id"].filter(pictured).to_pylist():
        raise PartError(reprints, "expected the records of its shard, got others")
    found = iter(hashes["phash"].to_pylist())
    values = [next(found) if has_picture else None for has_picture in pictured.to_pylist()]
    place = rows.schema.get_field_index("phash")
    return rows.set_column(place, rows.schema.field(place), column(values, pa.uint64()))
