"""Shrink pictures as Pillow's ``resize`` does, to the last bit, many times as fast.

In come pixels, or their luminance in columns (uint8 of shape (width, height)); out go small
pictures. The sums are Pillow's (``Resample.c`` of 13.0: 22-bit weights, each pass rounded to 8
bits), so that a hash of the result is the one that imagehash computes; that they run along
contiguous columns is what lets the compiler do sixteen at once.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cleaning.compiling import compiled

Filter = Literal["box", "lanczos"]
Plane = NDArray[np.uint8]
Box = tuple[int, int, int, int]

_PRECISION = 22
_ONE = 1 << _PRECISION
_HALF = _ONE >> 1
_TILE = 64
_TOGETHER = 4
_KEPT_SIZE = 512
_SUPPORT: dict[Filter, float] = {"box": 0.5, "lanczos": 3.0}


Weights = NDArray[np.int32]
"""What each of N output pixels is made of, int32[N, 2 + K]: the first input pixel, how many there
are, and their parts of 2**22. One array: Numba takes 2 microseconds to look into a tuple."""


def weights_of(size: int, side: int, kind: Filter) -> Weights:
    """The weights that take ``size`` pixels to ``side``, by Pillow's box or Lanczos filter."""
    # Those of large pictures take up to 100 kB, and little time beside decoding them.
    return _kept_weights(size, side, kind) if size <= _KEPT_SIZE else _weights(size, side, kind)


def _weights(size: int, side: int, kind: Filter) -> Weights:
    stretch = max(size / side, 1.0)
    support = _SUPPORT[kind] * stretch
    most = math.ceil(support) * 2 + 1
    weights = np.zeros((side, 2 + -(-most // _TOGETHER) * _TOGETHER), np.int32)
    _weigh(size, support, stretch, kind == "box", weights)
    return weights


_kept_weights = lru_cache(maxsize=None)(_weights)


@compiled
def _weigh(
    size: int,
    support: float,
    stretch: float,
    is_box: bool,
    weights: Weights,
) -> None:
    side, columns = weights.shape
    scale = size / side
    raw = np.empty(columns, np.float64)
    for pixel in range(side):
        centre = (pixel + 0.5) * scale
        first = max(int(centre - support + 0.5), 0)
        last = min(int(centre + support + 0.5), size)
        total = 0.0
        for place in range(last - first):
            x = (first + place - centre + 0.5) / stretch
            raw[place] = _box(x) if is_box else _lanczos(x)
            total += raw[place]
        weights[pixel, 0], weights[pixel, 1] = first, last - first
        for place in range(last - first):
            part = raw[place] / total * _ONE
            weights[pixel, 2 + place] = int(part + (0.5 if part >= 0 else -0.5))


@compiled
def _box(x: float) -> float:
    return 1.0 if -0.5 < x <= 0.5 else 0.0


@compiled
def _lanczos(x: float) -> float:
    return _sinc(x) * _sinc(x / 3) if -3.0 <= x < 3.0 else 0.0


@compiled
def _sinc(x: float) -> float:
    return math.sin(x * math.pi) / (x * math.pi) if x != 0 else 1.0


def shrunk(plane: Plane, box: Box, side: int, kind: Filter) -> Plane:
    """The box (left, upper, right, lower) of one plane in columns, uint8 (width, height), as rows
    of ``side`` times ``side`` pixels."""
    left, upper, right, lower = box
    width, height = right - left, lower - upper
    small = np.empty((side, side), np.uint8)
    across, down = weights_of(width, side, kind), weights_of(height, side, kind)
    # Since Pillow 13 the rows of tall pictures come first (python-pillow/Pillow pull 9549).
    if height - side > max(0, 2 * (width - side)):
        _shrink(np.ascontiguousarray(plane.T), upper, left, width, down, across, small)
        return small.T
    _shrink(plane, left, upper, height, across, down, small)
    return small


def cell_means(pixels: NDArray[np.uint8], box: Box, cells: int) -> NDArray[np.uint8]:
    """Mean colours of a grid over the box of uint8 (height, width, 3): uint8 (cells, cells, 3).

    Pixels that two cells share count in both as Pillow's box filter counts them.
    """
    left, upper, right, lower = box
    height, width, channels = pixels.shape
    across, down = weights_of(right - left, cells, "box"), weights_of(lower - upper, cells, "box")
    means = np.empty((cells, cells, 3), np.uint8)
    _cell_means(pixels.reshape(height, width * channels), left, upper, across, down, means)
    return means


@compiled
def _cell_means(
    rows: NDArray[np.uint8],
    left: int,
    upper: int,
    across: Weights,
    down: Weights,
    means: NDArray[np.uint8],
) -> None:
    cells = len(means)
    sums = np.empty(rows.shape[1], np.float32)
    for y in range(cells):
        sums[:] = 0
        for place in range(down[y, 1]):
            weight = np.float32(down[y, 2 + place])
            row = rows[upper + down[y, 0] + place]
            for x in range(len(row)):
                sums[x] += row[x] * weight
        for x in range(cells):
            for channel in range(3):
                total = 0.0
                for place in range(across[x, 1]):
                    column = 3 * (left + across[x, 0] + place) + channel
                    total += sums[column] * across[x, 2 + place]
                means[y, x, channel] = np.uint8(total / _ONE / _ONE + 0.5)


@compiled
def luminance_of(pixels: NDArray[np.uint8]) -> Plane:
    """The luminance of uint8 (height, width, 3), in columns: uint8 (width, height).

    It is that of Pillow's ``convert("L")`` (ITU-R 601-2, 16-bit weights).
    """
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    plane = np.empty((width, height), np.uint8)
    # A few rows at a time, since the pixels of a column are far apart in memory; in 32 bits, since
    # Numba's own 64 halve what the processor does at once.
    tile = np.empty((_TILE, width), np.uint8)
    for top in range(0, height, _TILE):
        count = min(_TILE, height - top)
        for y in range(count):
            row, line = rows[top + y], tile[y]
            for x in range(width):
                red = np.int32(row[np.uint64(3 * x)]) * np.int32(19595)
                green = np.int32(row[np.uint64(3 * x + 1)]) * np.int32(38470)
                blue = np.int32(row[np.uint64(3 * x + 2)]) * np.int32(7471)
                line[x] = np.uint8((red + green + blue + np.int32(0x8000)) >> np.int32(16))
        for x in range(width):
            column = plane[x, top : top + count]
            for y in range(count):
                column[y] = tile[y, x]
    return plane


@compiled
def _round(sums: NDArray[np.int32], rounded: NDArray[np.uint8]) -> None:
    for i in range(len(sums)):
        value = np.int32(sums[i] >> np.int32(_PRECISION))
        value = max(value, np.int32(0))
        rounded[i] = np.uint8(min(value, np.int32(255)))


@compiled
def _shrink(
    plane: Plane, left: int, upper: int, height: int, across: Weights, down: Weights, small: Plane
) -> None:
    side = len(small)
    columns = np.empty((height, side), np.uint8)
    sums = np.empty(height, np.int32)
    inside = plane[:, upper : upper + height]
    column = np.empty(height, np.uint8)
    for x in range(side):
        _add_up(inside, left + across[x, 0], across[x, 1], across[x, 2:], sums)
        _round(sums, column)
        for y in range(height):
            columns[y, x] = column[y]
    row = np.empty(side, np.int32)
    for y in range(side):
        _add_up(columns, down[y, 0], down[y, 1], down[y, 2:], row)
        _round(row, small[y])


@compiled
def _add_up(
    lines: Plane, start: int, count: int, weights: NDArray[np.int32], sums: NDArray[np.int32]
) -> None:
    """The weighted sum of some lines, four of them in each round: sums are read and written less
    often. Weights beyond ``count`` are zero."""
    sums[:] = _HALF
    last = start + count - 1
    for place in range(0, count, _TOGETHER):
        first = start + place
        one, two = lines[first], lines[min(first + 1, last)]
        three, four = lines[min(first + 2, last)], lines[min(first + 3, last)]
        for i in range(len(sums)):
            sums[i] += (
                one[i] * weights[place]
                + two[i] * weights[place + 1]
                + three[i] * weights[place + 2]
                + four[i] * weights[place + 3]
            )
