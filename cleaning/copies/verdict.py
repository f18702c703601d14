"""Which candidates are copies of which, and which pictures are placeholders.

Equal bytes first, then equal fingerprints, then the nearest leader within the radius on either
fingerprint; colours agree, and beyond the title-free radius titles too. The representative is the
record that is published already, then a mapped one before one held for review, then the larger
picture (inside its border, then the one with less border), the cleaner title, the one that an
earlier run saw first, the smaller record_id.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.copies.candidates import Candidates
from cleaning.copies.groups import connected_groups
from cleaning.copies.neighbours import NO_FINGERPRINT, assign_leaders
from cleaning.copies.placeholders import PlaceholderThresholds, shared_by
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.titles.sketch import SKETCH_BYTES

UNIQUE, SAME_BYTES, SAME_FINGERPRINT, NEAR_FINGERPRINT, PLACEHOLDER, BRIDGES, HELD = range(7)
COPIES = (SAME_BYTES, SAME_FINGERPRINT, NEAR_FINGERPRINT)


@dataclass(frozen=True)
class Verdicts:
    """What is said of each candidate, row by row.

    `code` is UNIQUE to HELD; HELD is also said of published records that leave. `flag` is what
    `code` would be of an imported record that stays all the same, else UNIQUE. `peer` is the row
    of a copy's representative, else its own. `distance` to it in bits, `via` between which pictures
    (as in `Leaders`; 255: by bytes alone), `agreement` of titles (of 32; 255: another file of the
    same bytes was compared) and `colour_difference` (of 255) are those of copies. `shared` counts
    the records that show a placeholder. `group` is the smallest row of its leak group, of unique
    ones.
    """

    code: NDArray[np.uint8]
    flag: NDArray[np.uint8]
    peer: NDArray[np.int32]
    distance: NDArray[np.uint8]
    via: NDArray[np.uint8]
    agreement: NDArray[np.uint8]
    colour_difference: NDArray[np.uint8]
    shared: NDArray[np.int32]
    group: NDArray[np.int64]


@dataclass(frozen=True)
class PublishedGroups:
    """For each published row, the smallest row of its leak group, and its split as a number."""

    group: NDArray[np.int64]
    split: NDArray[np.int8]


def judge_copies(
    candidates: Candidates,
    thresholds: NeighbourThresholds,
    placeholders: PlaceholderThresholds,
    published: PublishedGroups,
    leak_radius: int,
    in_reach: NDArray[np.bool_] | None = None,
) -> Verdicts:
    """The verdict on every candidate; most columns of `candidates` are used up.

    Near pairs within `leak_radius` bits have to share a split. `in_reach` bool[N] tells all rows
    that have another within that radius, where the join was made before.

    A held record can be a copy, and can represent held copies of its own, so that one answer of a
    reviewer settles all of them; it follows every mapped record, so it never shadows one. An
    imported record is no copy of another imported one, nor a placeholder: it is flagged.
    """
    rows, old = len(candidates), candidates.published
    code, flag = np.full(rows, UNIQUE, np.uint8), np.full(rows, UNIQUE, np.uint8)
    shared = shared_by(candidates, placeholders, thresholds)
    imported = candidates.give("imported")
    code[(shared > 0) & ~imported] = PLACEHOLDER
    flag[(shared > 0) & imported] = PLACEHOLDER
    code[:old][~candidates.mapped[:old]] = HELD
    itself = np.arange(rows, dtype=np.int32)
    peer = itself.copy()
    distance = np.zeros(rows, np.uint8)
    via = np.full(rows, NO_FINGERPRINT, np.uint8)
    agreement = np.full(rows, SKETCH_BYTES, np.uint8)
    difference = np.zeros(rows, np.uint8)

    order = ranked(candidates, np.flatnonzero(code == UNIQUE).astype(np.int32))
    for name in ("content", "border", "pixels", "removed", "first_run", "site"):
        candidates.give(name)
    first = _first_of_bytes(candidates.give("sha"), order)
    heads = order[first[order] == order]
    del order
    prints = candidates.hand_over(heads)
    led = np.arange(len(heads))
    for may_lead in _leading(imported[heads], heads < old):
        near = None if in_reach is None else in_reach[heads]
        leaders = assign_leaders(prints, heads < old, thresholds, may_lead, near)
        rows_led = led if may_lead is None else np.flatnonzero(leaders.leader != led)
        to = heads[rows_led]
        peer[to] = heads[leaders.leader[rows_led]]
        distance[to], via[to] = leaders.distance[rows_led], leaders.via[rows_led]
        agreement[to] = leaders.agreement[rows_led]
        difference[to] = leaders.colour_difference[rows_led]
        del leaders
    del prints
    # A record with the bytes of a head has its fingerprints too, and so its leader.
    others = np.flatnonzero(first != itself)
    their = first[others]
    peer[others], distance[others], via[others] = peer[their], distance[their], via[their]
    agreement[others], difference[others] = NO_FINGERPRINT, difference[their]
    members = np.flatnonzero(peer != itself)
    near = np.where(distance[members] == 0, SAME_FINGERPRINT, NEAR_FINGERPRINT)
    code[members] = np.where(first[members] == peer[members], SAME_BYTES, near)
    among = members[imported[members] & imported[peer[members]]]
    flag[among] = np.where(flag[among] == UNIQUE, code[among], flag[among])
    code[among] = UNIQUE
    # A release never loses a record to a copy: what is published leads in any case.
    code[:old][candidates.mapped[:old]] = UNIQUE
    code[(code == UNIQUE) & ~candidates.mapped] = HELD
    group = _leak_groups(candidates, code, leak_radius, published, in_reach)
    return Verdicts(code, flag, peer, distance, via, agreement, difference, shared, group)


def _leading(
    imported: NDArray[np.bool_], published: NDArray[np.bool_]
) -> list[NDArray[np.bool_] | None]:
    """Who may lead, pass by pass; a later pass overrules those before it where it finds a leader.

    Imported records lead one another to a flag alone: none of them may hide a published crawled
    record that is less near.
    """
    if imported.any() and (published & ~imported).any():
        return [None, ~imported]
    return [None]


def ranked(candidates: Candidates, rows: NDArray[np.int32]) -> NDArray[np.int32]:
    """Rows by their claim to represent others, the strongest first."""
    keys = (
        rows,
        candidates.first_run[rows],
        candidates.removed[rows],
        -candidates.pixels[rows],
        candidates.border[rows],
        -candidates.content[rows],
        ~candidates.mapped[rows],
        rows >= candidates.published,
    )
    return rows[np.lexsort(keys)]


def _first_of_bytes(sha: NDArray[np.uint64], order: NDArray[np.int32]) -> NDArray[np.int32]:
    """For each row of `order` the first row in it with the same bytes; itself for all others."""
    first = np.arange(len(sha), dtype=np.int32)
    place = np.empty(len(sha), np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    by_bytes = order[np.lexsort((place[order], sha[order, 1], sha[order, 0]))]
    if len(by_bytes):
        starts = np.ones(len(by_bytes), np.bool_)
        starts[1:] = (sha[by_bytes[1:]] != sha[by_bytes[:-1]]).any(axis=1)
        first[by_bytes] = by_bytes[np.flatnonzero(starts)][np.cumsum(starts) - 1]
    return first


def _leak_groups(
    candidates: Candidates,
    code: NDArray[np.uint8],
    radius: int,
    published: PublishedGroups,
    in_reach: NDArray[np.bool_] | None,
) -> NDArray[np.int64]:
    """The smallest row of each survivor's near-duplicate component, colour ignored.

    Published rows come first, so a component with one is named by it. A newcomer that would join
    two splits is refused: its code becomes BRIDGES.
    """
    old = candidates.published
    # What leaves keeps its place in its group: the others of that group are still published.
    rows = np.concatenate([np.arange(old), old + np.flatnonzero(code[old:] == UNIQUE)])
    component = connected_groups(
        candidates.phash[rows],
        candidates.phash_trim[rows],
        radius,
        known=published.group,
        in_reach=None if in_reach is None else in_reach[rows],
    )
    group = np.arange(len(candidates), dtype=np.int64)
    group[rows] = rows[component]
    pairs = np.unique(np.column_stack([group[:old], published.split]), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    bridged = names[counts > 1]
    newcomers = rows[old:]
    code[newcomers[np.isin(group[newcomers], bridged)]] = BRIDGES
    return group
