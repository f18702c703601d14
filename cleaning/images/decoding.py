"""Turn origin bytes into RGB pixels under limits, or say by which rule they are refused.

In come bytes from the network, hostile ones included; out goes a ``DecodedImage`` or an
``ImageFailure``. No input raises. Only the first frame of an animation is decoded.
"""

import re
import struct
import warnings
import zlib
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

from cleaning.hashes import Mode
from cleaning.images.jpegs import plain_jpeg
from cleaning.images.signs import looks_truncated, what_it_is_instead
from runtime.imagetypes import sniff

REDUCED_SIDE = 64
"""The shorter side that a reduced picture keeps at least."""


@dataclass(frozen=True)
class ImageLimits:
    """What one image may cost: bytes on the wire, pixels in memory (64 M pixels are 192 MB) and
    seconds of processor time, which the caller of ``decode`` keeps.

    Fetch has a bound of its own on bytes, and this is the largest that it can be given.
    """

    max_bytes: int = 256 * 1024 * 1024
    max_pixels: int = 64_000_000
    max_seconds: float = 20.0


@dataclass(frozen=True)
class DecodedImage:
    """Upright sRGB pixels, uint8 of shape (height, width, 3), and what they came from.

    The pixels are fewer than the picture's in the reduced mode; ``width`` and ``height`` are the
    picture's own, after EXIF orientation; ``original_size`` is (width, height) as stored, before
    it; ``notes`` name what was ignored on the way (a broken colour profile, unreadable EXIF).
    """

    pixels: NDArray[np.uint8]
    format: str
    original_size: tuple[int, int]
    width: int
    height: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ImageFailure:
    """Bytes that gave no picture: the versioned rule, and the reason in words."""

    rule: str
    reason: str


# What Pillow's decoders and parsers raise on broken files: OSError (UnidentifiedImageError is
# one) and SyntaxError by design, the others escape from header parsing of mutated files.
# Programming errors such as NameError are not among them.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    TypeError,
    AttributeError,
    AssertionError,
    OverflowError,
    ZeroDivisionError,
    RuntimeError,
    struct.error,
    zlib.error,
)

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = frozenset({5, 6, 7, 8})
_EXIF_ORIENTATION = 0x0112

# Where an object lies in memory ("cannot identify image file <_io.BytesIO object at 0x7f…>") is
# another thing in every process, and the words are recorded.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def decode(
    data: bytes, limits: ImageLimits | None = None, mode: Mode = "exact"
) -> DecodedImage | ImageFailure:
    """Decode ``data`` to upright sRGB pixels laid on white, or name the rule it breaks."""
    limits = limits or ImageLimits()
    if not data:
        return ImageFailure("image_missing_v1", "the response had no bytes")
    if len(data) > limits.max_bytes:
        return ImageFailure(
            "image_too_many_bytes_v1", f"{len(data)} bytes, at most {limits.max_bytes} allowed"
        )
    kind = sniff(data)
    if kind is None:
        return ImageFailure("image_not_an_image_v1", what_it_is_instead(data))
    if kind == "HEIF":
        return ImageFailure("image_undecodable_v1", "HEIF, which no decoder here reads")
    if kind == "JPEG":
        plain = plain_jpeg(data, limits.max_pixels, REDUCED_SIDE if mode == "reduced" else None)
        if plain is not None:
            pixels, width, height = plain
            return DecodedImage(pixels, kind, (width, height), width, height)
    try:
        return _decode(data, kind, limits, mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        return ImageFailure("image_too_many_pixels_v1", str(error))
    except DECODER_ERRORS as error:
        words = _ADDRESS.sub("", str(error))
        reason = f"{kind}: {type(error).__name__}: {words}"[:300]
        if "truncated" in reason.lower() or looks_truncated(data, kind):
            return ImageFailure("image_truncated_v1", reason)
        return ImageFailure("image_undecodable_v1", reason)


def _decode(data: bytes, kind: str, limits: ImageLimits, mode: Mode) -> DecodedImage | ImageFailure:
    notes: list[str] = []
    with warnings.catch_warnings():
        # Pillow only warns between its own limit and twice that; here both are refusals.
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        # Other warnings (corrupt EXIF and the like) say nothing that the caller could act on.
        warnings.simplefilter("ignore", UserWarning)
        # Naming the one plugin keeps Pillow's rarer parsers out of reach of hostile bytes.
        with Image.open(BytesIO(data), formats=(kind,)) as opened:
            width, height = opened.size
            if width * height > limits.max_pixels:
                return ImageFailure(
                    "image_too_many_pixels_v1",
                    f"{width}x{height} pixels, at most {limits.max_pixels} allowed",
                )
            if mode == "reduced" and kind == "JPEG":
                opened.draft(None, (REDUCED_SIDE, REDUCED_SIDE))
            opened.load()
            orientation = _orientation(opened, notes)
            image = _to_srgb(opened, notes)
    upright = (height, width) if orientation in _SIDEWAYS else (width, height)
    if orientation in _TRANSPOSITIONS:
        image = image.transpose(_TRANSPOSITIONS[orientation])
    pixels = np.asarray(image, dtype=np.uint8)
    return DecodedImage(pixels, kind, (width, height), *upright, tuple(notes))


def _orientation(image: Image.Image, notes: list[str]) -> int:
    try:
        return int(image.getexif().get(_EXIF_ORIENTATION, 1))
    except DECODER_ERRORS as error:
        notes.append(f"EXIF ignored: {type(error).__name__}")
        return 1


def _to_srgb(image: Image.Image, notes: list[str]) -> Image.Image:
    profile = image.info.get("icc_profile")
    if image.mode == "RGB" and not profile and "transparency" not in image.info:
        return image
    if image.mode.startswith(("I", "F")):
        return _from_deep_grey(image)
    if image.mode == "CMYK":
        return _from_profile(image, profile, notes) or image.convert("RGB")
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        white = Image.new("RGBA", layers.size, (255, 255, 255, 255))
        image = Image.alpha_composite(white, layers).convert("RGB")
    elif image.mode not in ("RGB", "L"):
        image = image.convert("RGB")
    return _from_profile(image, profile, notes) or image.convert("RGB")


def _from_deep_grey(image: Image.Image) -> Image.Image:
    """16-bit, 32-bit and float greys scaled to 8 bits: by 256 for 16 bits, else by the maximum."""
    values = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    values = np.clip(values, 0.0, None)
    brightest = float(values.max(initial=0.0))
    if image.mode.startswith("I;16") or 255 < brightest <= 65535:
        values = np.floor(values / 256)
    elif brightest > 255 or (image.mode == "F" and 0 < brightest <= 1):
        values = values * (255.0 / brightest)
    return Image.fromarray(values.astype(np.uint8)).convert("RGB")


def _from_profile(
    image: Image.Image, profile: bytes | None, notes: list[str]
) -> Image.Image | None:
    """The image in sRGB; ``None`` if it has no other profile or the profile does not work."""
    if not profile or b"sRGB" in profile or "sRGB".encode("utf-16-be") in profile:
        return None
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        return ImageCms.profileToProfile(
            image, source, ImageCms.createProfile("sRGB"), outputMode="RGB"
        )
    except (ImageCms.PyCMSError, *DECODER_ERRORS) as error:
        notes.append(f"colour profile ignored: {type(error).__name__}")
        return None
