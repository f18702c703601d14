"""What the rows of a release say that no shard's facts do: dates by site, how leaves are filled.

In come finished shards, of which a few small columns are read, many row groups at a time; out go
figures for the card. Memory is that of the categories, not of the records. Reading takes 0.35 s
for 100,000 records on the machine it was measured on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.errors import WorkspaceError

_COLUMNS = ("site", "class_name", "sub_class_id", "subsub_class_id", "fetched_at")
_ROWS_AT_ONCE = 64 * 1024


@dataclass
class Contents:
    """Figures of a release's rows, by site or by category.

    `captured` are the dates (YYYY-MM-DD) of each site's oldest and newest page, without sites that
    were imported; the keys of the others are a class's name with the id of one of its categories.
    """

    captured: dict[str, tuple[str, str]] = field(default_factory=dict)
    sub_classes: Counter[tuple[str, int]] = field(default_factory=Counter)
    subsub_classes: Counter[tuple[str, int]] = field(default_factory=Counter)

    def add(self, rows: pa.Table) -> None:
        """Take in the next rows."""
        times = rows.group_by("site").aggregate([("fetched_at", "min"), ("fetched_at", "max")])
        for row in times.to_pylist():
            if row["fetched_at_min"] is not None:
                days = (f"{row[f'fetched_at_{end}']:%Y-%m-%d}" for end in ("min", "max"))
                span = sorted([*days, *self.captured.get(row["site"], ())])
                self.captured[row["site"]] = span[0], span[-1]
        for name, found in (
            ("sub_class_id", self.sub_classes),
            ("subsub_class_id", self.subsub_classes),
        ):
            counted = rows.group_by(["class_name", name]).aggregate([(name, "count")])
            columns = (counted[column].to_pylist() for column in ("class_name", name))
            for class_name, id_, count in zip(
                *columns, counted[f"{name}_count"].to_pylist(), strict=True
            ):
                if id_ is not None:
                    found[class_name, id_] += count


def read_contents(shards: Iterable[Path]) -> Contents:
    """The figures of all shards; raises WorkspaceError when one cannot be read."""
    contents = Contents()
    for path in shards:
        for rows in _rows(path):
            contents.add(rows)
    return contents


def _rows(path: Path) -> Iterator[pa.Table]:
    """The columns by pieces of many row groups, since one has 100 rows."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            pending: list[int] = []
            waiting = 0
            for group in range(file.num_row_groups):
                pending.append(group)
                waiting += file.metadata.row_group(group).num_rows
                if waiting >= _ROWS_AT_ONCE or group == file.num_row_groups - 1:
                    yield file.read_row_groups(pending, columns=list(_COLUMNS))
                    pending, waiting = [], 0
    except (OSError, pa.ArrowException) as error:
        raise WorkspaceError(
            f"{path}: expected a readable shard, got {error}; restore the release from a copy"
        ) from error
