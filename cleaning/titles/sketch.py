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


_BATCH = 256
"""Titles at a time: their 3-grams, 8 bytes each, fit into the cache of a core."""

_ROUNDS = (
    (np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)),
    (np.uint64(27), np.uint64(0x94D049BB133111EB)),
)
_LAST_SHIFT = np.uint64(31)


def _mix(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): fixed, unlike Python's hash."""
    for shift, factor in _ROUNDS:
        values = (values ^ (values >> shift)) * factor
    return values ^ (values >> _LAST_SHIFT)


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
    """The sketches of N titles, uint8[N, 32], each as `title_sketch` makes it."""
    sketches = np.empty((len(titles), SKETCH_BYTES), dtype=np.uint8)
    for start in range(0, len(titles), _BATCH):
        batch = titles[start : start + _BATCH]
        sketches[start : start + len(batch)] = _sketch_batch(batch)
    return sketches


def _sketch_batch(titles: Sequence[str]) -> NDArray[np.uint8]:
    texts = ["".join(filter(str.isalnum, title.casefold())) for title in titles]
    # Every title is as long as a 3-gram at least, so that each has one; two code points behind
    # each one's last begin no 3-gram of it.
    lengths = np.array([max(len(text), _GRAM) for text in texts])
    joined = "".join([text.ljust(_GRAM, "\0") for text in texts])
    codes = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), "<u4").astype(np.uint64)
    ends = np.cumsum(lengths)
    within = np.ones(len(codes), dtype=np.bool_)
    within[ends - 1] = within[ends - 2] = False
    grams = codes[:-2] << np.uint64(42) | codes[1:-1] << np.uint64(21) | codes[2:]
    hashes = _mix(grams[within[:-2]])
    starts = np.concatenate(([0], np.cumsum(lengths - (_GRAM - 1))[:-1]))
    sketches = np.empty((len(titles), SKETCH_BYTES), dtype=np.uint8)
    salted, shifted = np.empty_like(hashes), np.empty_like(hashes)
    for column, salt in enumerate(_SALTS):
        np.bitwise_xor(hashes, salt, out=salted)
        _mix_in_place(salted, shifted)
        sketches[:, column] = np.minimum.reduceat(salted, starts).astype(np.uint8)
    sketches[[not text for text in texts]] = 0
    return sketches


def _mix_in_place(values: NDArray[np.uint64], scratch: NDArray[np.uint64]) -> None:
    """`_mix` without new arrays: the batch stays in the processor's cache."""
    for shift, factor in _ROUNDS:
        np.right_shift(values, shift, out=scratch)
        np.bitwise_xor(values, scratch, out=values)
        np.multiply(values, factor, out=values)
    np.right_shift(values, _LAST_SHIFT, out=scratch)
    np.bitwise_xor(values, scratch, out=values)


def agreement(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> int:
    """How many of the 32 components two sketches share."""
    return int(np.count_nonzero(a == b))
