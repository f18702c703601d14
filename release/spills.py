"""Spill files: the newcomers of a release in the order they were gathered in, read back in another.

A spill is an Arrow IPC file with an index beside it, an array of INDEX: the order hash, split and
size of each row, and where it lies. In comes a range of hashes; out go its rows in their order, a
few at a time, so that a shard of any size is written in the memory of a row group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.columns import from_numbers

INDEX = np.dtype(
    [("order", "<u8"), ("size", "<u4"), ("split", "u1"), ("batch", "<u4"), ("row", "<u4")]
)
Index = npt.NDArray[np.void]
_PLACE = np.dtype([("order", "<u8"), ("spill", "<u4"), ("batch", "<u4"), ("row", "<u4")])


def index_path(spill: Path) -> Path:
    """Where the index of a spill file lies."""
    return spill.with_suffix(".npy")


class SpilledRows:
    """The rows of a split whose order hash lies in [low, high]; use it as a context."""

    def __init__(self, spills: Sequence[Path], split: int, low: int, high: int) -> None:
        self._open_files = ExitStack()
        self._readers: dict[int, pa.RecordBatchFileReader] = {}
        found = []
        for number, spill in enumerate(spills):
            index: Index = np.load(index_path(spill), mmap_mode="r")
            wanted = index["split"] == split
            wanted &= (index["order"] >= np.uint64(low)) & (index["order"] <= np.uint64(high))
            places = np.empty(int(wanted.sum()), _PLACE)
            for name in ("order", "batch", "row"):
                places[name] = index[name][wanted]
            places["spill"] = number
            if len(places):
                found.append(places)
                source = self._open_files.enter_context(pa.memory_map(str(spill)))
                self._readers[number] = pa.ipc.open_file(source)
        places = np.concatenate(found or [np.empty(0, _PLACE)])
        self._places = places[np.argsort(places["order"], kind="stable")]
        self._settle_ties()

    def __enter__(self) -> SpilledRows:
        return self

    def __exit__(self, *_: object) -> None:
        self._readers.clear()
        self._open_files.close()

    def __len__(self) -> int:
        return len(self._places)

    def column(self, name: str) -> Iterator[pa.ChunkedArray]:
        """One column, some rows at a time, in the order of the rows."""
        for start in range(0, len(self), 1_000):
            yield self._rows(start, start + 1_000, [name])[name]

    def groups(self, rows: int) -> Iterator[pa.Table]:
        """All columns, so many rows at a time."""
        for start in range(0, len(self), rows):
            yield self._rows(start, start + rows, None)

    def _rows(self, start: int, end: int, columns: list[str] | None) -> pa.Table:
        places = self._places[start:end]
        by_batch = np.lexsort((places["row"], places["batch"], places["spill"]))
        lying = places[by_batch]
        new = np.ones(len(lying), np.bool_)
        new[1:] = (lying["spill"][1:] != lying["spill"][:-1]) | (
            lying["batch"][1:] != lying["batch"][:-1]
        )
        pieces = []
        for run in np.split(lying, np.flatnonzero(new)[1:]):
            batch = self._readers[int(run["spill"][0])].get_batch(int(run["batch"][0]))
            chosen = batch if columns is None else batch.select(columns)
            pieces.append(chosen.take(from_numbers(np.ascontiguousarray(run["row"]))))
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
