"""Assign every near-duplicate to a leader: deterministic, exact, without comparing all pairs.

In come fingerprints in order of priority; out goes, for each row, the leader that it duplicates,
or itself. A row joins the nearest leader before it within the radius, else it becomes one, so every
member lies within the radius of its leader and nothing chains (union-find over near pairs put 68
listings with 48 labels into one cluster).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.fingerprints import COLOUR_BYTES, is_degenerate
from cleaning.hamming_index import (
    BANDS,
    HASHES_PER_LINE,
    MAX_RADIUS,
    BandIndex,
    append,
    bucket_of,
    compiled,
    count_buckets,
    empty_index,
    hamming,
    load_ahead,
    probe,
    probe_count,
)
from cleaning.sketch import SKETCH_BYTES

NO_FINGERPRINT = 255
MAX_ROWS = 1 << 30

Pair = tuple[NDArray[np.uint8], NDArray[np.uint8]]
"""Of the whole and of the trimmed picture."""
Limits = tuple[int, int, int, int, int]
"""Radius, title-free radius, least title agreement, lightness and chroma differences."""
Candidate = tuple[np.int64, np.int64, int]
"""Distance, row of the leader, fingerprint: the smaller the better."""


@dataclass(frozen=True)
class NeighbourThresholds:
    """When two records show the same picture.

    ``radius``: bits of the 64 that may differ, at most 7. Re-encoded and 75-pixel copies lie within
    2 bits, padded and squared ones within 6 after trimming; at 10, 30 % of what is removed is a
    different product, at 6 with agreeing titles 5.9 %. ``title_free_radius``: up to this many bits
    the titles need not agree (6.2 % wrong at 4, against a floor of 3.7 %).
    ``min_title_agreement``: equal components of the sketches' 32 beyond it; 3 are reached by 95 %
    of title pairs that share a fifth of their 3-grams and by 2 % of all pairs of one sub-class.
    ``max_lightness_difference`` and ``max_chroma_difference`` (of 255, in any cell): 99 % of
    thumbnails and re-encodings stay within 8 and 3; of photos whose hue is turned by 84 degrees
    96 %, all that have a hue to turn, differ by more than 6 in chroma. ``keep_variants`` off
    ignores colour.
    """

    radius: int = 6
    title_free_radius: int = 4
    min_title_agreement: int = 3
    max_lightness_difference: int = 20
    max_chroma_difference: int = 6
    keep_variants: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.radius <= MAX_RADIUS:
            raise ValueError(f"radius is {self.radius}, expected 0 to {MAX_RADIUS}")


@dataclass(frozen=True)
class Fingerprints:
    """Fingerprints of N records, best representative first.

    ``phash``, ``phash_trim`` uint64[N]; ``colour``, ``colour_trim`` uint8[N, 48]; ``sketch``
    uint8[N, 32]. Rows of degenerate hashes are never matched: they say nothing about the picture.
    """

    phash: NDArray[np.uint64]
    phash_trim: NDArray[np.uint64]
    colour: NDArray[np.uint8]
    colour_trim: NDArray[np.uint8]
    sketch: NDArray[np.uint8]

    def __post_init__(self) -> None:
        rows = len(self.phash)
        for name, dtype, shape in (
            ("phash", np.uint64, (rows,)),
            ("phash_trim", np.uint64, (rows,)),
            ("colour", np.uint8, (rows, COLOUR_BYTES)),
            ("colour_trim", np.uint8, (rows, COLOUR_BYTES)),
            ("sketch", np.uint8, (rows, SKETCH_BYTES)),
        ):
            value = getattr(self, name)
            if value.dtype != dtype or value.shape != shape:
                raise ValueError(
                    f"{name} is {value.dtype}{value.shape}, expected {np.dtype(dtype)}{shape}"
                )
        if rows >= MAX_ROWS:
            raise ValueError(f"{rows} rows, expected fewer than {MAX_ROWS}")


@dataclass(frozen=True)
class Leaders:
    """Who leads whom, row by row.

    ``leader`` int64[N]: the leader's row, a leader's own. For members, ``distance`` uint8[N] counts
    differing bits, ``via`` names the fingerprint (0 whole, 1 trimmed), ``agreement`` the equal
    components of the title sketches, ``colour_difference`` the largest of the 48 differences. For
    leaders these are 0, 255, 32 and 0.
    """

    leader: NDArray[np.int64]
    distance: NDArray[np.uint8]
    via: NDArray[np.uint8]
    agreement: NDArray[np.uint8]
    colour_difference: NDArray[np.uint8]


def assign_leaders(
    prints: Fingerprints,
    fixed_leader: NDArray[np.bool_],
    thresholds: NeighbourThresholds | None = None,
) -> Leaders:
    """Greedy leaders over ``prints``; ``fixed_leader`` rows (already published) lead in any case.

    Of several leaders within reach the nearest is taken, then the first row. Equal, row for row,
    to comparing each row with all leaders before it. Memory beside the input: 12 bytes a row, 48
    for each distinct fingerprint of a leader. Raises ``ValueError`` if a fixed row follows one that
    is not: what is published has to come first.
    """
    thresholds = thresholds or NeighbourThresholds()
    fixed = np.ascontiguousarray(fixed_leader, dtype=np.bool_)
    rows = len(prints.phash)
    if fixed.shape != (rows,):
        raise ValueError(f"fixed_leader has shape {fixed.shape}, expected ({rows},)")
    if rows and not np.array_equal(fixed, np.sort(fixed)[::-1]):
        raise ValueError("fixed leaders must come before all other rows")
    usable = _usable(prints.phash, prints.phash_trim)
    index = empty_index(
        count_buckets(prints.phash[(usable & 1) != 0])
        + count_buckets(prints.phash_trim[usable == 2])
        + count_buckets(prints.phash_trim[(usable == 3) & (prints.phash != prints.phash_trim)])
    )
    leaders = Leaders(
        leader=np.arange(rows, dtype=np.int64),
        distance=np.zeros(rows, dtype=np.uint8),
        via=np.full(rows, NO_FINGERPRINT, dtype=np.uint8),
        agreement=np.full(rows, SKETCH_BYTES, dtype=np.uint8),
        colour_difference=np.zeros(rows, dtype=np.uint8),
    )
    _assign(
        index,
        (np.ascontiguousarray(prints.phash), np.ascontiguousarray(prints.phash_trim)),
        (np.ascontiguousarray(prints.colour), np.ascontiguousarray(prints.colour_trim)),
        np.ascontiguousarray(prints.sketch),
        usable,
        fixed,
        _limits(thresholds),
        (leaders.leader, leaders.distance, leaders.via),
        (leaders.agreement, leaders.colour_difference),
    )
    return leaders


def _limits(thresholds: NeighbourThresholds) -> Limits:
    colour_matters = thresholds.keep_variants
    return (
        # Hashes with 32 one-bits differ in an even number of bits.
        thresholds.radius & ~1,
        thresholds.title_free_radius,
        thresholds.min_title_agreement,
        thresholds.max_lightness_difference if colour_matters else 255,
        thresholds.max_chroma_difference if colour_matters else 255,
    )


def _usable(phash: NDArray[np.uint64], phash_trim: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Which fingerprints of each row may be compared: bit 0 the whole, bit 1 the trimmed one."""
    whole = ~is_degenerate(phash)
    trimmed = ~is_degenerate(phash_trim)
    return whole.astype(np.uint8) | trimmed.astype(np.uint8) << np.uint8(1)


# ----------------------------------------------------------------------------- compiled


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
def _better(
    best: Candidate,
    distance: np.int64,
    tag: np.uint32,
    shared: np.int64,
    row: int,
    colours: Pair,
    sketch: NDArray[np.uint8],
    limits: Limits,
) -> Candidate:
    """``best``, or the leader of ``tag`` if it is nearer and agrees in colour and title."""
    _, title_free, min_agreement, lightness, chroma = limits
    other = np.int64(tag >> np.uint32(2))
    for fingerprint in range(2):
        candidate = (distance, other, fingerprint)
        if not (shared & np.int64(tag)) >> fingerprint & 1 or candidate >= best:
            continue
        colour = colours[fingerprint]
        if _colours_agree(colour[row], colour[other], lightness, chroma) and (
            distance <= title_free or _agreement(sketch[row], sketch[other]) >= min_agreement
        ):
            return candidate
    return best


@compiled
def _load_ahead(
    index: BandIndex,
    hashes: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    row: int,
    radius: int,
) -> None:
    """Start loading the buckets that ``row`` will look into, while the row before it is done.

    Waiting for memory is most of the time: of 3,000,000 rows this takes 44 s down to 24.
    """
    for kind in range(1 if hashes[0][row] == hashes[1][row] else 2):
        for band in range(BANDS):
            own = bucket_of(hashes[kind][row], band)
            for number in range(probe_count(band, radius)):
                bounds = index.bounds[probe(own, number)]
                for position in range(bounds[0], bounds[1], HASHES_PER_LINE):
                    load_ahead(index.hashes, position)


@compiled
def _assign(
    index: BandIndex,
    hashes: tuple[NDArray[np.uint64], NDArray[np.uint64]],
    colours: Pair,
    sketch: NDArray[np.uint8],
    usable: NDArray[np.uint8],
    fixed: NDArray[np.bool_],
    limits: Limits,
    found: tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.uint8]],
    details: Pair,
) -> None:
    """Rows in order: the best leader in reach, or a new one. See ``assign_leaders``."""
    radius = limits[0]
    bounds, stored, tags = index
    leader, leader_distance, via = found
    nobody = (np.int64(65), np.int64(MAX_ROWS), 2)
    for row in range(len(usable)):
        best = nobody
        if row + 1 < len(usable):
            _load_ahead(index, hashes, row + 1, radius)
        # Rows without a border carry one hash twice: it is looked up and stored once.
        same = hashes[0][row] == hashes[1][row]
        kinds = 1 if same else 2
        for band in range(BANDS):
            for number in range(0 if fixed[row] else probe_count(band, radius)):
                if best[0] == 0 and band + number > 0:
                    break  # equal hashes share all buckets: the first one held them all
                for kind in range(kinds):
                    value = hashes[kind][row]
                    shared = np.int64(usable[row] if same else usable[row] & (1 << kind))
                    bucket = probe(bucket_of(value, band), number)
                    for position in range(bounds[bucket, 0], bounds[bucket, 1] if shared else 0):
                        distance = hamming(value, stored[position])
                        if distance <= radius and distance <= best[0]:
                            best = _better(
                                best, distance, tags[position], shared, row, colours, sketch, limits
                            )
                            if best[0] == 0 and tags[position] >> np.uint32(2) >= best[1]:
                                break  # entries are in row order: nothing behind can be better
        if best[0] <= radius:
            leader_distance[row], leader[row], via[row] = best
            theirs = colours[best[2]][best[1]]
            details[0][row] = _agreement(sketch[row], sketch[best[1]])
            details[1][row] = _largest_difference(colours[best[2]][row], theirs)
            continue
        for kind in range(kinds):
            shared = np.int64(usable[row] if same else usable[row] & (1 << kind))
            if shared:
                append(index, hashes[kind][row], np.uint32(row << 2 | shared))
