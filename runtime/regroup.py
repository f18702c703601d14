"""Tables cut anew: pieces of any size in, pieces of one size out, in the same order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Weights = npt.NDArray[np.int64]
"""What each row of a table weighs, in bytes."""


def regrouped(
    pieces: Iterable[pa.Table],
    rows: int,
    most: int | None = None,
    weigh: Callable[[pa.Table], Weights] | None = None,
) -> Iterator[pa.Table]:
    """The rows of all pieces, so many at a time; the last ones may be fewer, never none.

    With `weigh`, a piece also ends before it weighs more than `most` bytes, but for a single row.
    A piece comes out in one chunk, so that what is written of it does not depend on how it came.
    """
    pending: list[pa.Table] = []
    weights = np.empty(0, np.int64)
    waiting = 0
    for piece in pieces:
        pending.append(piece)
        waiting += piece.num_rows
        if weigh is not None:
            weights = np.concatenate([weights, weigh(piece)])
        while (size := fitting(weights, rows, most)) < waiting or waiting == rows:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, size).combine_chunks()
            pending, waiting, weights = [joined.slice(size)], waiting - size, weights[size:]
    if waiting:
        yield pa.concat_tables(pending).combine_chunks()


def fitting(weights: Weights, rows: int, most: int | None) -> int:
    """How many of the next rows make a piece, by their number and by what they weigh."""
    if most is None:
        return rows
    heavy = int(np.searchsorted(np.cumsum(weights[:rows]), most, side="right"))
    return rows if heavy >= min(rows, len(weights)) else max(1, heavy)
