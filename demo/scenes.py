"""Generated product pictures: asymmetric, textured scenes whose differences are those of photos.

A scene seed and a size come in, a Pillow image goes out; nothing is read from disk. Luminance is a
random low-frequency field with shapes and grain over it, so perceptual hashes of two scenes differ
as those of two photos do; colour lies in the chroma planes alone, so a hue rotation leaves them.
"""

import io
import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

ImageFormat = Literal["jpeg", "png", "webp"]
Plane = NDArray[np.float32]

# imagehash.phash thresholds the 8 x 8 lowest DCT frequencies; the field fills exactly these.
_FREQUENCIES = 8
_FIELD_SPREAD = 26.0
_MEAN_LUMA = 132.0
# Luma stays clear of black and white: at the ends of the range there is no room for chroma, and a
# hue rotation would change the luminance after clipping.
_LUMA_RANGE = (46.0, 214.0)
_CHROMA = 44.0
_GRAIN = 4.0


def render(scene_seed: int, width: int, height: int, hue_shift: float = 0.0) -> Image.Image:
    """Draw scene `scene_seed` at `width` x `height` pixels as an RGB image.

    The composition is laid out in fractions of the size, so one seed shows the same scene at every
    size. `hue_shift` (degrees) rotates every colour and leaves the luminance as it is.
    """
    rng = np.random.default_rng(scene_seed)
    luma = _field(rng, width, height)
    red, blue = _background_chroma(rng, width, height)
    for _ in range(int(rng.integers(5, 9))):
        _paint_shape(rng, luma, red, blue)
    luma += rng.standard_normal((height, width), dtype=np.float32) * _GRAIN
    angle = math.radians(hue_shift)
    cosine, sine = np.float32(math.cos(angle)), np.float32(math.sin(angle))
    turned_blue = blue * cosine - red * sine
    turned_red = blue * sine + red * cosine
    planes = np.empty((height, width, 3), dtype=np.uint8)
    planes[..., 0] = np.clip(luma, *_LUMA_RANGE)
    planes[..., 1] = turned_blue + 128.0
    planes[..., 2] = turned_red + 128.0
    return Image.fromarray(planes, "YCbCr").convert("RGB")


def encode(image: Image.Image, fmt: ImageFormat, quality: int) -> bytes:
    """Encode an image; `quality` (1 to 100) applies to JPEG and WebP, PNG is lossless."""
    buffer = io.BytesIO()
    if fmt == "png":
        # Level 1: grain hardly compresses, and higher levels cost five times as long.
        image.save(buffer, "PNG", compress_level=1)
    elif fmt == "webp":
        image.save(buffer, "WEBP", quality=quality, method=1)
    else:
        image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def blank(scene_seed: int, width: int, height: int) -> Image.Image:
    """One colour all over; every other seed carries grain of a level or two, as a scan would."""
    rng = np.random.default_rng(scene_seed)
    colour = rng.integers(20, 256, 3)
    planes = np.broadcast_to(colour, (height, width, 3)).astype(np.int16)
    if scene_seed % 2:
        planes = planes + rng.integers(-1, 2, (height, width, 1), dtype=np.int16)
    return Image.fromarray(np.clip(planes, 0, 255).astype(np.uint8), "RGB")


def placeholder(side: int = 300) -> Image.Image:
    """The "no picture yet" drawing of shop B: a grey card with a hill, a sun and two text bars."""
    image = Image.new("RGB", (side, side), (238, 238, 238))
    draw = ImageDraw.Draw(image)
    unit = side / 100

    def box(*corners: float) -> tuple[float, ...]:
        return tuple(corner * unit for corner in corners)

    draw.rectangle(box(18, 16, 78, 62), outline=(176, 176, 176), width=max(2, side // 60))
    draw.polygon(box(21, 60, 41, 32, 55, 52, 62, 44, 75, 60), fill=(198, 198, 198))
    draw.ellipse(box(60, 22, 70, 32), fill=(214, 206, 180))
    draw.rectangle(box(18, 70, 66, 75), fill=(205, 205, 205))
    draw.rectangle(box(18, 80, 44, 85), fill=(216, 216, 216))
    return image


def _basis(length: int) -> Plane:
    """DCT-II basis vectors of the lowest frequencies, shape (length, 8)."""
    places = (np.arange(length, dtype=np.float32) + 0.5) * np.float32(math.pi / length)
    return np.cos(np.outer(places, np.arange(_FREQUENCIES, dtype=np.float32))).astype(np.float32)


def _field(rng: np.random.Generator, width: int, height: int) -> Plane:
    """A random field of low frequencies, shape (height, width), mean and spread set above.

    Coefficients keep away from zero: one near the median would flip its hash bit with every
    re-encoding. They fall off with frequency, as in photos, but slowly enough to stay clear of
    what shapes and grain add.
    """
    sign = rng.choice(np.array([-1.0, 1.0]), (_FREQUENCIES, _FREQUENCIES))
    size = rng.uniform(0.7, 1.3, (_FREQUENCIES, _FREQUENCIES))
    order = np.add.outer(np.arange(_FREQUENCIES), np.arange(_FREQUENCIES))
    coefficients = sign * size / (1.0 + 0.12 * order)
    coefficients[0, 0] = 0.0
    # einsum and not `@`: BLAS threads cost more than they save on matrices this small (15 ms
    # against 3), and their number could change the last bits of a picture.
    rows = np.einsum("hu,uv->hv", _basis(height), coefficients.astype(np.float32))
    field = np.einsum("vh,vw->hw", rows.T.copy(), _basis(width).T.copy())
    spread = _FIELD_SPREAD / float(field.std())
    return np.asarray(field * np.float32(spread) + np.float32(_MEAN_LUMA), dtype=np.float32)


def _background_chroma(rng: np.random.Generator, width: int, height: int) -> tuple[Plane, Plane]:
    """Red and blue chroma of a background whose hue drifts along one direction."""
    hue, drift = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(-0.9, 0.9)
    slope = rng.uniform(-1.0, 1.0)
    down = np.linspace(0.0, 1.0, height, dtype=np.float32)[:, None]
    along = np.linspace(0.0, 1.0, width, dtype=np.float32)[None, :]
    angle = np.float32(hue) + np.float32(drift) * (along + np.float32(slope) * down)
    return (np.float32(_CHROMA) * np.sin(angle), np.float32(_CHROMA) * np.cos(angle))


def _paint_shape(rng: np.random.Generator, luma: Plane, red: Plane, blue: Plane) -> None:
    """Lay one polygon or ellipse over the planes: its own hue, a shading that runs across it."""
    height, width = luma.shape
    centre = rng.uniform(0.08, 0.92, 2)
    reach = rng.uniform(0.08, 0.26)
    corners = int(rng.integers(3, 8))
    turn = np.sort(rng.uniform(0.0, 2.0 * math.pi, corners))
    radius = reach * rng.uniform(0.6, 1.0, corners)
    contrast, shading = rng.uniform(-20.0, 20.0), rng.uniform(-26.0, 26.0)
    hue, strength = rng.uniform(0.0, 2.0 * math.pi), rng.uniform(0.5, 1.0) * _CHROMA
    left, right = _span(centre[0] - reach, centre[0] + reach, width)
    top, bottom = _span(centre[1] - reach, centre[1] + reach, height)
    stencil = Image.new("1", (right - left, bottom - top))
    draw = ImageDraw.Draw(stencil)
    if corners == 7:
        draw.ellipse((0, 0, right - left - 1, bottom - top - 1), fill=1)
    else:
        across = (centre[0] + radius * np.cos(turn)) * width - left
        downward = (centre[1] + radius * np.sin(turn)) * height - top
        draw.polygon(list(np.column_stack((across, downward)).ravel().tolist()), fill=1)
    inside = np.asarray(stencil)
    part = (slice(top, bottom), slice(left, right))
    ramp = np.linspace(-0.5, 0.5, right - left, dtype=np.float32)[None, :]
    shade = np.float32(contrast) + np.float32(shading) * ramp
    luma[part] += np.where(inside, shade, np.float32(0.0))
    red[part][inside] = np.float32(strength * math.sin(hue))
    blue[part][inside] = np.float32(strength * math.cos(hue))


def _span(low: float, high: float, length: int) -> tuple[int, int]:
    """The pixels between two fractions of a length, cut to the image, at least two of them."""
    first = max(0, min(length - 2, round(low * length)))
    return first, max(first + 2, min(length, round(high * length)))
