"""Lineage and fingerprints of a release: read by range, and merged with what a run adds.

Both tables are sorted by record_id. A new release's are the parent's without the removed records,
merged with the newcomers': three sorted streams, a few batches in memory, and no pictures.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.errors import WorkspaceError
from runtime.parts import text_metadata
from runtime.regroup import regrouped
from runtime.storage import atomic_path
from runtime.tables import Table

LINEAGE_FILE = Path("lineage", "lineage.parquet")
FINGERPRINTS_FILE = Path("fingerprints", "fingerprints.parquet")
# Small row groups: each listings part looks up its own range of record ids.
ROW_GROUP_ROWS = 4 * 1024


def stream_table(path: Path, columns: list[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A table of a release in batches; raises WorkspaceError when it cannot be read."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield from file.iter_batches(ROW_GROUP_ROWS, columns=columns)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def schema_metadata(path: Path) -> dict[str, str]:
    """What was added to the schema of a release's table; raises WorkspaceError."""
    try:
        return text_metadata(pq.read_schema(path))
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error


def read_range(path: Path, low: str, high: str, columns: list[str]) -> pa.Table:
    """Rows of a table sorted by record_id whose ids lie in [low, high].

    Only the row groups that may hold such rows are read. Raises WorkspaceError.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            groups = range(file.num_row_groups)
            first = bisect_left(groups, low, key=lambda group: _span(file, group)[1])
            last = bisect_right(groups, high, key=lambda group: _span(file, group)[0])
            read = [*columns, *(["record_id"] if "record_id" not in columns else [])]
            rows = file.read_row_groups(list(range(first, last)), columns=read)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from error
    ids = rows["record_id"]
    start = bisect_left(range(len(ids)), low, key=lambda row: ids[row].as_py())
    end = bisect_right(range(len(ids)), high, key=lambda row: ids[row].as_py())
    return rows.slice(start, max(end - start, 0)).select(columns)


def _span(file: pq.ParquetFile, group: int) -> tuple[str, str]:
    """The first and the last record_id of a row group."""
    column = file.metadata.row_group(group).column(file.schema_arrow.get_field_index("record_id"))
    if column.statistics is not None and column.statistics.has_min_max:
        return str(column.statistics.min), str(column.statistics.max)
    ids = file.read_row_group(group, columns=["record_id"])["record_id"]  # too long for statistics
    return str(ids[0]), str(ids[-1])


def _unreadable(path: Path, error: Exception) -> WorkspaceError:
    return WorkspaceError(
        f"{path}: expected a readable Parquet file, got {error}; restore the release from a copy"
    )


def merge_sorted(
    old: Iterable[pa.RecordBatch], new: Iterable[pa.RecordBatch], removed: pa.Array
) -> Iterator[pa.Table]:
    """Two streams sorted by record_id as one, without the ids in `removed` (sorted strings)."""
    left, right = SortedStream(old), SortedStream(new)
    while left.head is not None or right.head is not None:
        # Everything up to the smaller of the two heads' last ids is complete on both sides.
        bound = min(stream.last for stream in (left, right) if stream.head is not None)
        merged = pa.concat_tables([t for t in (left.up_to(bound), right.up_to(bound)) if t])
        kept = without(merged.sort_by("record_id"), removed)
        if kept.num_rows:
            yield kept


def without(rows: pa.Table, removed: pa.Array) -> pa.Table:
    """The rows whose record_id is not in `removed`, a sorted array of strings."""
    if not len(removed) or not rows.num_rows:
        return rows
    ids = rows["record_id"]
    span = pc.min_max(ids).as_py()

    def at(place: int) -> str:
        return str(removed[place].as_py())

    places = range(len(removed))
    near = removed[
        bisect_left(places, span["min"], key=at) : bisect_right(places, span["max"], key=at)
    ]
    return rows.filter(pc.invert(pc.is_in(ids, value_set=near))) if len(near) else rows


class SortedStream:
    """A sorted stream with its first batch at hand."""

    def __init__(self, batches: Iterable[pa.RecordBatch]) -> None:
        self._batches = iter(batches)
        self.head: pa.Table | None = None
        self.last = ""
        self._advance()

    def _advance(self) -> None:
        self.head = None
        for batch in self._batches:
            if batch.num_rows:
                ids = batch["record_id"]
                if ids[0].as_py() <= self.last:
                    raise ValueError(f"record_id {ids[0]} after {self.last}: expected sorted ids")
                self.head = pa.Table.from_batches([batch])
                self.last = str(ids[-1].as_py())
                return

    def up_to(self, bound: str) -> pa.Table | None:
        """Take off the rows with record_id <= bound; None when there are none."""
        if self.head is None:
            return None
        if self.last <= bound:
            taken: pa.Table = self.head
            self._advance()
            return taken
        ids = self.head["record_id"]
        count = bisect_right(range(len(ids)), bound, key=lambda place: ids[place].as_py())
        taken, self.head = self.head.slice(0, count), self.head.slice(count)
        return taken if count else None


def write_sorted(
    path: Path, table: Table, rows: Iterable[pa.Table], metadata: Mapping[str, str] | None = None
) -> int:
    """Write a table of a release in full row groups; returns its number of rows.

    `metadata` is added to its schema.
    """
    total = 0
    with (
        atomic_path(path) as temporary,
        pq.ParquetWriter(
            temporary,
            table.schema.with_metadata(metadata),
            compression="zstd",
            write_page_index=True,
            write_page_checksum=True,
        ) as writer,
    ):
        for group in regrouped((piece.cast(table.schema) for piece in rows), ROW_GROUP_ROWS):
            writer.write_table(group, ROW_GROUP_ROWS)
            total += group.num_rows
    return total
