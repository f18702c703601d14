"""Finding the rows of one record in a run's parts and a release's shards, without scanning them.

Parts of a site are sorted by record_id, shards by its order hash, so footers and range filters
lead to a part and a row group; columns of pictures are never read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.lineage import LINEAGE_FILE, read_range
from release.manifest import Manifest
from release.shards import order_text
from runtime.columns import column
from runtime.errors import PartError, WorkspaceError
from runtime.parts import PartFolder

Row = dict[str, Any]


def site_of(record_id: str) -> str:
    """The key of the record's site, by which its parts are named."""
    return record_id.split(":", 1)[0]


def part_of(folder: PartFolder, record_id: str) -> str | None:
    """The numbered part of the record's site that would hold it; None when there is none."""
    names = [n for n in folder.names() if n.rpartition("-")[0] == site_of(record_id)]
    place = bisect_right(names, record_id, key=lambda name: _first_id(folder, name))
    return names[place - 1] if place else None


def _first_id(folder: PartFolder, name: str) -> str:
    try:
        with pq.ParquetFile(folder.path(name)) as file:
            if file.metadata.num_rows == 0:
                return ""
            return str(next(file.iter_batches(1, columns=["record_id"]))["record_id"][0].as_py())
    except (OSError, pa.ArrowException) as error:
        raise PartError(folder.path(name), f"cannot be read ({error})") from error


def rows_of(
    folder: PartFolder, name: str, key: str, value: str, columns: Sequence[str] | None = None
) -> list[Row]:
    """The part's rows whose `key` is `value`, in order; none when the part is not sealed."""
    if folder.seal(name) is None:
        return []
    try:
        with pq.ParquetFile(folder.path(name)) as file:
            return _matching(file, key, value, columns)
    except (OSError, pa.ArrowException) as error:
        raise PartError(folder.path(name), f"cannot be read ({error})") from error


def _matching(
    file: pq.ParquetFile, key: str, value: str, columns: Sequence[str] | None
) -> list[Row]:
    """The key's column decides where the others are read at all."""
    found: list[Row] = []
    place = leaf_of(file, key)
    for group in range(file.num_row_groups):
        told = file.metadata.row_group(group).column(place).statistics
        if told is not None and told.has_min_max and not told.min <= value <= told.max:
            continue
        keys = file.read_row_group(group, columns=[key])[key]
        rows = pc.indices_nonzero(pc.equal(keys, value).fill_null(False))
        if len(rows):
            names = None if columns is None else list(columns)
            found += file.read_row_group(group, columns=names).take(rows).to_pylist()
    return found


def leaf_of(file: pq.ParquetFile, name: str) -> int:
    """The place of a plain column among the file's leaves."""
    paths = [file.schema.column(number).path for number in range(len(file.schema))]
    return paths.index(name)


def lineage_row(release: Path, record_id: str) -> Row | None:
    """The record's row in a release's lineage."""
    columns = ["record_id", "split", "leak_group", "first_release"]
    found: list[Row] = read_range(release / LINEAGE_FILE, record_id, record_id, columns).to_pylist()
    return found[0] if found else None


def shard_row(
    release: Path, manifest: Manifest, record_id: str, split: str, columns: Sequence[str]
) -> tuple[str, int, Row] | None:
    """(shard, row in it, its columns) of a record; None when no shard of the split holds it."""
    order = order_text(record_id)
    for entry, facts in manifest.shards:
        if facts.split == split and facts.order_from <= order <= facts.order_to:
            path = release / entry.path
            with opened_shard(path) as file:
                ids = file.read(columns=["record_id"])["record_id"]
            row = ids.index(record_id).as_py()
            if row >= 0:
                (table,) = take_rows(path, [row], columns)
                return entry.path, row, table.to_pylist()[0]
    return None


@contextmanager
def opened_shard(path: Path) -> Iterator[pq.ParquetFile]:
    """A shard to read from; what cannot be read is a WorkspaceError that names it."""
    try:
        with pq.ParquetFile(path) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise WorkspaceError(
            f"{path}: expected a readable shard, got {error}; run `mep3m verify`"
        ) from error


def take_rows(path: Path, rows: Sequence[int], columns: Sequence[str]) -> Iterator[pa.Table]:
    """Some rows of a shard, which ascend, a row group at a time; others are not read."""
    with opened_shard(path) as file:
        start = taken = 0
        for group in range(file.num_row_groups):
            end = start + file.metadata.row_group(group).num_rows
            wanted = []
            while taken < len(rows) and rows[taken] < end:
                wanted.append(rows[taken] - start)
                taken += 1
            if wanted:
                table = file.read_row_group(group, columns=list(columns))
                yield table.take(column(wanted, pa.int64()))
            start = end
