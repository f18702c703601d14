"""The fingerprint index of a release: what is published, as far as new pictures compare with it.

In comes `fingerprints.parquet`, sorted by record_id; out go its rows in batches, and the row
numbers of given ids. One row group of ids is in memory at a time.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from runtime.columns import from_numbers
from runtime.errors import WorkspaceError
from runtime.parts import text_metadata
from runtime.tables import FINGERPRINT

BATCH_ROWS = 16 * 1024


class PublishedIndex:
    """One open index; use it as a context. Raises WorkspaceError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file = pq.ParquetFile(path, page_checksum_verification=True)
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error
        groups = [self._file.metadata.row_group(i) for i in range(self._file.num_row_groups)]
        self._starts = np.cumsum([0, *(group.num_rows for group in groups)])
        self._cached: tuple[int, pa.Array] = (-1, pa.nulls(0, pa.string()))
        self._bounds: list[tuple[str, str]] | None = None

    def __enter__(self) -> PublishedIndex:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @property
    def version(self) -> str | None:
        """Of which version its fingerprints are; None where the file does not say."""
        return text_metadata(self._file.schema_arrow).get(FINGERPRINT)

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """All rows in order, some at a time."""
        # Arrow's own iterator reads tens of row groups ahead.
        for group in range(len(self._starts) - 1):
            yield from self._read(group, columns).to_batches(BATCH_ROWS)

    def rows_of(self, ids: pa.Array) -> NDArray[np.int64]:
        """The row of each id, -1 for those that are not published. `ids` ascend."""
        found = np.full(len(ids), -1, np.int64)
        if not len(ids) or not len(self):
            return found
        low, high = ids[0].as_py(), ids[-1].as_py()
        bounds = self._group_bounds()
        first = bisect_left(bounds, low, key=lambda pair: pair[1])
        last = bisect_right(bounds, high, key=lambda pair: pair[0])
        for group in range(first, last):
            places = pc.index_in(ids, value_set=self._ids(group)).fill_null(-1).to_numpy()
            here = places >= 0
            found[here] = places[here] + self._starts[group]
        return found

    def _group_bounds(self) -> list[tuple[str, str]]:
        """The first and the last id of every row group."""
        if self._bounds is None:
            self._bounds = [self._bounds_of(group) for group in range(len(self._starts) - 1)]
        return self._bounds

    def _bounds_of(self, group: int) -> tuple[str, str]:
        facts = self._file.metadata.row_group(group)
        column = facts.column(self._file.schema_arrow.get_field_index("record_id"))
        if column.statistics is not None and column.statistics.has_min_max:
            return str(column.statistics.min), str(column.statistics.max)
        ids = self._ids(group)  # ids longer than any statistics
        return str(ids[0]), str(ids[-1])

    def _ids(self, group: int) -> pa.Array:
        if self._cached[0] != group:
            table = self._read(group, ["record_id"])
            self._cached = group, table["record_id"].combine_chunks()
        return self._cached[1]

    def _read(self, group: int, columns: Sequence[str]) -> pa.Table:
        try:
            return self._file.read_row_group(group, columns=list(columns))
        except (OSError, pa.ArrowException) as error:
            raise self._unreadable(error) from error

    def take(self, column: str, rows: NDArray[np.int64]) -> pa.Array:
        """The values of a text column in rows that ascend."""
        groups = np.searchsorted(self._starts, rows, side="right") - 1
        pieces = []
        for group in np.unique(groups):
            places = rows[groups == group] - self._starts[group]
            values = self._read(int(group), [column])[column]
            pieces += values.take(from_numbers(places)).chunks
        return pa.chunked_array(pieces, pa.string()).combine_chunks()

    def _unreadable(self, error: Exception) -> WorkspaceError:
        return WorkspaceError(
            f"{self.path}: expected a readable Parquet file, got {error}; restore the release "
            "from a copy"
        )
