"""Decoding under limits: every kind of picture becomes upright sRGB, every broken one a rule."""

import io
import random

import numpy as np
import pytest
from PIL import Image, ImageCms

from cleaning.images.decoding import DecodedImage, ImageFailure, ImageLimits, decode
from cleaning.images.rules import IMAGE_RULES, ImageFacts, ImageThresholds, judge_image

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")


def scene(width: int = 120, height: int = 90) -> Image.Image:
    """An asymmetric textured picture: gradients, waves and a bright corner."""
    y, x = np.mgrid[0:height, 0:width]
    red = 128 + 100 * np.sin(x / 9 + y / 23)
    green = 255 * x / width
    blue = 255 * y / height
    pixels = np.stack((red, green, blue), axis=-1).astype(np.uint8)
    pixels[: height // 4, : width // 3] = (250, 240, 30)
    return Image.fromarray(pixels)


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def pixels_of(data: bytes) -> np.ndarray:
    result = decode(data)
    assert isinstance(result, DecodedImage), result
    assert result.pixels.dtype == np.uint8
    assert result.pixels.shape == (result.height, result.width, 3)
    return result.pixels.astype(int)


@pytest.mark.parametrize("kind", FORMATS)
def test_every_web_format_decodes(kind: str) -> None:
    result = decode(encoded(scene(), kind))
    assert isinstance(result, DecodedImage)
    assert (result.format, result.original_size) == (kind, (120, 90))
    assert np.abs(result.pixels.astype(int) - np.asarray(scene())).mean() < 12


def test_avif_in_a_common_container_decodes() -> None:
    data = encoded(scene(), "AVIF").replace(b"ftypavif", b"ftypmif1", 1)
    result = decode(data)
    assert isinstance(result, DecodedImage), result
    assert result.format == "AVIF"


@pytest.mark.parametrize("mode", ["1", "L", "P", "CMYK", "YCbCr", "LA", "RGBA", "I;16"])
def test_every_mode_becomes_rgb(mode: str) -> None:
    if mode == "I;16":
        image = Image.fromarray(np.asarray(scene().convert("L")).astype(np.uint16) * 257)
    else:
        image = scene().convert(mode)
    kind = "PNG" if mode in ("1", "L", "P", "LA", "RGBA", "I;16") else "TIFF"
    grey = np.asarray(scene().convert("L")).astype(int)
    got = pixels_of(encoded(image, kind)).mean(axis=2)
    assert np.corrcoef(got.ravel(), grey.ravel())[0, 1] > (0.3 if mode == "1" else 0.8)
    if mode == "I;16":
        assert np.abs(got - grey).max() <= 1


def test_transparent_pictures_are_laid_on_white() -> None:
    rgba = scene().convert("RGBA")
    rgba.putalpha(0)
    assert (pixels_of(encoded(rgba)) == 255).all()
    palette = scene().convert("RGB").quantize(8).point(lambda _: 0)
    assert (pixels_of(encoded(palette, "PNG", transparency=0)) == 255).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    got = pixels_of(encoded(scene(), "JPEG", exif=exif, quality=95))
    assert got.shape[:2] == ((90, 120) if orientation < 5 else (120, 90))
    # The bright corner, which the stored picture has at its upper left, ends up here.
    bottom, right = {
        1: (0, 0),
        2: (0, 1),
        3: (1, 1),
        4: (1, 0),
        5: (0, 0),
        6: (0, 1),
        7: (1, 1),
        8: (1, 0),
    }[orientation]
    corner = got[-10 if bottom else 5, -10 if right else 5]
    assert np.abs(corner - (250, 240, 30)).max() < 30


def test_a_foreign_colour_profile_is_converted_and_a_broken_one_ignored() -> None:
    plain = pixels_of(encoded(scene()))
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    for profile in (lab, b"not a profile"):
        result = decode(encoded(scene(), icc_profile=profile))
        assert isinstance(result, DecodedImage)
        assert "".join(result.notes).startswith("colour profile ignored") or profile == lab
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert (pixels_of(encoded(scene(), icc_profile=srgb)) == plain).all()


def test_the_first_frame_of_an_animation_is_taken() -> None:
    frames = [Image.new("RGB", (80, 80), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (pixels_of(data)[40, 40] == (255, 0, 0)).all()


@pytest.mark.parametrize(
    ("data", "rule", "reason"),
    [
        (b"", "image_missing_v1", "no bytes"),
        (b"<!DOCTYPE html><html><body>404</body></html>", "image_not_an_image_v1", "an HTML page"),
        (b'{"error": 404}', "image_not_an_image_v1", "JSON"),
        (b"not found", "image_not_an_image_v1", "plain text"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "image_not_an_image_v1", "SVG"),
        (bytes(range(1, 200)) * 3, "image_not_an_image_v1", "no known image format"),
        (b"\xff\x0a" + b"\x07" * 60, "image_not_an_image_v1", "JPEG XL"),
        (b"\x00\x00\x01\x00\x01" + b"\x10" * 60, "image_not_an_image_v1", "an icon"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 60, "image_undecodable_v1", "HEIF"),
        (b"\xff\xd8\xff\xe0" + b"\x00" * 64 + b"\xff\xd9", "image_undecodable_v1", "JPEG"),
    ],
)
def test_what_is_no_picture_is_named(data: bytes, rule: str, reason: str) -> None:
    failure = decode(data)
    assert isinstance(failure, ImageFailure)
    assert failure.rule == rule
    assert reason in failure.reason


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_files_that_end_early_are_truncated(kind: str) -> None:
    data = encoded(scene(), kind)
    for share in (0.1, 0.5, 0.9):
        failure = decode(data[: int(len(data) * share)])
        assert isinstance(failure, ImageFailure)
        assert failure.rule == "image_truncated_v1", (share, failure)


def test_limits_on_bytes_and_pixels_are_obeyed() -> None:
    data = encoded(scene())
    for limits, rule in (
        (ImageLimits(max_bytes=len(data) - 1), "image_too_many_bytes_v1"),
        (ImageLimits(max_pixels=120 * 90 - 1), "image_too_many_pixels_v1"),
    ):
        failure = decode(data, limits)
        assert isinstance(failure, ImageFailure)
        assert failure.rule == rule
    assert isinstance(decode(data, ImageLimits(len(data), 120 * 90)), DecodedImage)


@pytest.mark.parametrize("side", [10_000, 30_000])
def test_a_decompression_bomb_is_refused_unopened(side: int) -> None:
    header = encoded(Image.new("1", (side, 8)))
    # The IHDR chunk states the height: stretch it, and mend the checksum.
    import zlib

    chunk = header[12:16] + side.to_bytes(4, "big") * 2 + header[24:29]
    bomb = header[:12] + chunk + zlib.crc32(chunk).to_bytes(4, "big") + header[33:]
    failure = decode(bomb)
    assert isinstance(failure, ImageFailure)
    assert failure.rule == "image_too_many_pixels_v1"


def test_mutated_files_never_raise(oscar_jpegs: list[bytes]) -> None:
    chance = random.Random(20260722)
    originals = [*oscar_jpegs[:4], *(encoded(scene(), kind) for kind in FORMATS)]
    rules = {rule.name for rule in IMAGE_RULES}
    failures = 0
    for turn in range(400):
        data = bytearray(chance.choice(originals))
        for _ in range(chance.choice((1, 4, 40))):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        if turn % 3 == 0:
            del data[chance.randrange(len(data)) :]
        result = decode(bytes(data))
        if isinstance(result, ImageFailure):
            failures += 1
            assert result.rule in rules
            assert result.reason
    assert 100 < failures < 400


@pytest.mark.parametrize(
    ("facts", "rules"),
    [
        (ImageFacts(True, None, 75, 75, 40.0), []),
        (ImageFacts(False), ["image_missing_v1"]),
        (ImageFacts(True, ImageFailure("image_truncated_v1", "cut")), ["image_truncated_v1"]),
        (ImageFacts(True, None, 63, 200, 40.0), ["image_too_small_v1"]),
        (ImageFacts(True, None, 64, 64, 40.0), []),
        (ImageFacts(True, None, 501, 100, 40.0), ["image_extreme_aspect_v1"]),
        (ImageFacts(True, None, 500, 100, 40.0), []),
        (ImageFacts(True, None, 200, 200, 0.4), ["image_blank_v1"]),
        (
            ImageFacts(True, None, 600, 10, 0.0),
            ["image_too_small_v1", "image_extreme_aspect_v1", "image_blank_v1"],
        ),
    ],
)
def test_image_rules(facts: ImageFacts, rules: list[str]) -> None:
    assert [verdict.rule for verdict in judge_image(facts, ImageThresholds())] == rules
