"""The short way through plain JPEGs gives what Pillow gives, to the last bit, or steps aside."""

import io
import random

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from cleaning.images import decoding
from cleaning.images.decoding import REDUCED_SIDE, DecodedImage, ImageFailure, decode
from cleaning.images.jpegs import plain_jpeg
from tests.cleaning.images.test_decoding import encoded, scene

PLENTY = 10**9


def by_pillow(data: bytes, least_side: int | None = None) -> np.ndarray:
    image = Image.open(io.BytesIO(data))
    if least_side is not None:
        image.draft("RGB", (least_side, least_side))
    return np.asarray(image.convert("RGB"))


def codings() -> list[bytes]:
    """Every way to code a JPEG that shops use, at sizes that fill no block."""
    draw = random.Random(8)
    files = [
        encoded(
            scene(draw.randrange(1, 700), draw.randrange(1, 700)), "JPEG", quality=quality,
            subsampling=subsampling, progressive=progressive, restart_marker_blocks=restart,
        )
        for quality in (30, 85, 100)
        for subsampling in (0, 1, 2)
        for progressive in (False, True)
        for restart in (0, 3)
    ]  # fmt: skip
    return [*files, encoded(scene(301, 207).convert("L"), "JPEG")]


@pytest.mark.parametrize("least_side", [None, REDUCED_SIDE])
def test_pixels_equal_pillows(least_side: int | None, oscar_jpegs: list[bytes]) -> None:
    for data in (*codings(), *oscar_jpegs):
        found = plain_jpeg(data, PLENTY, least_side)
        assert found is not None
        pixels, width, height = found
        assert (width, height) == Image.open(io.BytesIO(data)).size
        assert np.array_equal(pixels, by_pillow(data, least_side))


def test_what_is_not_plain_goes_pillows_way() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    foreign = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    plain = encoded(scene(), "JPEG")
    for data in (
        encoded(scene(), "JPEG", exif=exif),
        encoded(scene(), "JPEG", xmp=b"<x:xmpmeta/>"),
        encoded(scene(), "JPEG", icc_profile=foreign),
        encoded(scene().convert("CMYK"), "JPEG"),
        plain[: len(plain) // 2],
        plain[:2] + b"\x00" + plain[2:],
        plain[:40],
        b"\xff\xd8\xff",
    ):
        assert plain_jpeg(data, PLENTY) is None
    assert plain_jpeg(plain, 120 * 90 - 1) is None
    assert plain_jpeg(plain, 120 * 90) is not None


def test_a_profile_that_says_srgb_is_plain() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    data = encoded(scene(), "JPEG", icc_profile=profile)
    found = plain_jpeg(data, PLENTY)
    assert found is not None
    assert np.array_equal(found[0], by_pillow(data))


@pytest.mark.parametrize("count", [600, pytest.param(12_000, marks=pytest.mark.soak)])
def test_damaged_files_get_pillows_verdict(count: int, monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(5)
    small = [data for data in codings() if len(data) < 20_000]
    small += [encoded(ImageOps.contain(scene(), (99, 99)), "JPEG", progressive=True)]
    accepted = 0
    for turn in range(count):
        data = bytearray(draw.choice(small))
        for _ in range(draw.choice((0, 1, 1, 4, 40))):
            # Half of the damage goes to the headers.
            place = draw.randrange(len(data) if draw.random() < 0.5 else min(700, len(data)))
            data[place] = draw.choice((data[place] ^ 1 << draw.randrange(8), 0xFF))
        if turn % 4 == 0:
            del data[draw.randrange(len(data)) :]
        mode = draw.choice(("exact", "reduced"))
        side = REDUCED_SIDE if mode == "reduced" else None
        accepted += plain_jpeg(bytes(data), decoding.ImageLimits().max_pixels, side) is not None
        ours = decode(bytes(data), None, mode)
        with monkeypatch.context() as patch:
            patch.setattr(decoding, "plain_jpeg", lambda *_: None)
            pillows = decode(bytes(data), None, mode)
        if isinstance(pillows, ImageFailure):
            assert ours == pillows
        else:
            assert isinstance(ours, DecodedImage)
            assert np.array_equal(ours.pixels, pillows.pixels)
            assert (ours.width, ours.height) == (pillows.width, pillows.height)
    assert count / 10 < accepted < count * 0.9
