"""A pair told alone is judged as the search judges it among all."""

import numpy as np
import pytest

from cleaning.copies.neighbours import Fingerprints, assign_leaders
from cleaning.copies.pairs import APART, PICTURES, Print, compare, distances
from cleaning.copies.thresholds import NeighbourThresholds


def balanced(rng: np.random.Generator) -> int:
    """A hash as pictures have it: 32 of 64 bits."""
    bits = np.zeros(64, np.uint8)
    bits[rng.permutation(64)[:32]] = 1
    return int("".join(map(str, bits)), 2)


def moved(rng: np.random.Generator, value: int, swaps: int) -> int:
    """A hash `2 * swaps` bits away with as many ones."""
    ones = [bit for bit in range(64) if value >> bit & 1]
    zeros = [bit for bit in range(64) if not value >> bit & 1]
    for bit in [*rng.permutation(ones)[:swaps].tolist(), *rng.permutation(zeros)[:swaps].tolist()]:
        value ^= 1 << bit
    return value


def pair_of(seed: int) -> tuple[Print, Print]:
    """Two records near every bound: bits, colours, titles, borders, blank pictures."""
    rng = np.random.default_rng(seed)
    hashes = [balanced(rng), balanced(rng)]
    blank = rng.integers(0, 8)
    if blank < 2:
        hashes[blank] = 0
    colours = rng.integers(30, 220, (2, 48), dtype=np.uint8)
    sketch = rng.integers(0, 255, 32, dtype=np.uint8)
    one = Print(*hashes, colours[0].tobytes(), colours[1].tobytes(), sketch.tobytes())
    near = [h if h == 0 else moved(rng, h, int(rng.integers(0, 5))) for h in hashes]
    if rng.integers(0, 4) == 0:
        near.reverse()
    shift = rng.integers(-1, 2, (2, 48)) * rng.choice([1, 3, 6, 7, 20, 21])
    theirs = np.clip(colours.astype(int) + shift, 0, 255).astype(np.uint8)
    changed = sketch.copy()
    changed[int(rng.integers(0, 7)) :] ^= 1
    other = Print(*near, theirs[0].tobytes(), theirs[1].tobytes(), changed.tobytes())
    return one, other


def prints_of(*prints: Print) -> Fingerprints:
    return Fingerprints(
        np.array([p.phash for p in prints], np.uint64),
        np.array([p.phash_trim for p in prints], np.uint64),
        np.array([np.frombuffer(p.colour, np.uint8) for p in prints]),
        np.array([np.frombuffer(p.colour_trim, np.uint8) for p in prints]),
        np.array([np.frombuffer(p.sketch, np.uint8) for p in prints]),
    )


@pytest.mark.parametrize(
    "bounds", [NeighbourThresholds(), NeighbourThresholds(keep_variants=False, radius=4)]
)
def test_a_pair_is_judged_as_the_search_judges_it(bounds: NeighbourThresholds) -> None:
    joined = 0
    for seed in range(400):
        one, other = pair_of(seed)
        found = assign_leaders(prints_of(other, one), np.array([True, False]), bounds)
        pair = compare(one, other, bounds)
        assert (found.leader[1] == 0) == (pair is not None and pair.apart is None), seed
        if pair is not None and found.leader[1] == 0:
            joined += 1
            assert pair.bits == found.distance[1] and pair.agreement == found.agreement[1]
            assert pair.pictures == PICTURES[found.via[1]]
            assert max(pair.lightness, pair.chroma) == found.colour_difference[1]
    assert 50 < joined < 350


def test_the_first_bound_that_is_passed_is_named() -> None:
    rng = np.random.default_rng(3)
    value, grey, title = balanced(rng), bytes([100] * 48), bytes(range(32))
    one = Print(value, value, grey, grey, title)

    def apart(bits: int = 0, colour: bytes = grey, sketch: bytes = title) -> str | None:
        near = moved(rng, value, bits // 2)
        pair = compare(one, Print(near, near, colour, colour, sketch), NeighbourThresholds())
        assert pair is not None
        return pair.apart

    other = bytes(range(32, 64))
    assert apart() is None and apart(4, sketch=other) is None and apart(6) is None
    assert apart(8) == "8 bits are more than the radius of 6"
    lighter, redder = bytes([121, 100, 100] * 16), bytes([100, 107, 100] * 16)
    assert apart(2, lighter) == "the lightness differs by 21, at most 20 for a copy"
    assert apart(2, redder) == "the colours differ by 7, at most 6 for a copy"
    assert apart(6, sketch=other) == "the titles share 0 of 32, at least 3 beyond 4 bits"


def test_distances_are_those_of_the_nearest_pictures() -> None:
    pairs = [pair_of(seed) for seed in range(100)]
    for one, other in pairs:
        pair = compare(one, other, NeighbourThresholds(keep_variants=False))
        hashes = (np.array([other.phash], np.uint64), np.array([other.phash_trim], np.uint64))
        (bits,) = distances(one, hashes).tolist()
        assert bits == (APART if pair is None else min(pair.bits, bits))
        assert pair is None or pair.apart is not None or bits == pair.bits
    blank = Print(0, 0, bytes(48), bytes(48), bytes(32))
    assert compare(blank, pairs[0][0], NeighbourThresholds()) is None
