"""Spill files: the newcomers of a release in the order they were gathered in, read back in another.

A spill is three files: the rows without their pictures as Arrow IPC, the pictures one behind the
other, and an index, an array of INDEX, that says the order hash and split of each row and where it
and its picture lie. In comes a range of hashes; out go its rows in their order, a few at a time, so
that a shard of any size is written in the memory of a row group.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from io import FileIO
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from release.schema import PICTURE, RELEASE_SCHEMA
from runtime.columns import from_numbers
from runtime.regroup import fitting

INDEX = np.dtype(
    [
        ("order", "<u8"), ("offset", "<u8"), ("size", "<u4"), ("pictured", "?"), ("split", "u1"),
        ("batch", "<u4"), ("row", "<u4"),
    ]
)  # fmt: skip
Index = npt.NDArray[np.void]
PATH = "path"  # stands in for `image`
SPILL_SCHEMA = pa.schema(
    [
        field if field.name != "image" else pa.field(PATH, pa.string())
        for field in RELEASE_SCHEMA.remove_metadata()
    ]
)
BLOCK_ROWS = 4096
"""Rows that are read at once but for their pictures: one from many batches each costs most."""
ROW_GROUP_BYTES = 256 * 1024 * 1024
"""Of pictures in a row group, which is written from memory; a group of larger ones has fewer."""
_PLACE = np.dtype([*((name, INDEX[name]) for name in INDEX.names or ()), ("spill", "<u4")])


def index_path(spill: Path) -> Path:
    """Where the index of a spill file lies."""
    return spill.with_suffix(".npy")


def pictures_path(spill: Path) -> Path:
    """Where its pictures lie."""
    return spill.with_suffix(".pictures")


def remove_spill(spill: Path) -> None:
    """Remove all files of a spill."""
    for path in (spill, index_path(spill), pictures_path(spill)):
        path.unlink()


class SpillWriter:
    """Writes a spill; use it as a context, which writes the index at its end."""

    def __init__(self, spill: Path) -> None:
        self._spill = spill
        self._opened = ExitStack()
        self._index: list[Index] = []
        self._end = 0

    def __enter__(self) -> SpillWriter:
        sink = self._opened.enter_context(pa.OSFile(str(self._spill), "wb"))
        self._writer = self._opened.enter_context(pa.ipc.new_file(sink, SPILL_SCHEMA))
        self._pictures = self._opened.enter_context(pictures_path(self._spill).open("wb"))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._opened.close()
        if error is None:
            with index_path(self._spill).open("wb") as stream:
                np.save(stream, np.concatenate([*self._index, np.empty(0, INDEX)]))

    def picture(self, data: pa.Buffer) -> int:
        """Write a picture; returns where it starts."""
        start = self._end
        self._end += self._pictures.write(data)
        return start

    def rows(self, rows: pa.Table, index: Index) -> None:
        """Write rows of SPILL_SCHEMA; of the index all but `batch` and `row` is given."""
        number = len(self._index)
        self._writer.write_batch(rows.combine_chunks().to_batches()[0])
        index["batch"], index["row"] = number, np.arange(len(index))
        self._index.append(index)


class SpilledRows:
    """The rows of a split whose order hash lies in [low, high]; use it as a context."""

    def __init__(self, spills: Sequence[Path], split: int, low: int, high: int) -> None:
        self._open_files = ExitStack()
        self._rows: dict[int, _MappedRows] = {}
        self._pictures: dict[int, FileIO] = {}
        found = []
        for number, spill in enumerate(spills):
            index: Index = np.load(index_path(spill), mmap_mode="r")
            wanted = index["split"] == split
            wanted &= (index["order"] >= np.uint64(low)) & (index["order"] <= np.uint64(high))
            places = np.empty(int(wanted.sum()), _PLACE)
            for name in INDEX.names or ():
                places[name] = index[name][wanted]
            places["spill"] = number
            if len(places):
                found.append(places)
                self._rows[number] = self._open_files.enter_context(_MappedRows(spill))
            if places["size"].any():
                file = FileIO(pictures_path(spill))
                self._pictures[number] = self._open_files.enter_context(file)
        places = np.concatenate(found or [np.empty(0, _PLACE)])
        self._places = places[np.argsort(places["order"], kind="stable")]
        self._settle_ties()

    def __enter__(self) -> SpilledRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._open_files.close()

    def __len__(self) -> int:
        return len(self._places)

    @property
    def pictured(self) -> int:
        """How many of them have a picture."""
        return int(self._places["pictured"].sum())

    def groups(self, rows: int) -> Iterator[pa.Table]:
        """All columns of a release, so many rows at a time, or fewer that are very large."""
        block = rows * max(1, BLOCK_ROWS // rows)
        for first in range(0, len(self), block):
            places = self._places[first : first + block]
            told = self._told(places)
            sizes, start = places["size"].astype(np.int64), 0
            while start < len(places):
                count = fitting(sizes[start:], rows, ROW_GROUP_BYTES)
                yield self._shown(told.slice(start, count), places[start : start + count])
                start += count

    def of_orders(self, orders: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.bool_], pa.Table]:
        """Which of the order hashes are here, and their rows, one each and in that order."""
        at = np.minimum(np.searchsorted(self._places["order"], orders), max(len(self) - 1, 0))
        held = self._places["order"][at] == orders if len(self) else np.zeros(len(orders), np.bool_)
        places = self._places[at[held]]
        rows = self._shown(self._told(places), places) if len(places) else pa.table({})
        return held, rows

    def _told(self, places: Index, columns: list[str] | None = None) -> pa.Table:
        """The rows at some places, but for their pictures."""
        by_batch = np.lexsort((places["row"], places["batch"], places["spill"]))
        lying = places[by_batch]
        pieces: list[pa.RecordBatch] = []
        for of_spill in _runs(lying, "spill"):
            mapped = self._rows[int(of_spill["spill"][0])]
            for run in _runs(of_spill, "batch"):
                batch = mapped.reader.get_batch(int(run["batch"][0]))
                chosen = batch if columns is None else batch.select(columns)
                pieces.append(chosen.take(from_numbers(np.ascontiguousarray(run["row"]))))
            mapped.forget()
        back = np.empty(len(by_batch), np.int64)
        back[by_batch] = np.arange(len(by_batch))
        return pa.Table.from_batches(pieces).combine_chunks().take(from_numbers(back))

    def _shown(self, told: pa.Table, places: Index) -> pa.Table:
        """The rows as a release has them, with their pictures."""
        ends = np.zeros(len(places) + 1, np.int32)
        np.cumsum(places["size"], out=ends[1:])
        data = np.empty(ends[-1], np.uint8)
        bounds = zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True)
        lying = (places[name].tolist() for name in ("spill", "offset"))
        for spill, offset, (start, end) in zip(*lying, bounds, strict=True):
            if start < end:
                self._read(self._pictures[spill], data[start:end], offset)
        valid = places["pictured"]
        mask = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes())
        offsets = pa.py_buffer(ends.tobytes())
        rows, nulls = len(places), len(places) - int(valid.sum())
        bodies = pa.Array.from_buffers(
            pa.binary(), rows, [mask, offsets, pa.py_buffer(data)], null_count=nulls
        )
        paths = told[PATH].combine_chunks()
        images = pa.Array.from_buffers(
            PICTURE, rows, [mask], null_count=nulls, children=[bodies, paths]
        )
        place = SPILL_SCHEMA.get_field_index(PATH)
        return told.set_column(place, RELEASE_SCHEMA.field("image"), images)

    @staticmethod
    def _read(file: FileIO, target: npt.NDArray[np.uint8], offset: int) -> None:
        """Fill `target` from the file; no map, since each page that is touched would be a fault."""
        read = os.preadv(file.fileno(), [target.data], offset)
        if read != len(target):
            raise OSError(f"{file.name}: expected {len(target)} bytes at {offset}, got {read}")

    def _settle_ties(self) -> None:
        """Rows of one hash stand in the order of their ids, whichever spill they lie in."""
        order = self._places["order"]
        tied = np.flatnonzero(order[1:] == order[:-1])
        for first in tied[np.diff(tied, prepend=-2) > 1].tolist():
            end = int(np.searchsorted(order, order[first], side="right"))
            ids = self._told(self._places[first:end], ["record_id"])["record_id"].to_pylist()
            by_id = sorted(range(len(ids)), key=ids.__getitem__)
            self._places[first:end] = self._places[first:end][by_id]


def _runs(places: Index, name: str) -> list[Index]:
    """The places cut where a column changes."""
    return np.split(places, np.flatnonzero(places[name][1:] != places[name][:-1]) + 1)


class _MappedRows:
    """The rows of a spill, mapped into memory; none of its pages has to stay."""

    def __init__(self, spill: Path) -> None:
        with spill.open("rb") as stream:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self.reader = pa.ipc.open_file(pa.py_buffer(self._map))

    def __enter__(self) -> _MappedRows:
        return self

    def __exit__(self, *_: object) -> None:
        del self.reader, self._map  # which closes itself with the last array made of it

    def forget(self) -> None:
        """Let go of the pages that were read: every block reads some of every spill, and all of
        them would count as this process's memory."""
        self._map.madvise(mmap.MADV_DONTNEED)
