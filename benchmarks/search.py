"""Near-duplicate search at radius 6, against comparing all pairs, faiss and imagededup.

In come synthetic hashes with planted near copies; every peer's answer is checked against ours
before its time counts, and the largest sizes against brute force on a sample. All on one thread.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.harness import NOT_INSTALLED, Benchmark, Measurement, against, timed
from benchmarks.search_ours import RADIUS, leaders_of
from benchmarks.search_peer import pairs_by_imagededup

COPIES = 0.1
CLUMP = 0.01
SAMPLE = 200
AT_MOST_SECONDS, AT_MOST_MB = 15.0, 1_000.0
TARGETED = 3_000_000
ROOT = Path(__file__).resolve().parents[1]

Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]
"""Earlier row, later row, bits that differ."""


def synthetic_hashes(count: int, clump: float = 0.0, seed: int = 20260722) -> NDArray[np.uint64]:
    """``count`` hashes with 32 one-bits: random ones, a tenth near copies of earlier ones.

    ``clump`` is the share that lies within a few bits of one single hash.
    """
    draw = np.random.default_rng(seed)
    originals = count - int(count * COPIES) - int(count * clump)
    hashes = np.empty(count, dtype=np.uint64)
    filled = 0
    while filled < originals:  # one in ten random numbers has 32 one-bits
        block = draw.integers(0, 1 << 64, size=1 << 20, dtype=np.uint64)
        block = block[np.bitwise_count(block) == 32][: originals - filled]
        hashes[filled : filled + len(block)] = block
        filled += len(block)
    copied = draw.integers(0, originals, count - originals)
    copied[int(count * COPIES) :] = 0
    copies = hashes[copied]
    for _ in range(3):  # up to three swaps of a one and a zero: at most six bits
        first, second = draw.integers(0, 64, (2, len(copies)), dtype=np.uint64)
        differ = (copies >> first ^ copies >> second) & np.uint64(1)
        copies ^= differ << first | differ << second
    hashes[originals:] = copies
    return hashes[draw.permutation(count)]


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
    """10,000 against all pairs and imagededup (30,000 when ``full``), 300,000 against faiss."""
    leaders_of(synthetic_hashes(1_000))  # compiles, or loads what was compiled before

    hashes = synthetic_hashes(30_000 if full else 10_000)
    ours, leaders = timed(lambda: leaders_of(hashes))
    seconds, pairs = timed(lambda: pairs_by_comparing_all(hashes))
    _check(leaders, leaders_from_pairs(len(hashes), pairs))
    size = f"{len(hashes):,} hashes, radius 6"
    yield against("search", size, ours, "all pairs, numpy", seconds)
    peer, name = pairs_by_imagededup(hashes, RADIUS)
    if peer is None:
        yield Measurement("search", size, "s", round(ours, 3), peer=name)
    else:
        if peer.pairs != len(pairs[0]):
            raise AssertionError(f"imagededup found {peer.pairs} pairs, expected {len(pairs[0])}")
        yield against("search", size, ours, name, peer.seconds)

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


@dataclass(frozen=True)
class Searched:
    """What a process of its own found, its seconds, and the peak of its memory in MB."""

    found: NDArray[np.int64]
    seconds: float
    peak_mb: float


def search_alone(hashes: NDArray[np.uint64], what: str, published: int = 0) -> Searched:
    """``leaders`` or ``groups`` of hashes, whose first ``published`` are, in a new process."""
    with tempfile.TemporaryDirectory() as made:
        file = Path(made) / "hashes.npy"
        np.save(file, hashes)
        call = [sys.executable, "-m", "benchmarks.search_ours", file, what, published]
        out = subprocess.run(
            [str(word) for word in call], cwd=ROOT, check=True, capture_output=True, text=True
        ).stdout
        said = json.loads(out)
        return Searched(np.load(f"{file}.found.npy"), said["seconds"], said["peak_mb"])


def measure_growth(full: bool) -> Iterator[Measurement]:
    """Our time and memory, spread and clumped, up to 3,000,000; 10,000,000 when ``full``."""
    counts = (300_000, TARGETED, 10_000_000) if full else (300_000, TARGETED)
    for count in counts:
        for clump in (0.0, CLUMP):
            hashes = synthetic_hashes(count, clump)
            kind = f", {clump:.0%} in one clump" if clump else ""
            for what in ("leaders", "groups"):
                searched = search_alone(hashes, what)
                if what == "leaders":
                    check_sample(hashes, searched.found)
                yield from _growth(f"{count:,} {what}, radius 6{kind}", searched, count)
    hashes = synthetic_hashes(TARGETED + 30_000)
    searched = search_alone(hashes, "leaders", TARGETED)
    yield from _growth(f"30,000 new beside {TARGETED:,} published", searched, 0)


def _growth(size: str, searched: Searched, count: int) -> Iterator[Measurement]:
    for unit, value, most in (
        ("s", searched.seconds, AT_MOST_SECONDS),
        ("MB", searched.peak_mb, AT_MOST_MB),
    ):
        aimed = count == TARGETED
        yield Measurement(
            "search-growth", size, unit, round(value, 2),
            target=f"<= {most:g} {unit}" if aimed else None, met=value <= most if aimed else None,
        )  # fmt: skip


def check_sample(hashes: NDArray[np.uint64], leader: NDArray[np.int64]) -> None:
    """Compare a sample of rows, half of them members, with all leaders before them.

    Raises AssertionError where a nearer leader, an earlier one or none would have been right.
    """
    rows = np.arange(len(hashes))
    members = np.flatnonzero(leader != rows)
    draw = np.random.default_rng(len(hashes))
    sample = np.concatenate((draw.choice(members, SAMPLE), draw.choice(rows, SAMPLE)))
    for row in sample:
        distance = np.bitwise_count(hashes[:row] ^ hashes[row])
        distance[leader[:row] != rows[:row]] = 255
        nearest = int(distance.argmin()) if row else 0
        right = nearest if row and distance[nearest] <= RADIUS else row
        if leader[row] != right:
            raise AssertionError(f"row {row} is led by {leader[row]}, expected {right}")


def _check(ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> None:
    different = np.flatnonzero(ours != theirs)
    if len(different):
        raise AssertionError(f"{len(different)} rows have another leader, first {different[0]}")


SEARCH = Benchmark("search", measure_search)
GROWTH = Benchmark("search-growth", measure_growth)
