"""Which rows have any other row within the radius: usually few, and the others lead themselves.

In come both hashes of every row; out goes a flag for each. Band by band the hashes are sorted into
buckets (multi-index hashing, Norouzi, Punjani and Fleet 2012) and each bucket is compared with
itself and those one bit away, in contiguous memory, where a probe for each row would wait for it.
Rows that are known to have a neighbour are not compared with one another again, so a clump of rows
costs time in proportion to its size.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleaning.compiling import compiled
from cleaning.copies.hamming_index import (
    BAND_BITS,
    BANDS,
    BUCKETS,
    count_ones,
    probe,
    probe_count,
)
from cleaning.hashes import is_degenerate

BLOCK = 512  # hashes compared before the result is looked at

Hashes = tuple[NDArray[np.uint64], NDArray[np.uint64]]
"""Of the whole pictures and of the trimmed ones."""


class Side(NamedTuple):
    """Hashes sorted by one band: within a bucket those without a neighbour so far come first.

    ``starts`` int64[65537] bounds the buckets; ``middles`` int64[65536] says where those begin that
    have a neighbour. ``tags`` uint32: the row and, in two bits, of which pictures the hash is.
    """

    hashes: NDArray[np.uint64]
    tags: NDArray[np.uint32]
    starts: NDArray[np.int64]
    middles: NDArray[np.int64]


def usable_hashes(hashes: Hashes) -> NDArray[np.uint8]:
    """Which fingerprints of each row may be compared: bit 0 the whole, bit 1 the trimmed one."""
    whole, trimmed = (~is_degenerate(values) for values in hashes)
    return whole.astype(np.uint8) | trimmed.astype(np.uint8) << np.uint8(1)


def rows_in_reach(
    hashes: Hashes,
    usable: NDArray[np.uint8],
    fixed: int,
    radius: int,
    bands: Sequence[int] = range(BANDS),
) -> NDArray[np.bool_]:
    """Which rows have another within ``radius`` (0 to 7) bits by any of their hashes, bool[N].

    ``usable`` uint8[N] says which hashes of a row count (bit 0 the whole, bit 1 the trimmed one).
    The first ``fixed`` rows are not compared with one another, only with the others. Of some
    ``bands`` alone those are told that these find: a row is in reach if it is by any band.
    """
    rows = len(usable)
    touched = np.zeros(rows, dtype=np.bool_)
    if fixed < rows:
        known = _side(int(_entries(hashes, usable, 0, fixed)))
        new = _side(int(_entries(hashes, usable, fixed, rows)))
        for band in bands:
            probes = int(probe_count(band, radius))
            if probes:
                _sort(known, hashes, usable, touched, 0, fixed, band)
                _sort(new, hashes, usable, touched, fixed, rows, band)
                _join(new, known, touched, probes, radius)
    return touched


def _side(entries: int) -> Side:
    return Side(
        np.empty(entries, dtype=np.uint64),
        np.empty(entries, dtype=np.uint32),
        np.zeros(BUCKETS + 1, dtype=np.int64),
        np.zeros(BUCKETS, dtype=np.int64),
    )


# ----------------------------------------------------------------------------- compiled


@compiled
def tag_of(hashes: Hashes, usable: NDArray[np.uint8], row: int, kind: int) -> np.int64:
    """Of which pictures the row's hash of that kind counts: 0 to 3.

    Rows without a border carry one hash twice: its kind 0 stands for both.
    """
    if hashes[0][row] == hashes[1][row]:
        return np.int64(usable[row]) if kind == 0 else np.int64(0)
    return np.int64(usable[row]) & np.int64(1 << kind)


@compiled
def _entries(hashes: Hashes, usable: NDArray[np.uint8], begin: int, end: int) -> np.int64:
    total = np.int64(0)
    for row in range(begin, end):
        for kind in range(2):
            total += np.int64(tag_of(hashes, usable, row, kind) > 0)
    return total


@compiled
def _key(value: np.uint64, band: int) -> np.int64:
    return np.int64((value >> np.uint64(BAND_BITS * band)) & np.uint64(BUCKETS - 1))


@compiled
def _sort(
    side: Side,
    hashes: Hashes,
    usable: NDArray[np.uint8],
    touched: NDArray[np.bool_],
    begin: int,
    end: int,
    band: int,
) -> None:
    """Put the hashes of some rows into their buckets of a band."""
    stored, tags, starts, middles = side
    starts[:] = 0
    for row in range(begin, end):
        for kind in range(2):
            if tag_of(hashes, usable, row, kind):
                starts[_key(hashes[kind][row], band) + 1] += 1
    for key in range(BUCKETS):
        starts[key + 1] += starts[key]
        middles[key] = starts[key]
    backs = starts[1:].copy()
    for row in range(begin, end):
        for kind in range(2):
            tag = tag_of(hashes, usable, row, kind)
            if not tag:
                continue
            value = hashes[kind][row]
            bucket = _key(value, band)
            if touched[row]:
                backs[bucket] -= 1
                position = np.int64(backs[bucket])
            else:
                position = np.int64(middles[bucket])
                middles[bucket] += 1
            stored[position] = value
            tags[position] = np.uint32(row << 2 | tag)


@compiled
def count_near(
    hashes: NDArray[np.uint64], begin: int, end: int, value: np.uint64, radius: int
) -> np.uint64:
    """How many hashes from ``begin`` up to ``end`` lie within the radius: no branch, so that
    several are compared by one instruction where the processor can."""
    near = np.uint64(0)
    limit = np.uint64(radius)
    for position in range(np.uint64(begin), np.uint64(end)):
        near += np.uint64(count_ones(hashes[position] ^ value) <= limit)
    return near


@compiled
def _matches(side: Side, position: int, value: np.uint64, tag: np.uint32, radius: int) -> bool:
    if count_ones(side.hashes[position] ^ value) > np.uint64(radius):
        return False
    return bool(side.tags[position] >> np.uint32(2) != tag >> np.uint32(2))  # not the row's other


@compiled
def _swap(side: Side, a: int, b: int) -> None:
    value, tag = side.hashes[a], side.tags[a]
    side.hashes[a], side.tags[a] = side.hashes[b], side.tags[b]
    side.hashes[b], side.tags[b] = value, tag


@compiled
def _touch(side: Side, position: int, touched: NDArray[np.bool_]) -> None:
    touched[side.tags[position] >> np.uint32(2)] = True


@compiled
def _take(
    side: Side,
    begin: int,
    middle: int,
    value: np.uint64,
    tag: np.uint32,
    radius: int,
    touched: NDArray[np.bool_],
) -> int:
    """Touch all that match from ``begin`` up to ``middle``, and put them behind a new middle."""
    block = begin
    while block < middle:
        end = min(block + BLOCK, middle)
        if count_near(side.hashes, block, end, value, radius):
            position = block
            while position < min(end, middle):
                if _matches(side, position, value, tag, radius):
                    _touch(side, position, touched)
                    middle -= 1
                    _swap(side, position, middle)
                else:
                    position += 1
        block = end
    return middle


@compiled
def _any(side: Side, begin: int, end: int, value: np.uint64, tag: np.uint32, radius: int) -> bool:
    for block in range(begin, end, BLOCK):
        last = min(block + BLOCK, end)
        if count_near(side.hashes, block, last, value, radius):
            for position in range(block, last):
                if _matches(side, position, value, tag, radius):
                    return True
    return False


@compiled
def _within(side: Side, bucket: int, touched: NDArray[np.bool_], radius: int) -> None:
    """Compare the hashes of one bucket."""
    end = side.starts[bucket + 1]
    middle = side.middles[bucket]
    place = side.starts[bucket]
    hashes, tags = side.hashes, side.tags
    small = end - place <= BLOCK
    while place < middle:
        value, tag = hashes[place], tags[place]
        if small and not count_near(hashes, place + 1, end, value, radius):
            place += 1
            continue
        left = _take(side, place + 1, middle, value, tag, radius, touched)
        if left < middle or _any(side, left, end, value, tag, radius):
            _touch(side, place, touched)
            left -= 1
            _swap(side, place, left)
        else:
            place += 1
        middle = left
    side.middles[bucket] = middle


@compiled
def _between(
    a: Side, one: int, b: Side, other: np.int64, touched: NDArray[np.bool_], radius: int
) -> None:
    """Compare bucket ``one`` of side ``a`` with bucket ``other`` of ``b``."""
    first, last = b.starts[other], b.starts[other + 1]
    known, end = a.middles[one], a.starts[one + 1]
    middle, theirs = known, b.middles[other]
    place = a.starts[one]
    hashes, tags, others = a.hashes, a.tags, b.hashes
    small = last - first <= BLOCK
    while place < middle:
        value, tag = hashes[place], tags[place]
        if small and not count_near(others, first, last, value, radius):
            place += 1
            continue
        left = _take(b, first, theirs, value, tag, radius, touched)
        if left < theirs or _any(b, left, last, value, tag, radius):
            _touch(a, place, touched)
            middle -= 1
            _swap(a, place, middle)
        else:
            place += 1
        theirs = left
    if known < end:  # those of `a` that had a neighbour before can still be one
        place = first
        small = end - known <= BLOCK
        while place < theirs:
            if small and not count_near(hashes, known, end, others[place], radius):
                place += 1
            elif _any(a, known, end, b.hashes[place], b.tags[place], radius):
                _touch(b, place, touched)
                theirs -= 1
                _swap(b, place, theirs)
            else:
                place += 1
    a.middles[one], b.middles[other] = middle, theirs


@compiled
def _join(new: Side, known: Side, touched: NDArray[np.bool_], probes: int, radius: int) -> None:
    for bucket in range(BUCKETS):
        if new.starts[bucket] == new.starts[bucket + 1]:
            continue
        _within(new, bucket, touched, radius)
        for number in range(probes):
            other = probe(np.int64(bucket), number)
            if bucket < other and new.starts[other] < new.starts[other + 1]:
                _between(new, bucket, new, other, touched, radius)
            if known.starts[other] < known.starts[other + 1]:
                _between(new, bucket, known, other, touched, radius)
