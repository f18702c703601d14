"""Decode the plain JPEGs, which most pictures of a shop are, without Pillow's cost for each file.

In come bytes that begin like a JPEG; out go the pixels that Pillow would give, to the last bit, or
``None`` for everything that is not plain and whole: an EXIF or other profile to heed, CMYK, a
marker out of place, a decoder's complaint. Those go Pillow's way, which says what is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray

_START_OF_SCAN = 0xDA
_FRAMES = frozenset({0xC0, 0xC1, 0xC2})  # baseline, extended, progressive
_TABLES = frozenset({0xC4, 0xDB, 0xDD})
_HARMLESS = frozenset({0xE0, 0xEE, 0xFE})  # JFIF, Adobe, comment; EXIF and XMP are APP1
_APP2 = 0xE2
_ONE_PROFILE = b"ICC_PROFILE\x00\x01\x01"
_SRGB = (b"sRGB", "sRGB".encode("utf-16-be"))


@dataclass(frozen=True)
class _Frame:
    width: int
    height: int


def plain_jpeg(
    data: bytes, max_pixels: int, least_side: int | None = None
) -> tuple[NDArray[np.uint8], int, int] | None:
    """The pixels uint8 (height, width, 3) and the width and height as stored.

    With ``least_side`` they are decoded at 1/2, 1/4 or 1/8, the smallest at which both sides keep
    that many pixels, as Pillow's ``draft`` does.
    """
    frame = _plain_frame(data)
    if frame is None or frame.width * frame.height > max_pixels:
        return None
    scale = 1 if least_side is None else _scale(frame, least_side)
    width, height = -(-frame.width // scale), -(-frame.height // scale)
    try:
        pixels = simplejpeg.decode_jpeg(data, "RGB", min_height=height, min_width=width)
    except (ValueError, RuntimeError):  # strict: libjpeg's warnings too
        return None
    if pixels.shape != (height, width, 3):
        return None
    # Pillow's arrays are read-only, and compiled code is compiled for either kind.
    pixels.setflags(write=False)
    return pixels, frame.width, frame.height


def _scale(frame: _Frame, least_side: int) -> int:
    most = min(frame.width, frame.height) // least_side
    return next((scale for scale in (8, 4, 2) if most >= scale), 1)


def _plain_frame(data: bytes) -> _Frame | None:
    """The frame that the header tells of, if all its segments are such as change no pixel."""
    frame = None
    at, end = 2, len(data) - 20
    while at < end:
        if data[at] != 0xFF:
            return None
        marker = data[at + 1]
        if marker == _START_OF_SCAN:
            return frame
        length = data[at + 2] << 8 | data[at + 3]
        if marker in _FRAMES:
            # Length, 8 bits, and the three components of colour or the one of grey.
            if frame is not None or data[at + 4] != 8 or data[at + 9] not in (1, 3):
                return None
            frame = _Frame(data[at + 7] << 8 | data[at + 8], data[at + 5] << 8 | data[at + 6])
            if not (frame.width and frame.height):
                return None
        elif marker == _APP2:
            profile = data[at + 4 : at + 2 + length]
            if not (profile.startswith(_ONE_PROFILE) and any(name in profile for name in _SRGB)):
                return None
        elif marker not in _TABLES and marker not in _HARMLESS:
            return None
        if length < 2:
            return None
        at += 2 + length
    return None
