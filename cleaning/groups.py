"""Group records with similar pictures, so that no group is split between train and test.

In come perceptual hashes; out goes a group number for each row: connected components of the pairs
within a radius. Colour and titles are ignored and chains are welcome: a leak is worse than a
coarse group.
"""

import numpy as np
from numpy.typing import NDArray

from cleaning.fingerprints import is_degenerate
from cleaning.hamming_index import (
    BANDS,
    MAX_RADIUS,
    BandIndex,
    append,
    bucket_of,
    compiled,
    count_buckets,
    empty_index,
    hamming,
    probe,
    probe_count,
)


def connected_groups(
    phash: NDArray[np.uint64], phash_trim: NDArray[np.uint64], radius: int
) -> NDArray[np.int64]:
    """The smallest row of each row's component, int64[N], for hashes uint64[N].

    Rows are joined when any fingerprint of one lies within ``radius`` (0 to 7) of any of the other;
    a row whose hashes are both degenerate only with rows of the same ``phash``. Pairs are streamed
    into a union-find over the distinct hashes and never stored.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius is {radius}, expected 0 to {MAX_RADIUS}")
    if phash.shape != phash_trim.shape:
        raise ValueError(f"{phash.shape} whole and {phash_trim.shape} trimmed hashes")
    rows = len(phash)
    # A degenerate hash gives way to the row's other one: blank margins must not join products.
    whole = np.where(is_degenerate(phash) & ~is_degenerate(phash_trim), phash_trim, phash)
    trimmed = np.where(is_degenerate(phash_trim), whole, phash_trim)
    distinct, nodes = np.unique(np.concatenate((whole, trimmed)), return_inverse=True)
    parents = np.arange(len(distinct), dtype=np.int64)
    telling = np.ascontiguousarray(~is_degenerate(distinct))
    index = empty_index(count_buckets(distinct[telling]))
    _join_neighbours(index, distinct, telling, radius & ~1, parents)
    groups = np.empty(rows, dtype=np.int64)
    _join_rows(nodes[:rows].astype(np.int64), nodes[rows:].astype(np.int64), parents, groups)
    return groups


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
def _join_neighbours(
    index: BandIndex,
    hashes: NDArray[np.uint64],
    telling: NDArray[np.bool_],
    radius: int,
    parents: NDArray[np.int64],
) -> None:
    for node in range(len(hashes)):
        if not telling[node]:
            continue
        value = hashes[node]
        for band in range(BANDS):
            own = bucket_of(value, band)
            for number in range(probe_count(band, radius)):
                bucket = probe(own, number)
                for position in range(index.bounds[bucket, 0], index.bounds[bucket, 1]):
                    if hamming(value, index.hashes[position]) <= radius:
                        _join(parents, np.int64(node), np.int64(index.tags[position]))
        append(index, value, np.uint32(node))


@compiled
def _join_rows(
    whole: NDArray[np.int64],
    trimmed: NDArray[np.int64],
    parents: NDArray[np.int64],
    groups: NDArray[np.int64],
) -> None:
    for row in range(len(groups)):
        _join(parents, whole[row], trimmed[row])
    smallest = np.full(len(parents), -1, dtype=np.int64)
    for row in range(len(groups)):
        root = _root(parents, whole[row])
        if smallest[root] < 0:
            smallest[root] = row
        groups[row] = smallest[root]
