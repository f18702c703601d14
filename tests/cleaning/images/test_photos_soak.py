"""Copies are found and variants kept on real photos of two shops."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
from PIL import Image

from cleaning.copies.neighbours import assign_leaders
from cleaning.hashes import Mode
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import FingerprintBatch, fingerprint_batch
from tests.cleaning.images.test_fingerprints import (
    hue_shifted,
    jpeg,
    padded,
    prints_of,
    saved,
    squared,
    thumbnail,
)
from tests.photos import FOLDER

pytestmark = pytest.mark.soak

LEAST_CHROMA = 4.0
"""Mean distance of the a and b channels from grey; a photo below it has no hue to turn."""


@pytest.fixture(scope="module")
def photos(oscar_photos: list[Image.Image]) -> list[Image.Image]:
    """The Oscar shop's, and those of another program."""
    if not FOLDER.is_dir():
        pytest.skip(f"no photos in {FOLDER}; `python -m tests.photos` brings them")
    others = [Image.open(path).convert("RGB") for path in sorted(FOLDER.iterdir())]
    return [*oscar_photos, *others]


def prints(files: list[bytes], mode: Mode) -> FingerprintBatch:
    images = [decode(data, None, mode) for data in files]
    return fingerprint_batch([image for image in images if isinstance(image, DecodedImage)])


def leaders(
    photos: list[Image.Image], change: Callable[[Image.Image], Image.Image], mode: Mode
) -> np.ndarray:
    files = [saved(photo, 92) for photo in photos] + [saved(change(photo)) for photo in photos]
    fixed = np.arange(len(files)) < len(photos)
    return assign_leaders(prints_of(prints(files, mode)), fixed).leader[len(photos) :]


def share_found(
    photos: list[Image.Image], change: Callable[[Image.Image], Image.Image], mode: Mode
) -> float:
    found = float((leaders(photos, change, mode) == np.arange(len(photos))).mean())
    print(f"{len(photos)} photos, {change.__name__}, {mode}: {found:.3f} found")
    return found


def quality_85(photo: Image.Image) -> Image.Image:
    return photo


def quality_50(photo: Image.Image) -> Image.Image:
    return jpeg(photo, 50)


@pytest.mark.parametrize("mode", get_args(Mode))
@pytest.mark.parametrize("change", [quality_85, quality_50, thumbnail])
def test_re_encoded_and_resized_copies_are_found(
    photos: list[Image.Image], change: Callable[[Image.Image], Image.Image], mode: Mode
) -> None:
    assert share_found(photos, change, mode) >= 0.97


@pytest.mark.parametrize("change", [padded, squared])
def test_bordered_copies_are_found(
    photos: list[Image.Image], change: Callable[[Image.Image], Image.Image]
) -> None:
    # What reduced decoding costs on borders is said in ARCHITECTURE.md; here it is only printed.
    share_found(photos, change, "reduced")
    assert share_found(photos, change, "exact") >= 0.97


@pytest.mark.parametrize("mode", get_args(Mode))
def test_hue_shifted_variants_are_kept(photos: list[Image.Image], mode: Mode) -> None:
    coloured = [photo for photo in photos if chroma(photo) >= LEAST_CHROMA]
    kept = float((leaders(coloured, hue_shifted, mode) >= len(coloured)).mean())
    print(f"{len(coloured)} of {len(photos)} photos, {mode}: {kept:.3f} kept")
    assert kept >= 0.95


@pytest.mark.parametrize("mode", get_args(Mode))
def test_no_two_products_are_taken_for_one(photos: list[Image.Image], mode: Mode) -> None:
    batch = prints([saved(photo, 92) for photo in photos], mode)
    found = assign_leaders(prints_of(batch), np.zeros(len(photos), dtype=np.bool_)).leader
    assert (found == np.arange(len(photos))).all()


def chroma(photo: Image.Image) -> float:
    batch = prints([saved(photo, 92)], "exact")
    cells = batch.colour.reshape(16, 3)[:, 1:].astype(float) - 128
    return float(np.hypot(cells[:, 0], cells[:, 1]).mean())
