"""The fingerprints' benchmark measures what it says, and refuses hashes unlike imagehash's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import pytest
from PIL import Image

from benchmarks import fingerprint
from benchmarks.fingerprint import CHANGES, LEAST_SIDE, TARGETS
from benchmarks.harness import Measurement
from cleaning.hashes import Mode

SCENES = 6


@pytest.fixture
def scenes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Image.Image]:
    """The demo's scenes, as where there is no archive of real photos."""
    monkeypatch.setattr(fingerprint, "ARCHIVE", tmp_path / "none.warc.gz")
    monkeypatch.setattr(fingerprint, "SCENES", SCENES)
    monkeypatch.setattr(fingerprint, "ROUNDS", 1)
    return fingerprint.photos()


def test_without_the_archive_scenes_of_several_shapes_stand_in(scenes: list[Image.Image]) -> None:
    assert len(scenes) == SCENES
    assert min(max(scene.size) for scene in scenes) >= LEAST_SIDE
    assert len({scene.size for scene in scenes}) > 1
    assert scenes[0].tobytes() != scenes[1].tobytes()


@pytest.mark.usefixtures("scenes")
def test_only_the_reduced_mode_of_the_larger_sizes_has_targets() -> None:
    lines = list(fingerprint.measure(full=False))
    speeds = [line for line in lines if line.unit == "ms"]
    assert len(speeds) == len(TARGETS) * len(get_args(Mode))
    aimed = {line.size: line.target for line in speeds if line.target}
    assert [(" 800 px" in size, size.endswith("reduced")) for size in aimed] == [
        (True, True),
        (False, True),
    ]
    assert list(aimed.values()) == ["ratio >= 5", "ratio >= 2.5"]
    equal = [line.ours for line in lines if line.size.endswith("exact: equal hashes")]
    assert equal == [1.0] * len(TARGETS)
    found = [line for line in lines if line.size.endswith(": found")]
    assert len(found) == len(CHANGES) * len(get_args(Mode))
    assert all(0 <= line.ours <= 1 for line in found)


def test_an_exact_hash_that_differs_from_imagehashs_is_an_error(
    scenes: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = fingerprint.by_imagehash

    def one_bit_off(files: Sequence[bytes]) -> list[int]:
        first, *others = right(files)
        return [first ^ 1, *others]

    monkeypatch.setattr(fingerprint, "by_imagehash", one_bit_off)
    files = [fingerprint.encoded(scene) for scene in scenes]
    with pytest.raises(AssertionError, match="exact hashes differ"):
        list[Measurement](fingerprint._speed(files, "scenes", None))
