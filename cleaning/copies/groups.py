"""Group records with similar pictures, so that no group is split between train and test.

In come perceptual hashes; out goes a group number for each row: connected components of the pairs
within a radius. Colour and titles are ignored and chains are welcome: a leak is worse than a
coarse group.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cleaning.compiling import compiled
from cleaning.copies.hamming_index import (
    BAND_BITS,
    BANDS,
    BUCKETS,
    hamming,
    probe,
    probe_count,
)
from cleaning.copies.reach import rows_in_reach
from cleaning.copies.thresholds import MAX_RADIUS
from cleaning.hashes import is_degenerate


class Bucketed(NamedTuple):
    """Distinct hashes sorted by one band, those of one component side by side in each bucket.

    ``starts`` int64[65537] bounds the buckets; ``nodes`` int64 says which hash each is, ``roots``
    int64 what its component was when they were sorted.
    """

    hashes: NDArray[np.uint64]
    nodes: NDArray[np.int64]
    roots: NDArray[np.int64]
    starts: NDArray[np.int64]


def connected_groups(
    phash: NDArray[np.uint64],
    phash_trim: NDArray[np.uint64],
    radius: int,
    known: NDArray[np.int64] | None = None,
    in_reach: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """The smallest row of each row's component, int64[N], for hashes uint64[N].

    Rows are joined when any fingerprint of one lies within ``radius`` (0 to 7) of any of the other;
    a row whose hashes are both degenerate only with rows of the same ``phash``. ``known`` int64[K]
    gives the groups of the first K rows, as this function named them: these are taken over, and
    only pairs with at least one other row are looked for. ``in_reach`` bool[N] spares the search
    for rows without a neighbour: it tells all others, as ``rows_in_reach`` does.

    Pairs are streamed into a union-find over the distinct hashes and never stored; what is joined
    already is not compared again, so that a clump costs time in proportion to its size.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius is {radius}, expected 0 to {MAX_RADIUS}")
    if phash.shape != phash_trim.shape:
        raise ValueError(f"{phash.shape} whole and {phash_trim.shape} trimmed hashes")
    rows = len(phash)
    known = np.empty(0, dtype=np.int64) if known is None else known.astype(np.int64)
    if len(known) > rows or (known >= len(known)).any() or (known < 0).any():
        raise ValueError(f"known groups have to be rows below {len(known)}, of {rows} rows")
    # A degenerate hash gives way to the row's other one: blank margins must not join products.
    whole = np.where(is_degenerate(phash) & ~is_degenerate(phash_trim), phash_trim, phash)
    trimmed = np.where(is_degenerate(phash_trim), whole, phash_trim)
    distinct, nodes = np.unique(np.concatenate((whole, trimmed)), return_inverse=True)
    nodes = nodes.astype(np.int64).reshape(2, rows)
    parents = np.arange(len(distinct), dtype=np.int64)
    _join_rows(nodes, known, parents)
    fixed = np.zeros(len(distinct), dtype=np.bool_)
    fixed[nodes[:, : len(known)]] = True
    near = None
    if in_reach is not None:
        near = np.zeros(len(distinct), dtype=np.bool_)
        near[nodes[:, in_reach]] = True
    _join_neighbours(distinct, fixed, radius & ~1, parents, near)
    groups = np.empty(rows, dtype=np.int64)
    _name_groups(nodes, parents, groups)
    return groups


def _join_neighbours(
    hashes: NDArray[np.uint64],
    fixed: NDArray[np.bool_],
    radius: int,
    parents: NDArray[np.int64],
    near: NDArray[np.bool_] | None,
) -> None:
    """Join all pairs within the radius but those of two ``fixed`` hashes; of ``near`` ones alone,
    where these are known."""
    telling = ~is_degenerate(hashes)
    nodes = np.concatenate((np.flatnonzero(telling & fixed), np.flatnonzero(telling & ~fixed)))
    fixed_nodes = int((telling & fixed).sum())
    if near is None:
        values = hashes[nodes]
        both = np.full(len(nodes), 3, dtype=np.uint8)
        kept = rows_in_reach((values, values), both, fixed_nodes, radius)
    else:
        kept = near[nodes]
    old, new = nodes[:fixed_nodes][kept[:fixed_nodes]], nodes[fixed_nodes:][kept[fixed_nodes:]]
    for band in range(BANDS):
        probes = int(probe_count(band, radius))
        if probes:
            _join_within(_bucketed(hashes, new, parents, band), radius, parents)
            # Sorted again: what was joined just now lies side by side.
            theirs = _bucketed(hashes, old, parents, band)
            _join_across(_bucketed(hashes, new, parents, band), theirs, probes, radius, parents)


def _bucketed(
    hashes: NDArray[np.uint64], nodes: NDArray[np.int64], parents: NDArray[np.int64], band: int
) -> Bucketed:
    roots = np.empty(len(nodes), dtype=np.int64)
    _find_roots(nodes, parents, roots)
    keys = hashes[nodes] >> np.uint64(BAND_BITS * band) & np.uint64(BUCKETS - 1)
    order = np.lexsort((roots, keys))
    starts = np.searchsorted(keys[order], np.arange(BUCKETS + 1, dtype=np.uint64))
    nodes = nodes[order]
    return Bucketed(hashes[nodes], nodes, roots[order], starts.astype(np.int64))


# ----------------------------------------------------------------------------- compiled


@compiled
def _root(parents: NDArray[np.int64], node: np.int64) -> np.int64:
    while parents[node] != node:
        parents[node] = parents[parents[node]]
        node = parents[node]
    return node


@compiled
def _join(parents: NDArray[np.int64], a: np.int64, b: np.int64) -> None:
    first, second = _root(parents, a), _root(parents, b)
    parents[max(first, second)] = min(first, second)


@compiled
def _find_roots(
    nodes: NDArray[np.int64], parents: NDArray[np.int64], roots: NDArray[np.int64]
) -> None:
    for place in range(len(nodes)):
        roots[place] = _root(parents, nodes[place])


@compiled
def _join_rows(
    nodes: NDArray[np.int64], known: NDArray[np.int64], parents: NDArray[np.int64]
) -> None:
    """Join both hashes of each row, and rows that are known to be of one group."""
    for row in range(nodes.shape[1]):
        _join(parents, nodes[0, row], nodes[1, row])
    for row in range(len(known)):
        _join(parents, nodes[0, row], nodes[0, known[row]])


@compiled
def _join_within(side: Bucketed, radius: int, parents: NDArray[np.int64]) -> None:
    """Join the hashes of each bucket, breadth first: what is reached is not compared again."""
    hashes, nodes, _, starts = side
    for bucket in range(BUCKETS):
        end = starts[bucket + 1]
        reached = starts[bucket]
        for place in range(starts[bucket], end):
            reached = max(reached, place + 1)
            for position in range(reached, end):
                if hamming(hashes[place], hashes[position]) <= radius:
                    _join(parents, nodes[place], nodes[position])
                    value, node = hashes[position], nodes[position]
                    hashes[position], nodes[position] = hashes[reached], nodes[reached]
                    hashes[reached], nodes[reached] = value, node
                    reached += 1


@compiled
def _run_end(roots: NDArray[np.int64], begin: int, end: int) -> int:
    last = begin + 1
    while last < end and roots[last] == roots[begin]:
        last += 1
    return last


@compiled
def _join_runs(
    a: Bucketed, one: int, b: Bucketed, other: np.int64, radius: int, parents: NDArray[np.int64]
) -> None:
    """Join the components of two buckets: of two components, pairs up to the first near one."""
    place, end = a.starts[one], a.starts[one + 1]
    while place < end:
        after = _run_end(a.roots, place, end)
        first, last = b.starts[other], b.starts[other + 1]
        while first < last:
            behind = _run_end(b.roots, first, last)
            long = (after - place) * (behind - first) > 1
            if not long or _root(parents, a.nodes[place]) != _root(parents, b.nodes[first]):
                _join_first(a, place, after, b, first, behind, radius, parents)
            first = behind
        place = after


@compiled
def _join_first(
    a: Bucketed,
    place: int,
    after: int,
    b: Bucketed,
    first: int,
    behind: int,
    radius: int,
    parents: NDArray[np.int64],
) -> None:
    for i in range(place, after):
        for j in range(first, behind):
            if hamming(a.hashes[i], b.hashes[j]) <= radius:
                _join(parents, a.nodes[i], b.nodes[j])
                return


@compiled
def _join_across(
    new: Bucketed, old: Bucketed, probes: int, radius: int, parents: NDArray[np.int64]
) -> None:
    for bucket in range(BUCKETS):
        if new.starts[bucket] == new.starts[bucket + 1]:
            continue
        for number in range(probes):
            other = probe(np.int64(bucket), number)
            if bucket < other:
                _join_runs(new, bucket, new, other, radius, parents)
            _join_runs(new, bucket, old, other, radius, parents)


@compiled
def _name_groups(
    nodes: NDArray[np.int64], parents: NDArray[np.int64], groups: NDArray[np.int64]
) -> None:
    smallest = np.full(len(parents), -1, dtype=np.int64)
    for row in range(len(groups)):
        root = _root(parents, nodes[0, row])
        if smallest[root] < 0:
            smallest[root] = row
        groups[row] = smallest[root]
