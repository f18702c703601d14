"""An index of leaders by the bands of their hashes, and by colour where a bucket is crowded.

In come the rows that may lead, to make room, then leaders one after the other; callers search the
buckets of a band. One template in 50,000 colours has 50,000 leaders with one hash: their buckets
are divided by the colour in the middle of the picture, and only cells of like colour are searched.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleaning.compiling import compiled
from cleaning.copies.hamming_index import BANDS, BUCKETS, bucket_of
from cleaning.copies.reach import Hashes, tag_of

CROWDED = 4096
"""Hashes from which on a bucket is divided; of 10,000,000 random ones a bucket holds 150."""
LIGHTNESS_CELLS, CHROMA_CELLS = 8, 16  # a torus: beyond its ends it begins again
CELLS = LIGHTNESS_CELLS * CHROMA_CELLS * CHROMA_CELLS
NEIGHBOUR_CELLS = 27
MIDDLE = (5, 6, 9, 10)  # of the 4 x 4 cells of a colour signature

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Of the whole and of the trimmed picture."""


class LeaderIndex(NamedTuple):
    """Buckets of all bands, one after the other, then the cells of those that are crowded.

    A bucket's entries lie from ``bounds[bucket, 0]`` up to ``bounds[bucket, 1]``, int64[B, 2]
    (side by side: a probe costs one cache miss, not two); ``hashes`` uint64 and ``tags`` uint32,
    row and kinds of picture. For a crowded bucket ``bounds[bucket, 0]`` is ``~first`` and its
    entries lie in the buckets from ``first`` on. ``widths`` int64[2]: of cells of lightness and
    chroma.
    """

    bounds: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    tags: NDArray[np.uint32]
    widths: NDArray[np.int64]


def empty_index(
    rows: NDArray[np.int64],
    hashes: Hashes,
    usable: NDArray[np.uint8],
    colours: Pair,
    limits: tuple[int, int],
) -> LeaderIndex:
    """An index with room for ``rows``.

    ``limits`` are the differences of lightness and chroma within which colours agree; if these let
    any colour agree, no bucket is divided.
    """
    counts = np.zeros(BANDS * BUCKETS, dtype=np.int64)
    _count(rows, hashes, usable, counts)
    # Sums over the cells of MIDDLE differ by less than a width, so by one cell at most.
    widths = np.array([len(MIDDLE) * limit + 1 for limit in limits], dtype=np.int64)
    crowded = np.flatnonzero(counts >= (CROWDED if min(limits) < 255 else np.inf))
    firsts = BANDS * BUCKETS + CELLS * np.arange(len(crowded), dtype=np.int64)
    counts[crowded] = 0
    divided = np.full(BANDS * BUCKETS, -1, dtype=np.int64)
    divided[crowded] = firsts
    counts = np.concatenate((counts, np.zeros(CELLS * len(crowded), dtype=np.int64)))
    if len(crowded):
        _count_cells(rows, hashes, usable, colours, divided, widths, counts)
    ends = np.cumsum(counts)
    bounds = np.repeat((ends - counts)[:, None], 2, axis=1)
    bounds[crowded] = ~firsts[:, None]
    # Not zeroed: room that is never used is never touched, and costs no memory.
    return LeaderIndex(
        bounds,
        np.empty(int(ends[-1]), dtype=np.uint64),
        np.empty(int(ends[-1]), dtype=np.uint32),
        widths,
    )


# ----------------------------------------------------------------------------- compiled


@compiled
def _count(
    rows: NDArray[np.int64], hashes: Hashes, usable: NDArray[np.uint8], counts: NDArray[np.int64]
) -> None:
    for row in rows:
        for kind in range(2):
            if tag_of(hashes, usable, row, kind):
                for band in range(BANDS):
                    counts[bucket_of(hashes[kind][row], band)] += 1


@compiled
def _count_cells(
    rows: NDArray[np.int64],
    hashes: Hashes,
    usable: NDArray[np.uint8],
    colours: Pair,
    divided: NDArray[np.int64],
    widths: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    for row in rows:
        for kind in range(2):
            tag = tag_of(hashes, usable, row, kind)
            for band in range(BANDS if tag else 0):
                first = divided[bucket_of(hashes[kind][row], band)]
                if first < 0:
                    continue
                for picture in range(2):
                    if tag >> picture & 1:
                        counts[first + cell_of(colours[picture][row], widths, 0)] += 1


@compiled
def cell_of(colour: NDArray[np.uint8], widths: NDArray[np.int64], number: int) -> np.int64:
    """The cell of a colour signature for number 0, then the 26 that may hold colours like it."""
    lightness, red, blue = np.int64(0), np.int64(0), np.int64(0)
    for cell in MIDDLE:
        lightness += colour[3 * cell]
        red += colour[3 * cell + 1]
        blue += colour[3 * cell + 2]
    step = (number + NEIGHBOUR_CELLS // 2) % NEIGHBOUR_CELLS  # 13 stands for no step at all
    lightness = (lightness // widths[0] + step % 3 - 1) % LIGHTNESS_CELLS
    red = (red // widths[1] + step // 3 % 3 - 1) % CHROMA_CELLS
    blue = (blue // widths[1] + step // 9 - 1) % CHROMA_CELLS
    return np.int64((lightness * CHROMA_CELLS + red) * CHROMA_CELLS + blue)


@compiled
def _append(
    index: LeaderIndex, bucket: np.int64, value: np.uint64, tag: np.int64, row: int
) -> None:
    position = index.bounds[bucket, 1]
    index.hashes[position] = value
    index.tags[position] = np.uint32(row << 2 | tag)
    index.bounds[bucket, 1] += 1


@compiled
def append(index: LeaderIndex, row: int, value: np.uint64, tag: np.int64, colours: Pair) -> None:
    """Put a hash of a row into its bucket of every band, behind those already there."""
    for band in range(BANDS):
        bucket = bucket_of(value, band)
        first = ~index.bounds[bucket, 0]
        if first < 0:
            _append(index, bucket, value, tag, row)
            continue
        for picture in range(2):
            if tag >> picture & 1:
                cell = first + cell_of(colours[picture][row], index.widths, 0)
                _append(index, cell, value, np.int64(1 << picture), row)
