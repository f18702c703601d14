"""Broken and hostile picture files: a picture or a rule for each, in bounded time and memory."""

from __future__ import annotations

import time
from collections.abc import Iterable

import pytest
from PIL import Image, ImageOps

from cleaning.hashes import Mode
from cleaning.images.decoding import DecodedImage, ImageFailure, ImageLimits, decode
from cleaning.images.fingerprints import fingerprint_batch
from cleaning.images.rules import IMAGE_RULES
from tests.cleaning.images.mutations import animation, bombs, is_sane, mutated, of_every_kind
from tests.cleaning.memory import peak_mebibytes, reset_peak

RULES = {rule.name for rule in IMAGE_RULES}
LIMITS = ImageLimits(max_pixels=16_000_000)
MOST_SECONDS = 5.0
MODES: tuple[Mode, ...] = ("exact", "reduced")


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    """What compiling on the first use takes is not a file's doing."""
    bordered = ImageOps.expand(Image.effect_noise((90, 70), 9).convert("RGB"), 9)
    found = [decode(data, LIMITS) for data in of_every_kind(bordered).values()]
    fingerprint_batch([image for image in found if isinstance(image, DecodedImage)])


@pytest.fixture(scope="module")
def originals(oscar_photos: list[Image.Image]) -> list[bytes]:
    """A photo in every format; another one as it came."""
    return list(of_every_kind(oscar_photos[0].resize((150, 120))).values())


def survived(files: Iterable[tuple[str, bytes]]) -> dict[str, int]:
    """How many files came to which end; each is a sane picture or a known rule in both modes."""
    ends: dict[str, int] = {}
    for name, data in files:
        kinds = set()
        for mode in MODES:
            begun = time.process_time()
            found = decode(data, LIMITS, mode)
            if isinstance(found, ImageFailure):
                assert found.rule in RULES, name
                assert found.reason, name
                assert " at 0x" not in found.reason, name
                kinds.add(found.rule)
            else:
                assert is_sane(found), name
                prints = fingerprint_batch([found])
                assert prints.luminance_std[0] >= 0, name
                assert (prints.content[0] > 0).all(), name
                kinds.add("picture")
            assert time.process_time() - begun < MOST_SECONDS, name
        assert len(kinds) == 1, (name, kinds)
        end = kinds.pop()
        ends[end] = ends.get(end, 0) + 1
    return ends


def test_some_hundred_broken_files_are_pictures_or_failures(originals: list[bytes]) -> None:
    ends = survived(mutated(originals, 540, seed=20261122))
    # The damage is neither harmless nor total, and each kind of it has its rule.
    assert 50 < ends["picture"] < 400
    assert {"image_truncated_v1", "image_undecodable_v1", "image_not_an_image_v1"} <= set(ends)


def test_bombs_cost_little() -> None:
    for name, bomb in bombs().items():
        reset_peak()
        before = peak_mebibytes()
        ends = survived([(name, bomb)])
        print(name, ends, peak_mebibytes() - before)
        assert peak_mebibytes() - before < 14 * LIMITS.max_pixels / 1024**2, name


def test_of_ten_thousand_frames_one_is_decoded() -> None:
    data = animation(10_000)
    begun = time.process_time()
    found = decode(data, LIMITS)
    assert isinstance(found, DecodedImage)
    assert time.process_time() - begun < 0.5


def test_an_empty_file_and_pages_are_failures() -> None:
    files = [b"", b"\0", b"\xff", b"BM", b"<html></html>", b"RIFF", b"\xff\xd8\xff", b"GIF89a"]
    assert "picture" not in survived((repr(data), data) for data in files)


@pytest.mark.soak
def test_five_thousand_broken_files_are_pictures_or_failures(
    oscar_photos: list[Image.Image], soak_seed: int
) -> None:
    for turn, photo in enumerate(oscar_photos[:5]):
        photo.thumbnail((300, 300))
        files = list(of_every_kind(photo).values())
        print(survived(mutated(files, 1_000, seed=soak_seed + turn)))
