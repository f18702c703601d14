"""Scenes keep apart as photos do, and hold still under what copies go through."""

import io

import imagehash
import numpy as np
import pytest
from PIL import Image, ImageCms

from demo.scenes import blank, encode, placeholder, render

_SEEDS = range(5000, 5300)


def _phash(image: Image.Image) -> int:
    return int(str(imagehash.phash(image)), 16)


def _decoded(body: bytes) -> Image.Image:
    return Image.open(io.BytesIO(body)).convert("RGB")


def _distance(one: Image.Image, other: Image.Image) -> int:
    return (_phash(one) ^ _phash(other)).bit_count()


def test_unlike_scenes_are_at_least_ten_bits_apart() -> None:
    hashes = np.array([_phash(render(seed, 160, 150)) for seed in _SEEDS], dtype=np.uint64)
    distances = np.bitwise_count(hashes[:, None] ^ hashes[None, :])
    assert distances[np.triu_indices(len(hashes), 1)].min() >= 10


def test_a_hash_survives_recompression_and_shrinking_to_75_pixels() -> None:
    for seed in list(_SEEDS)[:60]:
        original = _decoded(encode(render(seed, 260, 300), "jpeg", 88))
        recompressed = _decoded(encode(original, "jpeg", 60))
        shrunk = original.resize((75, 75), Image.Resampling.LANCZOS)
        assert _distance(original, recompressed) <= 4
        assert _distance(original, _decoded(encode(shrunk, "jpeg", 85))) <= 4


@pytest.mark.parametrize("hue_shift", [110.0, 180.0, 250.0])
def test_a_hue_shift_changes_colours_and_leaves_the_hash(hue_shift: float) -> None:
    to_lab = ImageCms.buildTransform(
        ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), "RGB", "LAB"
    )

    def grid(image: Image.Image) -> np.ndarray:
        small = image.resize((4, 4), Image.Resampling.BOX)
        lab = np.asarray(ImageCms.applyTransform(small, to_lab)).astype(np.int64)
        # Pillow stores a and b as signed bytes.
        lab[..., 1:] = (lab[..., 1:] + 128) % 256
        return lab

    for seed in list(_SEEDS)[:40]:
        scene, variant = render(seed, 240, 260), render(seed, 240, 260, hue_shift)
        assert _distance(scene, variant) <= 6
        assert np.abs(grid(scene) - grid(variant)).max() > 30


def test_a_scene_has_no_uniform_border_and_no_symmetry() -> None:
    for seed in list(_SEEDS)[:40]:
        luma = np.asarray(render(seed, 240, 220).convert("L")).astype(np.float64)
        for edge in (luma[0], luma[-1], luma[:, 0], luma[:, -1]):
            assert edge.std() > 5
        assert np.abs(luma - luma[:, ::-1]).mean() > 8
        assert np.abs(luma - luma[::-1]).mean() > 8


def test_the_same_seed_draws_the_same_bytes() -> None:
    assert encode(render(9, 230, 310), "png", 0) == encode(render(9, 230, 310), "png", 0)
    assert encode(render(9, 230, 310), "png", 0) != encode(render(10, 230, 310), "png", 0)


@pytest.mark.parametrize(("fmt", "name"), [("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP")])
def test_every_format_decodes_as_itself(fmt: str, name: str) -> None:
    image = Image.open(io.BytesIO(encode(render(3, 220, 400), fmt, 80)))  # type: ignore[arg-type]
    assert (image.format, image.size) == (name, (220, 400))


def test_blank_pictures_are_one_colour_and_differ_from_each_other() -> None:
    pictures = [np.asarray(blank(seed, 240, 240)) for seed in range(6)]
    assert all(picture.reshape(-1, 3).std(axis=0).max() < 1.0 for picture in pictures)
    assert len({tuple(np.median(picture, axis=(0, 1))) for picture in pictures}) == 6


def test_the_placeholder_is_a_drawing_and_not_blank() -> None:
    assert np.asarray(placeholder().convert("L")).std() > 5
