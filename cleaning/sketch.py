"""Sketch titles in 32 bytes each, so that millions can be compared without keeping them.

In comes a normalised title; out goes a b-bit MinHash of its character 3-grams (Broder 1997; Li and
König 2010): 32 components of 8 bits. Equal components estimate the Jaccard similarity of the
3-gram sets: J is about (agreement / 32 - 1/256) / (1 - 1/256), with a standard error below 0.09.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SKETCH_BYTES = 32
_GRAM = 3


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): fixed, unlike Python's hash."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


_SALTS = _mix(np.arange(1, SKETCH_BYTES + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))


def title_sketch(title: str) -> NDArray[np.uint8]:
    """The sketch of ``title``, uint8[32]; case, spaces and punctuation do not count.

    A title without a letter or digit has an all-zero sketch, which means nothing.
    """
    text = "".join(character for character in title.casefold() if character.isalnum())
    if not text:
        return np.zeros(SKETCH_BYTES, dtype=np.uint8)
    text = text.ljust(_GRAM, "\0")
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype="<u4").astype(np.uint64)
    # A code point has 21 bits: three of them fit into one word without loss.
    grams = codes[:-2] << np.uint64(42) | codes[1:-1] << np.uint64(21) | codes[2:]
    smallest = _mix(_mix(grams)[:, None] ^ _SALTS[None, :]).min(axis=0)
    sketch: NDArray[np.uint8] = (smallest & np.uint64(0xFF)).astype(np.uint8)
    return sketch


def title_sketches(titles: Sequence[str]) -> NDArray[np.uint8]:
    """The sketches of N titles, uint8[N, 32]."""
    sketches = np.empty((len(titles), SKETCH_BYTES), dtype=np.uint8)
    for row, title in enumerate(titles):
        sketches[row] = title_sketch(title)
    return sketches


def agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """How many of the 32 components two sketches share."""
    return int(np.count_nonzero(a == b))
