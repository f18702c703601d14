"""The runs that the benchmarks of the clean stage make: whole, repeatable, with copies in them."""

from __future__ import annotations

import hashlib
import io
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from benchmarks import clean_run
from benchmarks.clean import _peer_input
from benchmarks.clean_memory import allowed_growth_mb
from benchmarks.clean_run import make_run, picture, start_over
from benchmarks.processes import run_sampled
from cleaning.stage import clean
from runtime.config import load_config
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.workspace import Run, Workspace

U = TypeVar("U")
R = TypeVar("R")
RECORDS = 120
SIDE = 75


class HerePool(WorkerPool):
    """Runs every unit at once, in this process."""

    def map(self, function: Callable[[U], R], units: Sequence[U], *care: object) -> Iterator[R]:
        return map(function, units)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return make_run(tmp_path_factory.mktemp("made"), RECORDS, SIDE)


def test_the_same_arguments_give_the_same_tables(run: Run, tmp_path: Path) -> None:
    again = make_run(tmp_path, RECORDS, SIDE)
    for table in (Run.listings, Run.sightings, Run.images):
        digests = [
            {name: seal.sha256 for name, seal in table.fget(made).seals().items()}
            for made in (run, again)
        ]
        assert digests[0] == digests[1]
        assert digests[0]


def test_clean_finds_what_the_run_was_made_with(run: Run) -> None:
    folder = run.folder.parents[1]
    start_over(run)
    run.require_before("clean")
    config = load_config(folder / "mep3m.toml")
    counts = clean(Context(config, folder, Workspace(folder), run, HerePool(1), quiet=True)).counts
    # Of every hundred titles one is foreign or spam, and no picture is refused.
    assert counts["kept"] + counts["rejected"] == RECORDS
    assert 1 <= counts["rejected"] <= 3
    assert not [rule for rule in counts if rule.startswith("rule.image")]


def test_without_the_shared_titles_there_are_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clean_run, "SHARED_TITLES", tmp_path / "none.json")
    monkeypatch.setattr(clean_run, "_titles", cache(clean_run._titles.__wrapped__))
    titles = {title for title, _ in map(clean_run.title_and_path, range(3_000))}
    assert len(titles) > 2_900
    assert all(len(title) > 4 for title in titles)


def test_one_picture_in_twenty_has_the_bytes_of_another() -> None:
    bodies = Counter(hashlib.sha256(picture(n, SIDE)).hexdigest() for n in range(RECORDS))
    assert sum(count - 1 for count in bodies.values()) == RECORDS // 20
    with Image.open(io.BytesIO(picture(3, SIDE))) as opened:
        assert (opened.format, opened.size) == ("JPEG", (SIDE, SIDE))


def test_the_peer_is_given_every_record_with_its_picture(run: Run, tmp_path: Path) -> None:
    config = json.loads(_peer_input(run, tmp_path / "peer").read_text())
    lines = Path(config["dataset_path"]).read_text("utf-8").splitlines()
    records = [json.loads(line) for line in lines]
    (name,) = run.listings.names()
    assert [r["text"] for r in records] == run.listings.read(name)["title"].to_pylist()
    assert [Path(r["images"][0]).read_bytes() for r in records] == [
        picture(n, SIDE) for n in range(RECORDS)
    ]


_GROWS = (
    "import subprocess, sys; b = bytearray({mib} << 20); b[::4096] = b'x' * len(b[::4096]); {then}"
)


def test_memory_is_summed_over_a_command_and_what_it_starts(tmp_path: Path) -> None:
    child = _GROWS.format(mib=40, then="import time; time.sleep(0.3)")
    then = f"subprocess.run([sys.executable, '-c', {child!r}])"
    ran = run_sampled([sys.executable, "-c", _GROWS.format(mib=80, then=then)], tmp_path)
    assert 120 < ran.peak_mb < 200
    assert 80 < ran.largest_mb < 120


def test_only_dedupe_may_grow_with_the_records() -> None:
    assert allowed_growth_mb("clean", 100_000, 1_000_000) == 50
    assert 250 < allowed_growth_mb("dedupe", 100_000, 1_000_000) < 300
