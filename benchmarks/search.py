"""Near-duplicate assignment at radius 6, against comparing all pairs and against faiss.

In come synthetic hashes with planted near copies; every peer's answer is checked against ours
before its time counts. All on one thread.
"""

from collections.abc import Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import NOT_INSTALLED, Benchmark, Measurement, against, timed
from cleaning.neighbours import Fingerprints, NeighbourThresholds, assign_leaders

RADIUS = 6
COPIES = 0.1
CLUMP = 0.01

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
"""Earlier row, later row, bits that differ."""


def synthetic_hashes(count: int, clump: float = 0.0, seed: int = 20260722) -> NDArray[np.uint64]:
    """``count`` hashes with 32 one-bits: random ones, a tenth near copies of earlier ones.

    ``clump`` is the share that lies within a few bits of one single hash.
    """
    draw = np.random.default_rng(seed)
    originals = count - int(count * COPIES) - int(count * clump)
    bits = np.zeros((count, 64), dtype=np.uint8)
    for start in range(0, originals, 100_000):
        block = draw.random((min(100_000, originals - start), 64), dtype=np.float32)
        bits[start : start + len(block)] = block.argsort(axis=1) < 32
    copied = draw.integers(0, originals, count - originals)
    copied[int(count * COPIES) :] = 0
    bits[originals:] = bits[copied]
    for _ in range(3):  # up to three swaps of a one and a zero: at most six bits
        rows = np.arange(originals, count)
        first, second = draw.integers(0, 64, (2, len(rows)))
        bits[rows, first], bits[rows, second] = bits[rows, second], bits[rows, first].copy()
    hashes = np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(count)
    return hashes[draw.permutation(count)]


def leaders_of(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Greedy leaders by our index; colours and titles are all alike, so only hashes decide."""
    rows = len(hashes)
    alike = np.zeros((rows, 48), dtype=np.uint8)
    prints = Fingerprints(hashes, hashes, alike, alike, np.zeros((rows, 32), dtype=np.uint8))
    thresholds = NeighbourThresholds(radius=RADIUS, title_free_radius=RADIUS)
    return assign_leaders(prints, np.zeros(rows, dtype=np.bool_), thresholds).leader


def pairs_by_comparing_all(hashes: NDArray[np.uint64]) -> Pairs:
    """All pairs within the radius, by NumPy's population count over blocks of rows."""
    found = []
    for start in range(0, len(hashes), 512):
        distances = np.bitwise_count(hashes[start : start + 512, None] ^ hashes[None, start:])
        earlier, later = np.nonzero(distances <= RADIUS)
        keep = earlier < later
        earlier, later = earlier[keep], later[keep]
        found.append((earlier + start, later + start, distances[earlier, later]))
    earlier, later, distance = (np.concatenate(column) for column in zip(*found, strict=True))
    return earlier, later, distance


def leaders_from_pairs(count: int, pairs: Pairs) -> NDArray[np.int64]:
    """Greedy leaders of rows in order, given all pairs within the radius."""
    earlier, later, distance = pairs
    leader = np.arange(count)
    best = np.full(count, 255)
    for i in np.lexsort((earlier, distance, later)):
        row, other = later[i], earlier[i]
        if leader[other] == other and distance[i] < best[row]:
            leader[row], best[row] = other, distance[i]
    return leader


def pairs_by_faiss(hashes: NDArray[np.uint64]) -> Pairs:
    """All pairs within the radius by faiss' IndexBinaryMultiHash with our four bands.

    One flipped bit in each band makes it exact up to radius 7. Raises ``ImportError`` if faiss is
    not installed.
    """
    import faiss

    faiss.omp_set_num_threads(1)
    codes = hashes.astype("<u8").view(np.uint8).reshape(-1, 8)
    index = faiss.IndexBinaryMultiHash(64, 4, 16)
    index.nflip = 1
    index.add(codes)
    # faiss counts a neighbour when its distance is smaller than the radius.
    limits, distances, neighbours = index.range_search(codes, RADIUS + 1)
    later = np.repeat(np.arange(len(hashes)), np.diff(limits.astype(np.int64)))
    keep = neighbours < later
    return neighbours[keep], later[keep], distances[keep].astype(np.uint8)


def measure_search(full: bool) -> Iterator[Measurement]:
    """30,000 against all pairs, 300,000 against faiss."""
    leaders_of(synthetic_hashes(1_000))  # compiles, or loads what was compiled before

    hashes = synthetic_hashes(30_000)
    ours, leaders = timed(lambda: leaders_of(hashes))
    seconds, pairs = timed(lambda: pairs_by_comparing_all(hashes))
    _check(leaders, leaders_from_pairs(len(hashes), pairs))
    yield against("search", "30,000 hashes, radius 6", ours, "all pairs, numpy", seconds)

    hashes = synthetic_hashes(300_000)
    ours, leaders = timed(lambda: leaders_of(hashes))
    size = "300,000 hashes, radius 6"
    try:
        seconds, pairs = timed(lambda: pairs_by_faiss(hashes))
    except ImportError:
        yield Measurement("search", size, "s", round(ours, 3), peer=f"faiss: {NOT_INSTALLED}")
        return
    _check(leaders, leaders_from_pairs(len(hashes), pairs))
    yield against("search", size, ours, "faiss IndexBinaryMultiHash", seconds, least=3)


def measure_growth(full: bool) -> Iterator[Measurement]:
    """Our time alone from 300,000 on, spread and clumped; 3,000,000 when ``full``."""
    leaders_of(synthetic_hashes(1_000))
    for count in (300_000, 3_000_000) if full else (300_000, 1_000_000):
        for clump in (0.0, CLUMP):
            hashes = synthetic_hashes(count, clump)
            ours, leaders = timed(partial(leaders_of, hashes))
            kind = f", {clump:.0%} in one clump" if clump else ""
            limit = 15.0 if count == 3_000_000 else None
            yield Measurement(
                name="search-growth",
                size=f"{count:,} hashes, radius 6{kind}",
                unit="s",
                ours=round(ours, 3),
                target=None if limit is None else f"<= {limit:g} s",
                met=None if limit is None else ours <= limit,
            )
            if (leaders[leaders] != leaders).any():
                raise AssertionError("a leader is led by another row")


def _check(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> None:
    different = np.flatnonzero(ours != theirs)
    if len(different):
        raise AssertionError(f"{len(different)} rows have another leader, first {different[0]}")


SEARCH = Benchmark("search", measure_search)
GROWTH = Benchmark("search-growth", measure_growth)
