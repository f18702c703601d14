"""Fingerprints of pictures: two perceptual hashes and a colour signature, over many at once.

In come RGB pixels; out come arrays with one row per picture: ``imagehash.phash`` as an integer,
the same over the border-trimmed picture, for each of the two a 4x4 grid of Lab colours, and the
deviation of the luminance. Hashes are comparable only within one of ``hashes.VERSIONS``.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from cleaning.hashes import COLOUR_BYTES
from cleaning.images.borders import content_box
from cleaning.images.decoding import DecodedImage
from cleaning.images.resampling import Box, cell_means, luminance_of, shrunk

_SIDE = 32
_LOW = 8
_CELLS = 8


@dataclass(frozen=True)
class FingerprintBatch:
    """Fingerprints of N pictures, row by row.

    ``phash`` and ``phash_trim`` are uint64[N]; ``colour`` and ``colour_trim`` uint8[N, 48] (cell
    by cell, each L, a, b scaled to 0..255); ``luminance_std`` is float32[N] (0..127.5, of the
    picture at 32x32); ``content`` int32[N, 2] is the (width, height) inside the uniform border, in
    pixels of the original picture. Colours are compared with the hash of the same picture: a
    thumbnail may lose its thin border and a padded copy gains one, so one signature cannot serve
    both.
    """

    phash: NDArray[np.uint64]
    phash_trim: NDArray[np.uint64]
    colour: NDArray[np.uint8]
    colour_trim: NDArray[np.uint8]
    luminance_std: NDArray[np.float32]
    content: NDArray[np.int32]


def fingerprint_batch(images: Sequence[DecodedImage]) -> FingerprintBatch:
    """Fingerprint decoded pictures, all of one mode.

    Memory beside the pictures is about 4 kB a picture, and twice the largest picture; a few
    hundred make a good batch.
    """
    count = len(images)
    grey = np.empty((2, count, _SIDE, _SIDE), dtype=np.uint8)
    rgb = np.empty((2, count, _CELLS, _CELLS, 3), dtype=np.uint8)
    content = np.empty((count, 2), dtype=np.int32)
    for i, picture in enumerate(images):
        luminance = luminance_of(picture.pixels)
        whole = (0, 0, *luminance.shape)
        box = content_box(luminance)
        content[i] = _content_size(picture, box)
        grey[:, i] = shrunk(luminance, whole, _SIDE, "lanczos")
        rgb[:, i] = cell_means(picture.pixels, whole, _CELLS)
        if box is not None:
            grey[1, i] = shrunk(luminance, box, _SIDE, "lanczos")
            rgb[1, i] = cell_means(picture.pixels, box, _CELLS)
    hashes = hash_luminance(grey.reshape(2 * count, _SIDE, _SIDE)).reshape(2, count)
    colours = colour_signature(rgb.reshape(2 * count, _CELLS, _CELLS, 3))
    deviation = grey[0].reshape(count, _SIDE * _SIDE).std(axis=1, dtype=np.float64)
    return FingerprintBatch(
        phash=hashes[0],
        phash_trim=hashes[1],
        colour=colours[:count],
        colour_trim=colours[count:],
        luminance_std=deviation.astype(np.float32),
        content=content,
    )


def _content_size(picture: DecodedImage, box: Box | None) -> tuple[int, int]:
    """The size inside the box, in pixels of the picture as it was before it was reduced."""
    if box is None:
        return picture.width, picture.height
    height, width, _ = picture.pixels.shape
    left, upper, right, lower = box
    return (
        round((right - left) * picture.width / width),
        round((lower - upper) * picture.height / height),
    )


def hash_luminance(grey: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """The perceptual hashes uint64[N] of uint8[N, 32, 32] luminances, equal to imagehash's.

    Each is ``int(str(imagehash.phash(image)), 16)``. The transform must be ``scipy.fft``'s: as a
    matrix product its last bits differ, and symmetric pictures tie at the median (imagehash 4.3,
    ``phash``; the algorithm is Zauner's, 2010).
    """
    if len(grey) == 0:
        return np.empty(0, dtype=np.uint64)
    rows = scipy.fft.dct(grey.astype(np.float64), axis=1)[:, :_LOW]
    low = scipy.fft.dct(rows, axis=2)[:, :, :_LOW].reshape(len(grey), _LOW * _LOW)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").astype(np.uint64).reshape(len(grey))


def _linear_light() -> NDArray[np.float64]:
    encoded = np.arange(256) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


_LINEAR = _linear_light()
# sRGB to CIE XYZ, each row divided by the D65 white point (IEC 61966-2-1).
_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
) / np.array([[0.95047], [1.0], [1.08883]])


def colour_signature(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Mean CIE Lab of a 4x4 grid, uint8[N, 48], of sRGB uint8[N, 8, 8, 3].

    L is scaled by 255/100, a and b are shifted by 128.
    """
    xyz = _LINEAR[colours] @ _XYZ.T
    cube = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = cube[..., 0], cube[..., 1], cube[..., 2]
    lab = np.stack(((116 * y - 16) * 2.55, 500 * (x - y) + 128, 200 * (y - z) + 128), axis=-1)
    cells = lab.reshape(len(colours), 4, 2, 4, 2, 3).mean(axis=(2, 4))
    signature: NDArray[np.uint8] = np.clip(np.rint(cells), 0, 255).astype(np.uint8)
    return signature.reshape(len(colours), COLOUR_BYTES)
