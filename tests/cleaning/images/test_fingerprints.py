"""Fingerprints equal imagehash's, and tell copies from variants on real photos."""

import io
from collections.abc import Callable, Sequence
from typing import get_args

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageOps

from cleaning.copies.neighbours import Fingerprints, assign_leaders
from cleaning.hashes import VERSIONS, Mode, is_degenerate
from cleaning.images.borders import content_box
from cleaning.images.decoding import REDUCED_SIDE, DecodedImage, decode
from cleaning.images.fingerprints import FingerprintBatch, fingerprint_batch
from cleaning.images.resampling import luminance_of, shrunk

Change = Callable[[Image.Image], Image.Image]


def jpeg(image: Image.Image, quality: int = 85) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(io.BytesIO(buffer.getvalue())).convert("RGB")


def thumbnail(image: Image.Image) -> Image.Image:
    small = image.copy()
    small.thumbnail((75, 75))
    return small


def padded(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, (image.width // 20, image.height // 20), "white")


def squared(image: Image.Image) -> Image.Image:
    return ImageOps.pad(image, (max(image.size),) * 2, color="white")


def on_white(image: Image.Image) -> Image.Image:
    """The picture as a product cut out on a white ground, off the centre."""
    ground = Image.new("RGB", (image.width * 4 // 3, image.height * 4 // 3), "white")
    ground.paste(image, (image.width // 8, image.height // 5))
    return ground


def hue_shifted(image: Image.Image) -> Image.Image:
    hue, saturation, value = image.convert("HSV").split()
    turned = hue.point([(level + 60) % 256 for level in range(256)])
    return Image.merge("HSV", (turned, saturation, value)).convert("RGB")


def saved(image: Image.Image, quality: int = 85) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def fingerprinted(files: Sequence[bytes], mode: Mode = "exact") -> FingerprintBatch:
    images = [decode(data, mode=mode) for data in files]
    assert all(isinstance(image, DecodedImage) for image in images)
    return fingerprint_batch([image for image in images if isinstance(image, DecodedImage)])


def unstored(pixels: np.ndarray) -> DecodedImage:
    """Pixels as if decoded without loss."""
    height, width, _ = pixels.shape
    return DecodedImage(pixels, "PNG", (width, height), width, height)


def reference(image: Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def prints_of(batch: FingerprintBatch) -> Fingerprints:
    # All titles alike: what is measured is what pictures alone decide.
    sketch = np.ones((len(batch.phash), 32), dtype=np.uint8)
    return Fingerprints(batch.phash, batch.phash_trim, batch.colour, batch.colour_trim, sketch)


def leaders_of_copies(
    photos: list[Image.Image], change: Change, mode: Mode = "exact"
) -> np.ndarray:
    """The leaders that changed photos get behind their originals."""
    files = [saved(photo, 92) for photo in photos] + [saved(change(photo)) for photo in photos]
    fixed = np.arange(2 * len(photos)) < len(photos)
    return assign_leaders(prints_of(fingerprinted(files, mode)), fixed).leader[len(photos) :]


def share_found(photos: list[Image.Image], change: Change, mode: Mode = "exact") -> float:
    return float((leaders_of_copies(photos, change, mode) == np.arange(len(photos))).mean())


def test_hashes_of_real_photos_equal_imagehash(oscar_jpegs: list[bytes]) -> None:
    batch = fingerprinted(oscar_jpegs)
    expected = [reference(Image.open(io.BytesIO(data))) for data in oscar_jpegs]
    assert batch.phash.tolist() == expected
    assert not is_degenerate(batch.phash).any()
    assert batch.luminance_std.min() > 7


def test_reduced_hashes_equal_imagehash_of_a_draft(oscar_jpegs: list[bytes]) -> None:
    expected = []
    for data in oscar_jpegs:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (REDUCED_SIDE, REDUCED_SIDE))
        expected.append(reference(image))
    assert fingerprinted(oscar_jpegs, "reduced").phash.tolist() == expected


def test_the_trimmed_hash_equals_imagehash_of_the_crop(oscar_photos: list[Image.Image]) -> None:
    framed = [padded(photo) for photo in oscar_photos[:20]]
    boxes = [content_box(luminance_of(np.asarray(image))) for image in framed]
    expected = [reference(image.crop(box)) for image, box in zip(framed, boxes, strict=True)]
    batch = fingerprint_batch([unstored(np.asarray(image)) for image in framed])
    assert batch.phash_trim.tolist() == expected
    sizes = [(right - left, lower - upper) for left, upper, right, lower in filter(None, boxes)]
    assert batch.content.tolist() == [list(size) for size in sizes]


@pytest.mark.parametrize("side", [8, 32])
def test_shrinking_is_pillows_to_the_last_bit(side: int) -> None:
    draw = np.random.default_rng(5)
    for height, width in draw.integers(1, 300, (120, 2)):
        grey = draw.integers(0, 256, (int(height), int(width)), dtype=np.uint8)
        expected = np.asarray(Image.fromarray(grey).resize((side, side), Image.Resampling.LANCZOS))
        plane = np.ascontiguousarray(grey.T)
        assert (shrunk(plane, (0, 0, *plane.shape), side, "lanczos") == expected).all()


def symmetric_pictures() -> list[Image.Image]:
    y, x = np.mgrid[0:96, 0:96]
    patterns = [
        *(np.where((x // period) % 2, 255, 0) for period in (2, 3, 4, 6, 8, 12, 16, 24, 48)),
        *(np.where((x // period + y // period) % 2, 255, 0) for period in (4, 8, 12, 24, 48)),
        *(np.where((x - 48) ** 2 + (y - 48) ** 2 < radius**2, 0, 255) for radius in (8, 20, 40)),
        np.full_like(x, 255),
        np.zeros_like(x),
        np.abs(x - 47.5) * 5,
    ]
    return [Image.fromarray(pattern.astype(np.uint8)) for pattern in patterns]


def test_hashes_of_symmetric_and_random_pictures_equal_imagehash() -> None:
    draw = np.random.default_rng(3)
    random = [
        Image.fromarray(draw.integers(0, 256, (int(h), int(w), 3), dtype=np.uint8))
        for h, w in draw.integers(1, 130, (60, 2))
    ]
    pictures = [*symmetric_pictures(), *random]
    batch = fingerprint_batch([unstored(np.array(p.convert("RGB"))) for p in pictures])
    assert batch.phash.tolist() == [reference(picture) for picture in pictures]


def test_a_picture_has_the_same_fingerprint_alone_and_in_a_batch(
    oscar_photos: list[Image.Image],
) -> None:
    images = [unstored(np.asarray(photo)) for photo in oscar_photos[:7]]
    together = fingerprint_batch(images)
    for i, image in enumerate(images):
        alone = fingerprint_batch([image])
        for name in ("phash", "phash_trim", "colour", "colour_trim", "luminance_std"):
            assert (getattr(alone, name)[0] == getattr(together, name)[i]).all()


def test_an_empty_batch_is_empty() -> None:
    batch = fingerprint_batch([])
    assert batch.phash.shape == (0,)
    assert batch.colour.shape == (0, 48)


@pytest.mark.parametrize(
    "change",
    [
        *(lambda photo: photo, lambda photo: jpeg(photo, 50), thumbnail, padded, squared),
        lambda photo: ImageOps.expand(photo, 20, "black"),
        lambda photo: jpeg(padded(photo), 60),
    ],
    ids=[
        "same",
        "quality 50",
        "75 px",
        "5 % white",
        "squared",
        "black frame",
        "padded twice coded",
    ],
)
def test_copies_of_real_photos_are_found(oscar_photos: list[Image.Image], change: Change) -> None:
    assert share_found(oscar_photos[::2], change) >= 0.97


@pytest.mark.parametrize("change", [thumbnail, padded, squared], ids=["75 px", "5 %", "squared"])
def test_copies_of_cut_out_products_are_found(
    oscar_photos: list[Image.Image], change: Change
) -> None:
    products = [jpeg(on_white(photo), 92) for photo in oscar_photos[::3]]
    assert share_found(products, change) >= 0.95


@pytest.mark.parametrize(
    ("change", "least"),
    [
        (lambda photo: jpeg(photo, 50), 0.97),
        (thumbnail, 0.97),
        # A border's edge comes to lie within a pixel: the price of the mode, measured.
        (padded, 0.9),
        (squared, 0.9),
    ],
    ids=["quality 50", "75 px", "5 % white", "squared"],
)
def test_copies_are_found_at_reduced_scale(
    oscar_photos: list[Image.Image], change: Change, least: float
) -> None:
    assert share_found(oscar_photos, change, "reduced") >= least


@pytest.mark.parametrize("mode", get_args(Mode))
def test_hue_shifted_variants_are_kept(oscar_photos: list[Image.Image], mode: Mode) -> None:
    variants = leaders_of_copies(oscar_photos, hue_shifted, mode)
    assert (variants >= len(oscar_photos)).mean() >= 0.95


@pytest.mark.parametrize("mode", get_args(Mode))
def test_no_two_products_are_taken_for_one(oscar_photos: list[Image.Image], mode: Mode) -> None:
    prints = prints_of(fingerprinted([saved(photo, 92) for photo in oscar_photos], mode))
    leaders = assign_leaders(prints, np.zeros(len(oscar_photos), dtype=np.bool_)).leader
    assert (leaders == np.arange(len(oscar_photos))).all()


def test_borders_within_borders_are_taken_off() -> None:
    draw = np.random.default_rng(4)
    grey = draw.integers(0, 256, (60, 80)).astype(np.uint8)
    framed = np.pad(np.pad(grey, 5, constant_values=90), ((20, 0), (3, 7)), constant_values=255)
    assert content_box(framed.T.copy()) == (8, 25, 88, 85)
    assert content_box(grey.T.copy()) is None


def test_a_border_around_next_to_nothing_is_left() -> None:
    draw = np.random.default_rng(4)
    speck = draw.integers(0, 256, (20, 20)).astype(np.uint8)
    assert content_box(np.pad(speck, 200, constant_values=255)) is None
    assert content_box(np.full((100, 100), 255, dtype=np.uint8)) is None
    assert content_box(np.zeros((3, 200), dtype=np.uint8)) is None


def test_blank_pictures_are_degenerate_and_flat() -> None:
    batch = fingerprinted(
        [saved(Image.new("RGB", (220, 220), "white")), saved(Image.new("RGB", (75, 75)))]
    )
    assert is_degenerate(batch.phash).all()
    assert batch.luminance_std.max() < 0.5


def test_colour_signatures_are_lab() -> None:
    white_and_red = [np.full((64, 64, 3), rgb, np.uint8) for rgb in ((255, 255, 255), (255, 0, 0))]
    batch = fingerprint_batch([unstored(pixels) for pixels in white_and_red])
    assert (batch.colour.reshape(2, 16, 3)[0] == (255, 128, 128)).all()
    # CIE Lab of sRGB red is (53.2, 80.1, 67.2).
    assert (batch.colour.reshape(2, 16, 3)[1] == (136, 208, 195)).all()


@pytest.mark.parametrize("mode", get_args(Mode))
def test_the_version_names_algorithm_resampling_and_mode(mode: Mode) -> None:
    for part in ("phash", "lanczos", mode, "trim", "lab"):
        assert part in VERSIONS[mode]
