"""Spill files: the newcomers of a release in the order they were gathered in, read back in another.

A spill is an Arrow IPC file with an index beside it, an array of INDEX: the order hash, split and
size of each row, and where it lies. In comes a range of hashes; out go its rows in their order, a
few at a time, so that a shard of any size is written in the memory of a row group.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.columns import from_numbers

INDEX = np.dtype(
    [
        ("order", "<u8"), ("size", "<u4"), ("pictured", "?"), ("split", "u1"),
        ("batch", "<u4"), ("row", "<u4"),
    ]
)  # fmt: skip
Index = npt.NDArray[np.void]
_PLACE = np.dtype(
    [("order", "<u8"), ("spill", "<u4"), ("batch", "<u4"), ("row", "<u4"), ("pictured", "?")]
)


def index_path(spill: Path) -> Path:
    """Where the index of a spill file lies."""
    return spill.with_suffix(".npy")


class SpilledRows:
    """The rows of a split whose order hash lies in [low, high]; use it as a context."""

    def __init__(self, spills: Sequence[Path], split: int, low: int, high: int) -> None:
        self._open_files = ExitStack()
        self._maps: dict[int, _Mapped] = {}
        found = []
        for number, spill in enumerate(spills):
            index: Index = np.load(index_path(spill), mmap_mode="r")
            wanted = index["split"] == split
            wanted &= (index["order"] >= np.uint64(low)) & (index["order"] <= np.uint64(high))
            places = np.empty(int(wanted.sum()), _PLACE)
            for name in ("order", "batch", "row", "pictured"):
                places[name] = index[name][wanted]
            places["spill"] = number
            if len(places):
                found.append(places)
                self._maps[number] = self._open_files.enter_context(_Mapped(spill))
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
        """All columns, so many rows at a time."""
        for start in range(0, len(self), rows):
            yield self._rows(start, start + rows, None)

    def of_orders(self, orders: npt.NDArray[np.uint64]) -> tuple[npt.NDArray[np.bool_], pa.Table]:
        """Which of the order hashes are here, and their rows, one each and in that order."""
        places = np.searchsorted(self._places["order"], orders)
        held = places < len(self)
        held[held] = self._places["order"][places[held]] == orders[held]
        return held, self._at(self._places[places[held]], None) if held.any() else pa.table({})

    def _rows(self, start: int, end: int, columns: list[str] | None) -> pa.Table:
        return self._at(self._places[start:end], columns)

    def _at(self, places: Index, columns: list[str] | None) -> pa.Table:
        by_batch = np.lexsort((places["row"], places["batch"], places["spill"]))
        lying = places[by_batch]
        pieces: list[pa.RecordBatch] = []
        for of_spill in _runs(lying, "spill"):
            mapped = self._maps[int(of_spill["spill"][0])]
            for run in _runs(of_spill, "batch"):
                batch = mapped.reader.get_batch(int(run["batch"][0]))
                chosen = batch if columns is None else batch.select(columns)
                pieces.append(chosen.take(from_numbers(np.ascontiguousarray(run["row"]))))
            mapped.forget()
        back = np.empty(len(by_batch), np.int64)
        back[by_batch] = np.arange(len(by_batch))
        return pa.Table.from_batches(pieces).combine_chunks().take(from_numbers(back))

    def _settle_ties(self) -> None:
        """Rows of one hash stand in the order of their ids, whichever spill they lie in."""
        order = self._places["order"]
        tied = np.flatnonzero(order[1:] == order[:-1])
        for first in tied[np.diff(tied, prepend=-2) > 1].tolist():
            end = int(np.searchsorted(order, order[first], side="right"))
            ids = self._rows(first, end, ["record_id"])["record_id"].to_pylist()
            by_id = sorted(range(len(ids)), key=ids.__getitem__)
            self._places[first:end] = self._places[first:end][by_id]


def _runs(places: Index, name: str) -> list[Index]:
    """The places cut where a column changes."""
    return np.split(places, np.flatnonzero(places[name][1:] != places[name][:-1]) + 1)


class _Mapped:
    """A spill file mapped into memory, of which no page has to stay."""

    def __init__(self, spill: Path) -> None:
        with spill.open("rb") as stream:
            self._map = mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)
        self.reader = pa.ipc.open_file(pa.py_buffer(self._map))

    def __enter__(self) -> _Mapped:
        return self

    def __exit__(self, *_: object) -> None:
        del self.reader, self._map  # which closes itself with the last array made of it

    def forget(self) -> None:
        """Let go of the pages that were read: every row group reads some of every spill, and all
        of them would count as this process's memory."""
        self._map.madvise(mmap.MADV_DONTNEED)
