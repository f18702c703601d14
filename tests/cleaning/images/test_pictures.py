"""Pictures that end their decoder: each costs itself, whatever works on them and how many do."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cleaning.hashes import Mode
from cleaning.images.decoding import ImageLimits
from cleaning.images.pictures import BATCH_PIXELS, Picture, pictures_of
from cleaning.stage import clean
from runtime.executor import WorkerPool
from runtime.image_index import ImagePlace
from runtime.workspace import Run
from tests.cleaning.copies.judged_run import ThisProcess
from tests.cleaning.images.mutations import mutated, of_every_kind, saved, slow_jpeg
from tests.cleaning.images.pictured_run import PART_ROWS, context_of, make_run
from tests.cleaning.memory import peak_mebibytes, reset_peak
from tests.integration.commands import mep3m

MARK = b"here the decoder reads at address 0"
# What a broken decoder does, in every process that is started: a real segmentation fault. It
# leaves no core file behind.
BROKEN_DECODER = f"""
import ctypes, resource
import PIL.Image, simplejpeg
def broken(sound):
    def decoder(file, *arguments, **options):
        if {MARK!r} in (file if isinstance(file, bytes) else file.getvalue()):
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            ctypes.string_at(0)
        return sound(file, *arguments, **options)
    return decoder
PIL.Image.open = broken(PIL.Image.open)
simplejpeg.decode_jpeg = broken(simplejpeg.decode_jpeg)
"""
SLOW, CRASHING = PART_ROWS - 1, 2 * PART_ROWS - 1  # the last of two parts
RECORDS = 2 * PART_ROWS
SETTINGS = "max_image_seconds = 0.5"  # ordinary pictures take a hundredth of it, the slow one 3 s


@pytest.fixture(scope="module")
def photo(oscar_photos: list[Image.Image]) -> Image.Image:
    return oscar_photos[0].resize((150, 120))


@pytest.fixture
def broken_decoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BROKEN_DECODER)
    paths = [str(folder), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))
    # The server that workers are forked from has the environment that it was started in.
    forkserver._forkserver._stop()  # type: ignore[attr-defined]
    yield
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def harmless(photo: Image.Image) -> list[bytes]:
    return [saved(photo.rotate(23 * n), "JPEG") for n in range(RECORDS)]


def with_killers(photo: Image.Image) -> list[bytes]:
    pictures = harmless(photo)
    pictures[SLOW] = slow_jpeg()
    pictures[CRASHING] += MARK
    return pictures


def cleaned(run: Run) -> dict[str, dict[str, Any]]:
    rows = [row for name in run.cleaned.names() for row in run.cleaned.read(name).to_pylist()]
    return {row["record_id"]: row for row in rows}


def refusals(run: Run) -> dict[str, tuple[str, str]]:
    """Rule and words for every record that is refused."""
    folder = run.decisions("clean")
    rows = [row for name in folder.names() for row in folder.read(name).to_pylist()]
    return {
        row["record_id"]: (row["rule"], row["value"])
        for row in rows
        if row["verdict"] == "rejected"
    }


def digests(run: Run) -> dict[str, str]:
    """Every file that `clean` made."""
    paths = [
        folder.path(name)
        for folder in (run.cleaned, run.decisions("clean"))
        for name in folder.names()
    ]
    return {
        str(path.relative_to(run.folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
    }


def test_pictures_that_kill_their_decoder_cost_only_their_records(
    photo: Image.Image, tmp_path: Path, broken_decoder: None
) -> None:
    pictures = with_killers(photo)
    by_two = make_run(tmp_path / "two", pictures, workers=2, settings=SETTINGS)
    said = mep3m("clean", "--config", tmp_path / "two" / "mep3m.toml", "--json")
    assert said.status == 0, said.err
    assert said.json["stages"]["clean"]["kept"] == RECORDS - 2
    assert "Traceback" not in said.err
    assert refusals(by_two) == {
        f"s:{SLOW:04d}": (
            "image_too_slow_v1",
            "decoding it took more than 0.5 s of processor time",
        ),
        f"s:{CRASHING:04d}": (
            "image_kills_decoder_v1",
            "decoding it ends its process by SIGSEGV",
        ),
    }

    by_one = make_run(tmp_path / "one", pictures, settings=SETTINGS)
    with WorkerPool(1) as pool:
        clean(context_of(tmp_path / "one", pool))
    assert digests(by_one) == digests(by_two)

    undisturbed = make_run(tmp_path / "undisturbed", harmless(photo), settings=SETTINGS)
    clean(context_of(tmp_path / "undisturbed", ThisProcess(1)))
    expected, got = cleaned(undisturbed), cleaned(by_two)
    for number in (SLOW, CRASHING):
        del expected[f"s:{number:04d}"], got[f"s:{number:04d}"]
    assert got == expected


def places_of(run: Run) -> Sequence[ImagePlace]:
    (part,) = run.images.names()
    rows = run.images.read(part, ["sha256"])["sha256"].to_pylist()
    return [ImagePlace("ok", part, row, sha256) for row, sha256 in enumerate(rows)]


def both_ways(run: Run, mode: Mode) -> tuple[dict[tuple[str, int], Picture], ...]:
    """The pictures of a run, decoded in a batch here and one by one apart."""
    places, limits = places_of(run), ImageLimits()
    return tuple(
        pictures_of(run, places, limits, mode, careful=careful) for careful in (False, True)
    )


def test_what_is_decoded_apart_is_the_same_to_the_bit(photo: Image.Image, tmp_path: Path) -> None:
    sound = list(of_every_kind(photo).values())
    broken = [data for _, data in mutated(sound, 60, seed=5)]
    run = make_run(tmp_path, [*sound, *harmless(photo), *broken])
    here, apart = both_ways(run, "exact")
    assert here == apart
    assert list(here) == list(apart)
    assert sum(picture.phash is not None for picture in here.values()) > len(sound)


def test_memory_that_is_refused_costs_the_picture_that_wanted_it(
    photo: Image.Image, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken_decoder: None
) -> None:
    site = tmp_path / "broken" / "sitecustomize.py"
    site.write_text(BROKEN_DECODER.replace("ctypes.string_at(0)", "bytearray(8 * 1024**3)"))
    pictures = harmless(photo)[:4]
    pictures[3] += MARK
    run = make_run(tmp_path / "run", pictures)
    with WorkerPool(1) as pool:
        clean(context_of(tmp_path / "run", pool))
    assert refusals(run) == {
        "s:0003": ("image_too_much_memory_v1", "decoding it needs more than 4.1 GiB")
    }


def test_memory_holds_a_batch_of_pictures_however_many_there_are(tmp_path: Path) -> None:
    large = [saved(Image.new("RGB", (2000, 1500), (n, 99, 9)), "JPEG") for n in range(50)]
    run = make_run(tmp_path, large)
    places = places_of(run)
    pictures_of(run, places[:1], ImageLimits(), "exact")
    reset_peak()
    before = peak_mebibytes()
    assert len(pictures_of(run, places, ImageLimits(), "exact")) == len(large)
    # All at once would be 430 MiB; a batch and the picture that fills it are 100, and what one
    # picture takes while it is decoded and fingerprinted comes on top.
    assert peak_mebibytes() - before < 3 * (BATCH_PIXELS + 3_000_000) / 1024**2 + 60


@pytest.mark.soak
@pytest.mark.parametrize("mode", ["exact", "reduced"])
def test_a_thousand_broken_files_are_the_same_apart(
    photo: Image.Image, tmp_path: Path, soak_seed: int, mode: Mode
) -> None:
    sound = list(of_every_kind(photo).values())
    run = make_run(tmp_path, [data for _, data in mutated(sound, 1_000, soak_seed)])
    here, apart = both_ways(run, mode)
    assert here == apart
