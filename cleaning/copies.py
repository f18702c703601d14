"""Which candidates are copies of which, and which pictures are placeholders.

Equal bytes first, then greedy leaders within the radius. The representative is the record that is
published already, then the larger picture, then the cleaner title, then the smaller record_id.
Held records take no part: they may not shadow a record that can be published.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.candidates import Candidates
from cleaning.groups import connected_groups
from cleaning.neighbours import NeighbourThresholds, assign_leaders
from cleaning.placeholders import PlaceholderThresholds, is_placeholder

UNIQUE, SAME_BYTES, SAME_FINGERPRINT, NEAR_FINGERPRINT, PLACEHOLDER, BRIDGES, HELD = range(7)
Titles = Callable[[Sequence[int]], Sequence[str]]


@dataclass(frozen=True)
class Verdicts:
    """Per candidate: `code` (UNIQUE to HELD), `peer` (its representative's row, else its own),
    `distance` to it in bits, and `group`, the smallest row of its leak group (survivors only)."""

    code: NDArray[np.uint8]
    peer: NDArray[np.int64]
    distance: NDArray[np.uint8]
    group: NDArray[np.int64]


def judge_copies(
    candidates: Candidates,
    sites: NDArray[np.int32],
    thresholds: NeighbourThresholds,
    placeholders: PlaceholderThresholds,
    titles: Titles,
    published_splits: NDArray[np.int8],
    leak_radius: int,
) -> Verdicts:
    """The verdict on every candidate.

    `sites` int32[N] numbers each record's shop (-1: published); `titles` gives the titles of some
    rows; `published_splits` the number of
    each published row's split. Near pairs within `leak_radius` bits have to share a split.
    """
    rows = len(candidates)
    code = np.full(rows, UNIQUE, np.uint8)
    code[~candidates.mapped] = HELD
    code[_placeholders(candidates, sites, placeholders, titles) & candidates.mapped] = PLACEHOLDER
    peer, distance = np.arange(rows, dtype=np.int64), np.zeros(rows, np.uint8)
    order = ranked(candidates, np.flatnonzero(code == UNIQUE))
    first = _first_of_bytes(candidates.sha, order)
    heads = order[first[order] == order]
    leaders = assign_leaders(candidates.take(heads), heads < candidates.published, thresholds)
    # A record with the bytes of a head has its fingerprints too, and so its leader.
    peer[heads] = heads[leaders.leader]
    distance[heads] = leaders.distance
    peer[order], distance[order] = peer[first[order]], distance[first[order]]
    members = order[peer[order] != order]
    same = (candidates.sha[peer[members]] == candidates.sha[members]).all(axis=1)
    near = np.where(distance[members] == 0, SAME_FINGERPRINT, NEAR_FINGERPRINT)
    code[members] = np.where(same, SAME_BYTES, near)
    # A release never loses a record to a copy: what is published leads in any case.
    stays = candidates.mapped[: candidates.published]
    code[: candidates.published] = np.where(stays, UNIQUE, HELD)
    group = _leak_groups(candidates, code, leak_radius, published_splits)
    return Verdicts(code, peer, distance, group)


def ranked(candidates: Candidates, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows by their claim to represent others: published, larger, cleaner title, smaller id."""
    new = rows >= candidates.published
    keys = (rows, candidates.removed[rows], -candidates.pixels[rows], new)
    return rows[np.lexsort(keys)]


def _first_of_bytes(sha: NDArray[np.uint64], order: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row of `order` the first row in it with the same bytes; itself for all others."""
    first = np.arange(len(sha), dtype=np.int64)
    place = np.empty(len(sha), np.int64)
    place[order] = np.arange(len(order))
    by_bytes = order[np.lexsort((place[order], sha[order, 1], sha[order, 0]))]
    if len(by_bytes):
        starts = np.ones(len(by_bytes), np.bool_)
        starts[1:] = (sha[by_bytes[1:]] != sha[by_bytes[:-1]]).any(axis=1)
        first[by_bytes] = by_bytes[np.flatnonzero(starts)][np.cumsum(starts) - 1]
    return first


def _placeholders(
    candidates: Candidates,
    sites: NDArray[np.int32],
    thresholds: PlaceholderThresholds,
    titles: Titles,
) -> NDArray[np.bool_]:
    """Which records show a picture that stands in for missing ones on their site.

    A site's placeholder is often re-encoded, so equal hashes count like equal bytes.
    """
    found = np.zeros(len(candidates), np.bool_)
    rows = np.arange(candidates.published, len(candidates))
    for key in (candidates.prints.phash, candidates.sha[:, 0]):
        ordered = rows[np.lexsort((rows, key[rows], sites[rows]))]
        changes = (key[ordered[1:]] != key[ordered[:-1]]) | (
            sites[ordered[1:]] != sites[ordered[:-1]]
        )
        bounds = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(ordered)]])
        for group in np.flatnonzero(np.diff(bounds) >= thresholds.min_records):
            members = ordered[bounds[group] : bounds[group + 1]]
            if found[members].all():
                continue
            # A bounded sample, spread evenly: the titles of a huge group are never all read.
            sample = members[:: max(1, len(members) // (2 * thresholds.sample))]
            if is_placeholder(titles(sample.tolist()), thresholds):
                found[members] = True
    return found


def _leak_groups(
    candidates: Candidates, code: NDArray[np.uint8], radius: int, splits: NDArray[np.int8]
) -> NDArray[np.int64]:
    """The smallest row of each survivor's near-duplicate component, colour ignored.

    Published rows come first, so a component with one is named by it. A newcomer that would join
    two splits is refused: its code becomes BRIDGES.
    """
    survivors = np.flatnonzero(code == UNIQUE)
    prints = candidates.prints
    component = connected_groups(prints.phash[survivors], prints.phash_trim[survivors], radius)
    group = np.arange(len(candidates), dtype=np.int64)
    group[survivors] = survivors[component]
    pairs = np.unique(np.column_stack([group[: candidates.published], splits]), axis=0)
    names, counts = np.unique(pairs[:, 0], return_counts=True)
    bridged = names[counts > 1]
    newcomers = survivors[survivors >= candidates.published]
    code[newcomers[np.isin(group[newcomers], bridged)]] = BRIDGES
    return group
