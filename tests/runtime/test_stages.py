"""Working through parts: what is current is skipped, what changed or is damaged is redone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runtime.config import Config
from runtime.executor import WorkerPool
from runtime.parts import PartFolder
from runtime.stages import Context, StageResult, Unit, run_units, utc_text
from runtime.workspace import Workspace
from tests.runtime.worker_functions import NUMBERS, NumberWork, write_number


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(2) as pool:
        yield pool


@pytest.fixture
def context(tmp_path: Path, pool: WorkerPool) -> Context:
    workspace = Workspace(tmp_path / "workspace")
    run = workspace.new_run(datetime(2026, 11, 22, 8, 11, tzinfo=UTC), ["a"])
    return Context(Config(), tmp_path, workspace, run, pool, quiet=True)


@pytest.fixture
def folder(tmp_path: Path) -> PartFolder:
    return PartFolder(tmp_path / "numbers", NUMBERS)


def make(context: Context, folder: PartFolder, keys: Mapping[str, str]) -> StageResult:
    units = [
        Unit(name, key, NumberWork(folder.folder, name, key, number))
        for number, (name, key) in enumerate(keys.items(), start=1)
    ]
    return run_units(context, "numbers", [folder], units, write_number)


def made(folder: PartFolder) -> list[str]:
    return sorted((folder.folder.parent / "made.log").read_text().split())


def test_a_second_run_makes_nothing_and_counts_the_same(
    context: Context, folder: PartFolder
) -> None:
    keys = {"a": "1", "b": "1", "c": "1"}
    first = make(context, folder, keys)
    assert (first.made, first.counts) == (3, {"sum": 6})
    again = make(context, folder, keys)
    assert (again.made, again.counts) == (0, first.counts)
    assert made(folder) == ["a", "b", "c"]


def test_a_changed_key_and_a_new_part_are_made_and_an_old_part_goes(
    context: Context, folder: PartFolder
) -> None:
    make(context, folder, {"a": "1", "b": "1", "old": "1"})
    result = make(context, folder, {"a": "1", "b": "2", "new": "1"})
    assert result.made == 2
    assert made(folder) == ["a", "b", "b", "new", "old"]
    assert folder.names() == ["a", "b", "new"]
    assert [seal.key for seal in folder.seals().values()] == ["1", "2", "1"]


def test_a_damaged_part_is_named_and_made_again(
    context: Context, folder: PartFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    make(context, folder, {"a": "1", "b": "1"})
    whole = folder.path("b").read_bytes()
    folder.path("b").write_bytes(whole[:40] + b"?" + whole[41:])
    capsys.readouterr()
    result = make(context, folder, {"a": "1", "b": "1"})
    (line,) = capsys.readouterr().err.splitlines()
    assert str(folder.path("b")) in line
    assert "SHA-256" in line
    assert result.made == 1
    assert folder.path("b").read_bytes() == whole


def test_a_part_is_made_again_when_one_of_its_outputs_is_missing(
    context: Context, folder: PartFolder, tmp_path: Path
) -> None:
    make(context, folder, {"a": "1"})
    other = PartFolder(tmp_path / "others", NUMBERS)
    unit = Unit("a", "1", NumberWork(other.folder, "a", "1", 5))
    result = run_units(context, "both", [folder, other], [unit], write_number)
    assert (result.made, result.counts) == (1, {"sum": 5})


def test_an_instant_is_written_to_the_second() -> None:
    assert utc_text(datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)) == "2026-01-02T03:04:05Z"
