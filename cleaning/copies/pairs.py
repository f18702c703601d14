"""Hold two records' fingerprints against each other, to tell why they were copies or were not.

In come the fingerprints of two records, and the bounds; out goes what was measured and the first
bound that keeps them apart. It says of a pair what the search of ``neighbours`` would, one pair at
a time and without its compiled code.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.hashes import is_degenerate
from cleaning.titles.sketch import SKETCH_BYTES, agreement

PICTURES = (
    "the whole pictures",
    "the trimmed pictures",
    "its whole and the other's trimmed picture",
    "its trimmed and the other's whole picture",
)
"""Between which pictures a distance was taken, by `via`."""
_KINDS = ((0, 0), (1, 1), (0, 1), (1, 0))  # which hash of each of the two, by `via`
APART = 65
"""A distance that no two hashes have: nothing can be compared."""
Hashes = tuple[NDArray[np.uint64], NDArray[np.uint64]]


@dataclass(frozen=True)
class Print:
    """The fingerprints of one record, as the tables keep them."""

    phash: int
    phash_trim: int
    colour: bytes
    colour_trim: bytes
    sketch: bytes

    @property
    def hashes(self) -> tuple[int, int]:
        """Of the whole and of the trimmed picture."""
        return self.phash, self.phash_trim

    @property
    def usable(self) -> tuple[bool, bool]:
        """Which of the hashes say anything."""
        whole, trimmed = is_degenerate(np.array(self.hashes, np.uint64)).tolist()
        return not whole, not trimmed

    def signature(self, kind: int) -> NDArray[np.int16]:
        """The colours of one of its pictures, 16 cells of L, a and b."""
        data = self.colour_trim if kind else self.colour
        return np.frombuffer(data, np.uint8).astype(np.int16).reshape(-1, 3)


@dataclass(frozen=True)
class Pair:
    """What lies between two records.

    `bits` differ between the pictures that `pictures` names; `lightness` and `chroma` are the
    largest differences of any cell, of 255; `agreement` counts the equal components of the title
    sketches, of 32. `apart` says which bound they are beyond, None if they are within all.
    """

    bits: int
    pictures: str
    lightness: int
    chroma: int
    agreement: int
    apart: str | None


def compare(one: Print, other: Print, bounds: NeighbourThresholds) -> Pair | None:
    """The nearest of their pictures that are within all bounds, else the nearest at all.

    None where the hashes of either say nothing.
    """
    found = sorted(_pairs(one, other, bounds), key=lambda pair: pair[:2])
    within = [pair for _, _, pair in found if pair.apart is None]
    return next(iter([*within, *(pair for *_, pair in found)]), None)


def _pairs(
    one: Print, other: Print, bounds: NeighbourThresholds
) -> Iterator[tuple[int, int, Pair]]:
    titles = agreement(np.frombuffer(one.sketch, "u1"), np.frombuffer(other.sketch, "u1"))
    for via, (own, their) in enumerate(_KINDS):
        if not (one.usable[own] and other.usable[their]):
            continue
        bits = (one.hashes[own] ^ other.hashes[their]).bit_count()
        differences = np.abs(one.signature(own) - other.signature(their)).max(axis=0).tolist()
        lightness, chroma = differences[0], max(differences[1:])
        apart = _apart(bits, lightness, chroma, titles, bounds)
        yield bits, via, Pair(bits, PICTURES[via], lightness, chroma, titles, apart)


def _apart(
    bits: int, lightness: int, chroma: int, titles: int, bounds: NeighbourThresholds
) -> str | None:
    """The first bound that the pair is beyond."""
    if bits > bounds.radius:
        return f"{bits} bits are more than the radius of {bounds.radius}"
    if bounds.keep_variants and lightness > bounds.max_lightness_difference:
        return (
            f"the lightness differs by {lightness}, at most {bounds.max_lightness_difference} "
            "for a copy"
        )
    if bounds.keep_variants and chroma > bounds.max_chroma_difference:
        return f"the colours differ by {chroma}, at most {bounds.max_chroma_difference} for a copy"
    if bits > bounds.title_free_radius and titles < bounds.min_title_agreement:
        return (
            f"the titles share {titles} of {SKETCH_BYTES}, at least {bounds.min_title_agreement} "
            f"beyond {bounds.title_free_radius} bits"
        )
    return None


def distances(one: Print, others: Hashes) -> NDArray[np.uint8]:
    """The fewest bits between any usable pictures of `one` and of each other record.

    `APART` where there are none to compare.
    """
    found = np.full(len(others[0]), APART, np.uint8)
    for own, their in _KINDS:
        if one.usable[own]:
            theirs = others[their]
            bits = np.bitwise_count(theirs ^ np.uint64(one.hashes[own])).astype(np.uint8)
            found = np.minimum(found, np.where(is_degenerate(theirs), np.uint8(APART), bits))
    return found
