"""The rows of a published shard as they go into the next release: fewer, or with other values.

In come the shard, the ids that leave, fingerprints of another version where there are some, and
rows that a major release shows otherwise. Out go its rows in their order, a row group at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.lineage import without
from release.schema import as_released
from runtime.columns import column
from runtime.errors import PartError


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


def carried_rows(shard: CarriedShard) -> Iterator[pa.Table]:
    """The rows that stay, of a row group each. Raises PartError for reprints that do not fit."""
    with pa.memory_map(str(shard.removed)) as source:
        removed = pa.ipc.open_file(source).read_all()["record_id"].combine_chunks()
    hashes = None if shard.reprints is None else _hashes(shard.reprints)
    with pq.ParquetFile(shard.source, page_checksum_verification=True) as file:
        start = 0
        for group in range(file.num_row_groups):
            rows = as_released(file.read_row_group(group))
            if shard.reprints is not None and hashes is not None:
                count = rows.num_rows - rows["sha256"].null_count
                rows = _reprinted(rows, hashes.slice(start, count), shard.reprints)
                start += count
            rows = without(rows, removed)
            if rows.num_rows:
                yield rows.replace_schema_metadata(None)


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
