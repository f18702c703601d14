"""All rows of a copy in the order of their record ids, from sorted chunks, in bounded memory.

In come the chunks of a scan; out go tables, and with them the parts that the run's stages work on.
Of rows with one id the first of the file is the record; each later one is rejected by a name of its
own, which sorts right behind it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from release.imports.json_rows import Fault
from release.imports.rows import REPEATED
from release.imports.scan import GROUP_BYTES, GROUP_ROWS, bounded
from runtime.columns import record_batch
from runtime.errors import PartError
from runtime.keys import digest
from runtime.parts import PartFolder
from runtime.tables import ANNOTATIONS
from runtime.tombstones import REMOVED, Tombstones

SORTED_BY = [("record_id", "ascending"), ("row", "ascending")]
Place = tuple[str, int]
"""Where a row stands in the order: the id that it states, and its number in the file."""
START: Place = ("", 0)


def merged_rows(chunks: PartFolder, after: Place = START) -> Iterator[dict[str, Any]]:
    """Every row that comes after a place, in order; repeated ids are told apart.

    Raises PartError for a damaged chunk.
    """
    before, _ = after
    for table in _merged(chunks, after):
        for row in table.to_pylist():
            record = row["record_id"]
            yield _repeated(row) if record == before else row
            before = record


def _repeated(row: dict[str, Any]) -> dict[str, Any]:
    fault = Fault(REPEATED, "an earlier row of the file has this picture's path, ending aside")
    record = row["record_id"]
    return {
        **row, "record_id": f"{record}#{row['row']:010d}", "peer_id": record,
        "fault": fault.rule, "reason": fault.reason, "value": row["img_path"],
    }  # fmt: skip


def _merged(chunks: PartFolder, after: Place) -> Iterator[pa.Table]:
    """Sorted tables, each complete up to its last id."""
    streams = [_Stream(chunks, name, after) for name in chunks.names()]
    streams = [stream for stream in streams if stream.head is not None]
    while streams:
        # Up to the smallest of the heads' last ids nothing can follow any more.
        bound = min(stream.last for stream in streams)
        pieces = [piece for stream in streams if (piece := stream.up_to(bound)) is not None]
        yield pa.concat_tables(pieces).sort_by(SORTED_BY)
        streams = [stream for stream in streams if stream.head is not None]


class _Stream:
    """One chunk, a row group at a time."""

    def __init__(self, chunks: PartFolder, name: str, after: Place) -> None:
        self._path = chunks.path(name)
        self._groups = _row_groups(self._path, after)
        self.head: pa.Table | None = None
        self.last = ""
        self._advance()

    def _advance(self) -> None:
        self.head = next(self._groups, None)
        if self.head is not None:
            self.last = str(self.head["record_id"][-1].as_py())

    def up_to(self, bound: str) -> pa.Table | None:
        """Take off the rows whose id is not greater; None where there are none."""
        pieces: list[pa.Table] = []
        while self.head is not None and self.last <= bound:
            pieces.append(self.head)
            self._advance()
        if self.head is not None:
            ids = self.head["record_id"]
            count = bisect_right(range(len(ids)), bound, key=lambda place: ids[place].as_py())
            if count:
                pieces.append(self.head.slice(0, count))
                self.head = self.head.slice(count)
        return pa.concat_tables(pieces) if pieces else None


def _row_groups(path: Path, after: Place) -> Iterator[pa.Table]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            for number in range(file.num_row_groups):
                table = file.read_row_group(number)
                start = bisect_right(range(table.num_rows), after, key=partial(_place, table))
                if start < table.num_rows:
                    yield table.slice(start)
    except (OSError, pa.ArrowException) as error:
        raise PartError(path, f"cannot be read ({error})") from error


def _place(table: pa.Table, row: int) -> Place:
    return table["record_id"][row].as_py(), table["row"][row].as_py()


def write_parts(
    chunks: PartFolder,
    target: PartFolder,
    key: str,
    part_rows: int,
    site: str,
    tombstones: Tombstones = Tombstones(),  # noqa: B008
) -> int:
    """The merged rows as parts `<site>-<number>` of `target`; those that are there stay.

    `key` is that of the chunks. Rows of what was taken down are counted in the seals and left out.
    Returns how many parts there are. Parts of another key or size, or
    behind a damaged one, are made again.
    """
    key = digest(key, str(part_rows))
    done = _sound_parts(target, key, site)
    for name in set(target.names()) - set(done):
        target.discard(name)
    removed: dict[str, int] = {}
    rows = _without_barred(merged_rows(chunks, _last_place(target, done)), tombstones, removed)
    number = len(done)
    while (first := next(rows, None)) is not None:
        counts = {"faults": 0}
        batches = _batches(first, rows, part_rows, counts, removed)
        target.write(_name(site, number), batches, key, counts)
        number += 1
    return number


def _without_barred(
    rows: Iterator[dict[str, Any]], tombstones: Tombstones, counts: dict[str, int]
) -> Iterator[dict[str, Any]]:
    """The rows that may come in; those left out up to the next one are counted before a row is."""
    waiting: dict[str, Any] | None = None
    for row in rows:
        if tombstones.on_record(row["peer_id"] or row["record_id"]) is not None:
            counts[REMOVED] = counts.get(REMOVED, 0) + 1
            continue
        if waiting is not None:
            yield waiting
        waiting = row
    if waiting is not None:
        yield waiting


def _name(site: str, number: int) -> str:
    return f"{site}-{number:05d}"


def _sound_parts(target: PartFolder, key: str, site: str) -> Sequence[str]:
    """Parts that an earlier try finished, up to the first that is missing or damaged."""
    sound: list[str] = []
    for number in range(len(target.names())):
        name = _name(site, number)
        seal = target.seal(name)
        if seal is None or seal.key != key or target.damage(name, seal):
            break
        sound.append(name)
    return sound


def _last_place(target: PartFolder, done: Sequence[str]) -> Place:
    """Where the last finished part ends."""
    if not done:
        return START
    (last,) = target.read(done[-1], ["record_id", "peer_id", "row"])[-1:].to_pylist()
    return last["peer_id"] or last["record_id"], last["row"]


def _batches(
    first: dict[str, Any],
    rows: Iterator[dict[str, Any]],
    most: int,
    counts: dict[str, int],
    removed: dict[str, int],
) -> Iterator[pa.RecordBatch]:
    def some() -> Iterator[dict[str, Any]]:
        yield first
        for _ in range(most - 1):
            row = next(rows, None)
            if row is None:
                return
            yield row

    for group in bounded(some(), GROUP_ROWS, GROUP_BYTES):
        counts["faults"] += sum(row["fault"] is not None for row in group)
        yield record_batch(group, ANNOTATIONS.schema)
    counts.update(removed)
    removed.clear()
