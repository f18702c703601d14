"""Rows one after the other: each joins the nearest leader before it that agrees, or leads itself.

In come the rows that have neighbours, in order of priority, and an index with room for them; the
arrays of the result are filled in place. What is compared, and why, is said in `neighbours`.
"""

import numpy as np
from numpy.typing import NDArray

from cleaning.compiling import compiled
from cleaning.copies.hamming_index import (
    BAND_BITS,
    BANDS,
    BUCKETS,
    HASHES_PER_LINE,
    bucket_of,
    hamming,
    load_ahead,
    probe,
    probe_count,
)
from cleaning.copies.leader_index import NEIGHBOUR_CELLS, LeaderIndex, Pair, append, cell_of
from cleaning.copies.reach import Hashes, tag_of
from cleaning.hashes import COLOUR_BYTES
from cleaning.titles.sketch import SKETCH_BYTES

FARTHEST_LOADED = 16 * HASHES_PER_LINE  # of a bucket's hashes, ahead of their use

LOW_BITS = np.uint64(BUCKETS - 1)

Limits = tuple[int, int, int, int, int]
"""Radius, title-free radius, least title agreement, lightness and chroma differences."""
Candidate = tuple[np.int64, np.int64, int]
"""Distance, row of the leader, and `via`, which of their hashes: the smaller the better."""
VIAS = 4


@compiled
def _difference(a: np.uint8, b: np.uint8) -> np.int64:
    return abs(np.int64(a) - np.int64(b))


@compiled
def _colours_agree(a: NDArray[np.uint8], b: NDArray[np.uint8], lightness: int, chroma: int) -> bool:
    for k in range(COLOUR_BYTES):
        if _difference(a[k], b[k]) > (lightness if k % 3 == 0 else chroma):
            return False
    return True


@compiled
def _agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    equal = 0
    for k in range(SKETCH_BYTES):
        equal += a[k] == b[k]
    return equal


@compiled
def _largest_difference(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> np.int64:
    largest = np.int64(0)
    for k in range(COLOUR_BYTES):
        largest = max(largest, _difference(a[k], b[k]))
    return largest


@compiled
def own_picture(via: int) -> int:
    """Which picture of the row was compared: 0 the whole, 1 the trimmed one."""
    return via & 1


@compiled
def their_picture(via: int) -> int:
    """Which picture of the leader it was compared with: the other one from 2 on."""
    return via & 1 ^ via >> 1


@compiled
def _better(
    best: Candidate,
    distance: np.int64,
    tag: np.uint32,
    kinds: np.int64,
    row: int,
    colours: Pair,
    sketch: NDArray[np.uint8],
    limits: Limits,
) -> Candidate:
    """``best``, or the leader of ``tag`` if it is nearer and agrees in colour and title."""
    _, title_free, min_agreement, lightness, chroma = limits
    other = np.int64(tag >> np.uint32(2))
    for via in range(VIAS):
        candidate = (distance, other, via)
        own, their = own_picture(via), their_picture(via)
        if not (kinds >> own & np.int64(tag) >> their & 1) or candidate >= best:
            continue
        if _colours_agree(colours[own][row], colours[their][other], lightness, chroma) and (
            distance <= title_free or _agreement(sketch[row], sketch[other]) >= min_agreement
        ):
            return candidate
    return best


@compiled
def _load_ahead(index: LeaderIndex, hashes: Hashes, row: int, radius: int) -> None:
    """Start loading the buckets that ``row`` will look into, while the row before it is done.

    Waiting for memory is most of the time.
    """
    for kind in range(1 if hashes[0][row] == hashes[1][row] else 2):
        for band in range(BANDS):
            own = bucket_of(hashes[kind][row], band)
            for number in range(probe_count(band, radius)):
                bounds = index.bounds[probe(own, number)]
                start = bounds[0]
                for position in range(
                    start, min(bounds[1], start + FARTHEST_LOADED) if start >= 0 else start,
                    HASHES_PER_LINE,
                ):  # fmt: skip
                    load_ahead(index.hashes, position)


@compiled
def _seen(difference: np.uint64, band: int, radius: int) -> bool:
    """Whether a hash that differs in these bits was in a bucket of an earlier band."""
    for earlier in range(band):
        probes = probe_count(earlier, radius)
        differing = hamming(difference >> np.uint64(BAND_BITS * earlier) & LOW_BITS, np.uint64(0))
        if differing <= (1 if probes > 1 else probes - 1):
            return True
    return False


@compiled
def _search(
    index: LeaderIndex,
    bucket: np.int64,
    band: int,
    best: Candidate,
    value: np.uint64,
    kinds: np.int64,
    row: int,
    colours: Pair,
    sketch: NDArray[np.uint8],
    limits: Limits,
) -> Candidate:
    """``best``, or a better leader in a bucket."""
    bounds, stored, tags, _ = index
    for position in range(bounds[bucket, 0], bounds[bucket, 1]):
        distance = hamming(value, stored[position])
        if (
            distance <= limits[0]
            and distance <= best[0]
            and not _seen(value ^ stored[position], band, limits[0])
        ):
            tag = tags[position]
            best = _better(best, distance, tag, kinds, row, colours, sketch, limits)
            if best[0] == 0 and tag >> np.uint32(2) >= best[1]:
                break  # entries are in row order: nothing behind can be better
    return best


@compiled
def _search_cells(
    index: LeaderIndex,
    first: int,
    band: int,
    best: Candidate,
    value: np.uint64,
    kinds: np.int64,
    row: int,
    colours: Pair,
    sketch: NDArray[np.uint8],
    limits: Limits,
) -> Candidate:
    """``best``, or a better leader in the cells of like colour of a crowded bucket."""
    for picture in range(2):
        kind = kinds & np.int64(1 << picture)
        for number in range(NEIGHBOUR_CELLS if kind else 0):
            bucket = first + cell_of(colours[picture][row], index.widths, number)
            best = _search(index, bucket, band, best, value, kind, row, colours, sketch, limits)
    return best


@compiled
def _nearest(
    index: LeaderIndex,
    hashes: Hashes,
    usable: NDArray[np.uint8],
    row: int,
    colours: Pair,
    sketch: NDArray[np.uint8],
    limits: Limits,
) -> Candidate:
    """The best leader of ``row`` in the index, or one at a distance of 65 if there is none."""
    best = (np.int64(65), np.int64(0), 2)
    radius = limits[0]
    for band in range(BANDS):
        for number in range(probe_count(band, radius)):
            if best[0] == 0 and band + number > 0:
                break  # equal hashes share all buckets: the first one held them all
            for kind in range(2):
                value, kinds = hashes[kind][row], np.int64(tag_of(hashes, usable, row, kind))
                if not kinds:
                    continue
                bucket = probe(bucket_of(value, band), number)
                first = ~index.bounds[bucket, 0]
                if first < 0:
                    best = _search(
                        index, bucket, band, best, value, kinds, row, colours, sketch, limits
                    )
                else:
                    best = _search_cells(
                        index, first, band, best, value, kinds, row, colours, sketch, limits
                    )
    return best


@compiled
def assign(
    index: LeaderIndex,
    near: NDArray[np.int64],
    hashes: Hashes,
    colours: Pair,
    sketch: NDArray[np.uint8],
    usable: NDArray[np.uint8],
    fixed: NDArray[np.bool_],
    leads: NDArray[np.bool_],
    limits: Limits,
    found: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]],
    details: Pair,
) -> None:
    """Rows ``near`` in order: the best leader in reach, or a new one where it may lead.

    See ``assign_leaders``.
    """
    leader, leader_distance, via = found
    for place in range(len(near)):
        row = near[place]
        if place + 1 < len(near) and not fixed[near[place + 1]]:
            _load_ahead(index, hashes, near[place + 1], limits[0])
        if not fixed[row]:
            best = _nearest(index, hashes, usable, row, colours, sketch, limits)
            if best[0] <= limits[0]:
                leader_distance[row], leader[row], via[row] = best
                own, theirs = colours[own_picture(best[2])], colours[their_picture(best[2])]
                details[0][row] = _agreement(sketch[row], sketch[best[1]])
                details[1][row] = _largest_difference(own[row], theirs[best[1]])
                continue
        for kind in range(2 if leads[row] else 0):
            tag = tag_of(hashes, usable, row, kind)
            if tag:
                append(index, row, hashes[kind][row], tag, colours)
