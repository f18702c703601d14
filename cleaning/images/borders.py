"""Find the uniform border of a picture, so that a padded copy can be hashed like its original.

In comes the luminance of a picture, in columns; out goes the box of its content, or ``None`` when
there is no border or too little inside it.
"""

import numpy as np
from numpy.typing import NDArray

from cleaning.compiling import compiled
from cleaning.images.resampling import Box

TOLERANCE = 12
"""Luminance steps that JPEG noise leaves in a uniform border. With 24, padded copies of real
photos lose 3 % recall: content close to white goes too."""

MIN_UNIFORM = 0.95
"""Share of a line that must match the border's colour. Ringing spreads from the content's edge:
at 0.985 a fifth of the padded 75-pixel thumbnails is missed that 0.95 finds."""

MIN_REMAINING = 0.05
"""Share of each side that must remain, else nothing is trimmed. Of small objects on white, squared
or padded, 0.15 misses those that fill a sixth of a side: the original is trimmed, its copy not."""

MIN_SIDE = 16
"""Pixels of each side that must remain: half of what the hash samples."""


def content_box(grey: NDArray[np.uint8]) -> Box | None:
    """The (left, upper, right, lower) box inside the border of uint8 (width, height) luminance.

    Borders within borders are taken off until none is left: a white margin around a picture that
    has a blue one must come to the same box as the picture alone, and a line that resizing blended
    out of two borders is one more border.
    """
    found: Box = _content_box(grey)
    left, _, right, _ = found
    return None if left == right or found == (0, 0, *grey.shape) else found


@compiled
def _content_box(grey: NDArray[np.uint8]) -> Box:
    """The box, an empty one where too little remains."""
    width, height = grey.shape
    left, upper, right, lower = 0, 0, width, height
    least_width = max(MIN_SIDE, MIN_REMAINING * width)
    least_height = max(MIN_SIDE, MIN_REMAINING * height)
    while True:
        inside = grey[left:right, upper:lower]
        above, below = _border_length(inside.T, 1), _border_length(inside.T, -1)
        before, after = _border_length(inside, 1), _border_length(inside, -1)
        if above + below + before + after == 0:
            return left, upper, right, lower
        left, right = left + before, right - after
        upper, lower = upper + above, lower - below
        if lower - upper < least_height or right - left < least_width:
            return 0, 0, 0, 0


@compiled
def _border_length(lines: NDArray[np.uint8], step: int) -> int:
    """How many lines are uniform in the colour of the first, from the first or from the last on."""
    first = 0 if step == 1 else len(lines) - 1
    colour = _median(lines[first])
    for number in range(len(lines)):
        line = lines[first + step * number]
        uniform = 0
        for pixel in line:
            if abs(np.int32(pixel) - colour) <= TOLERANCE:
                uniform += 1
        if uniform < MIN_UNIFORM * len(line):
            return number
    return len(lines)


@compiled
def _median(line: NDArray[np.uint8]) -> np.int32:
    """The middle value, that of the two middle ones rounded down."""
    histogram = np.zeros(256, np.int32)
    for pixel in line:
        histogram[pixel] += 1
    seen = np.int32(0)
    lower = np.int32(-1)
    for value in range(256):
        seen += histogram[value]
        if lower < 0 and 2 * seen >= len(line):
            lower = np.int32(value)
        if 2 * seen > len(line):
            return np.int32((lower + value) // 2)
    return lower
