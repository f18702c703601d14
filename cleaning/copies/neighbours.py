"""Assign every near-duplicate to a leader: deterministic, exact, without comparing all pairs.

In come fingerprints in order of priority; out goes, for each row, the leader that it duplicates,
or itself. A row joins the nearest leader before it within the radius, else it becomes one, so every
member lies within the radius of its leader and nothing chains (union-find over near pairs put 68
listings with 48 labels into one cluster). Whole and trimmed pictures are compared with one another
too: of two nested borders the one file may lose both and the other the outer one alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.copies.leader_index import empty_index
from cleaning.copies.leader_pass import Limits, assign
from cleaning.copies.reach import rows_in_reach, usable_hashes
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.hashes import COLOUR_BYTES
from cleaning.titles.sketch import SKETCH_BYTES

NO_FINGERPRINT = 255
MAX_ROWS = 1 << 30


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
    differing bits, ``via`` says between which pictures (0 both whole, 1 both trimmed, 2 its whole
    one and the leader's trimmed one, 3 the other way round), ``agreement`` the equal components of
    the title sketches, ``colour_difference`` the largest of the 48 differences. For leaders these
    are 0, 255, 32 and 0.
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
    may_lead: NDArray[np.bool_] | None = None,
    in_reach: NDArray[np.bool_] | None = None,
) -> Leaders:
    """Greedy leaders over ``prints``; ``fixed_leader`` rows (already published) lead in any case.

    Of several leaders within reach the nearest is taken, then the first row. Equal, row for row,
    to comparing each row with all leaders before it. A join first finds the rows that have any
    neighbour, and only those are judged one after the other; fixed rows are never compared with one
    another, so a few new rows against millions cost little more than reading these. Memory beside
    the input: 12 bytes a row and 12 for each of its distinct fingerprints, then 48 for each
    fingerprint of a row with neighbours. Raises ``ValueError`` if a fixed row follows one that is
    not: what is published has to come first. Rows that may not lead (all may unless told) lead
    themselves alone. ``in_reach`` bool[N] spares the join: all rows that have a neighbour, and
    perhaps others.
    """
    thresholds = thresholds or NeighbourThresholds()
    fixed = np.ascontiguousarray(fixed_leader, dtype=np.bool_)
    rows = len(prints.phash)
    if fixed.shape != (rows,):
        raise ValueError(f"fixed_leader has shape {fixed.shape}, expected ({rows},)")
    if rows and not np.array_equal(fixed, np.sort(fixed)[::-1]):
        raise ValueError("fixed leaders must come before all other rows")
    limits = _limits(thresholds)
    hashes = (np.ascontiguousarray(prints.phash), np.ascontiguousarray(prints.phash_trim))
    usable = usable_hashes(hashes)
    colours = (np.ascontiguousarray(prints.colour), np.ascontiguousarray(prints.colour_trim))
    if in_reach is None:
        in_reach = rows_in_reach(hashes, usable, int(fixed.sum()), limits[0])
    near = np.flatnonzero(in_reach)
    index = empty_index(near, hashes, usable, colours, limits[3:])
    leaders = Leaders(
        leader=np.arange(rows, dtype=np.int64),
        distance=np.zeros(rows, dtype=np.uint8),
        via=np.full(rows, NO_FINGERPRINT, dtype=np.uint8),
        agreement=np.full(rows, SKETCH_BYTES, dtype=np.uint8),
        colour_difference=np.zeros(rows, dtype=np.uint8),
    )
    assign(
        index,
        near,
        hashes,
        colours,
        np.ascontiguousarray(prints.sketch),
        usable,
        fixed,
        np.ones(rows, np.bool_) if may_lead is None else may_lead,
        limits,
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
