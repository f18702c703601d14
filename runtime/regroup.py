"""Tables cut anew: pieces of any size in, pieces of one size out, in the same order."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pyarrow as pa


def regrouped(pieces: Iterable[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The rows of all pieces, so many at a time; the last ones may be fewer, never none.

    A piece comes out in one chunk, so that what is written of it does not depend on how it came.
    """
    pending: list[pa.Table] = []
    waiting = 0
    for piece in pieces:
        pending.append(piece)
        waiting += piece.num_rows
        while waiting >= rows:
            joined = pa.concat_tables(pending)
            yield joined.slice(0, rows).combine_chunks()
            pending, waiting = [joined.slice(rows)], waiting - rows
    if waiting:
        yield pa.concat_tables(pending).combine_chunks()
