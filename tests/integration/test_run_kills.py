"""`kill -9` of `mep3m run` at moments across all stages, again and again, until it exits 0.

The shops are processes of their own and outlive every kill.
"""

from __future__ import annotations

import random
import shutil
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas
import pytest

from demo.session import write_settings
from demo.shops import running_shops
from tests.integration.commands import DEMO_PRODUCTS, mep3m, pages_done, signal_when, start
from tests.integration.test_reproducible import COMPUTED, contents

# A killed crawl fetches some pages later, and so into other places of other files.
TIMES_AND_PLACES = ["fetched_at", "first_seen", "run_id", "capture_file", "capture_offset"]
AFTER_FETCH = ("cleaned", "labels", "survivors", "decisions/publish", "publish")
TABLES = ("listings", "images", *AFTER_FETCH)


@dataclass(frozen=True)
class Town:
    """The demo's shops, and a workspace that crawls them, in small parts."""

    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "mep3m.toml"

    @property
    def release(self) -> Path:
        return self.folder / "releases" / "1.0.0"

    def copy(self, folder: Path, *, recorded: bool) -> Town:
        """The settings alone, or all that was recorded as well."""
        if recorded:
            shutil.copytree(self.folder, folder)
            shutil.rmtree(folder / "releases")
            (run,) = (folder / "runs").iterdir()
            for table in COMPUTED:
                shutil.rmtree(run / table)
        else:
            folder.mkdir()
            shutil.copy(self.config, folder)
        return Town(folder)

    def reached(self, where: str, number: int) -> bool:
        """Whether a run has come as far as that many pages, sealed parts or release files."""
        if where == "pages":
            return pages_done(self.folder) >= number
        if where == "publish":
            found = list(self.folder.glob("releases/.*.partial/**/*.*"))
            return len(found) >= number or self.release.exists()
        return len(list(self.folder.glob(f"runs/*/{where}/*.json"))) >= number

    def kill(self, command: Sequence[str], where: str, number: int) -> bool:
        """Start the command and kill it there; False when it ended by itself before."""
        process = start(*command, "--config", self.config)
        try:
            signal_when(process, lambda: self.reached(where, number), signal.SIGKILL)
        except AssertionError:
            process.kill()
        process.communicate(timeout=60)
        return process.returncode == -signal.SIGKILL

    def is_clean(self) -> None:
        """One run, one release, nothing half-made."""
        assert mep3m("verify", "--config", self.config).status == 0
        assert len(list((self.folder / "runs").iterdir())) == 1
        assert [p.name for p in self.release.parent.iterdir() if p.is_dir()] == ["1.0.0"]
        for pattern in (".*.tmp", "*.open", ".*.partial", "publish"):
            assert not [p for p in self.folder.rglob(pattern) if "decisions" not in p.parts]

    def rows(self) -> pandas.DataFrame:
        frame = pandas.read_parquet(self.release / "data").drop(columns=TIMES_AND_PLACES)
        assert frame["record_id"].is_unique
        return frame.sort_values("record_id").reset_index(drop=True)

    def fates(self) -> pandas.DataFrame:
        columns = ["record_id", "stage", "rule", "verdict", "value", "peer_id"]
        frames = [
            pandas.read_parquet(path, columns=columns)
            for path in (self.release / "decisions").rglob("*.parquet")
        ]
        frame = pandas.concat(frames).sort_values(columns).reset_index(drop=True)
        assert not frame.duplicated().any()
        return frame


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """A whole run that nothing killed; the shops stay for those that are."""
    base = tmp_path_factory.mktemp("town")
    town = Town(base / "workspace")
    town.folder.mkdir()
    with running_shops(DEMO_PRODUCTS, 7, base / "shops") as addresses:
        write_settings(town.folder, DEMO_PRODUCTS, 7, addresses)
        town.config.write_text(f"part_rows = 30\n{town.config.read_text()}")
        assert mep3m("run", "--config", town.config).status == 0
        town.is_clean()
        yield town


Moments = list[tuple[str, int]]


def of_the_whole_run(town: Town, draw: Callable[[int, int], list[int]]) -> Moments:
    """Some moments of every stage; `draw` picks so many numbers up to another one."""
    moments = [("pages", number) for number in draw(18, pages_done(town.folder) - 30)]
    for table in TABLES[:-1]:
        parts = len(list(town.folder.glob(f"runs/*/{table}/*.json")))
        moments += [(table, number) for number in draw(7, parts)]
    return moments + [("publish", number) for number in draw(7, 8)]


def finish(town: Town, command: Sequence[str]) -> None:
    said = mep3m(*command, "--config", town.config)
    assert said.status == 0, said.err
    town.is_clean()


def test_a_kill_in_each_stage_changes_nothing(undisturbed: Town, tmp_path: Path) -> None:
    town = undisturbed.copy(tmp_path / "workspace", recorded=False)
    kills = [town.kill(["run"], "pages", 150)]
    kills += [town.kill(["run"], table, 1) for table in TABLES]
    assert sum(kills) >= len(kills) - 1, "the run ended between a look and a kill at most once"
    finish(town, ["run"])
    pandas.testing.assert_frame_equal(town.rows(), undisturbed.rows())
    pandas.testing.assert_frame_equal(town.fates(), undisturbed.fates())


@pytest.mark.soak
def test_sixty_kills_of_one_workspace_change_nothing(
    undisturbed: Town, tmp_path: Path, soak_seed: int
) -> None:
    random_ = random.Random(soak_seed)

    def draw(count: int, highest: int) -> list[int]:
        return sorted(random_.choices(range(1, highest + 1), k=count))

    town = undisturbed.copy(tmp_path / "workspace", recorded=False)
    moments = of_the_whole_run(undisturbed, draw)
    assert len(moments) >= 60
    kills = [town.kill(["run"], where, number) for where, number in moments]
    print(f"{sum(kills)} of {len(moments)} moments met a running process")
    assert sum(kills) >= 55
    finish(town, ["run"])
    pandas.testing.assert_frame_equal(town.rows(), undisturbed.rows())
    pandas.testing.assert_frame_equal(town.fates(), undisturbed.fates())


@pytest.mark.soak
def test_kills_after_the_fetch_leave_every_byte_as_it_is(undisturbed: Town, tmp_path: Path) -> None:
    town = undisturbed.copy(tmp_path / "workspace", recorded=True)
    stages = {"cleaned": "clean", "labels": "map", "survivors": "dedupe"}
    for stage in ("merge", "fetch"):
        assert mep3m(stage, "--config", town.config).status == 0
    for table in AFTER_FETCH:
        stage = stages.get(table, "publish")
        for number in (1, 2, 4):
            town.kill([stage], table, number)
        said = mep3m(stage, "--config", town.config)
        assert said.status in (0, 10), said.err
    town.is_clean()
    assert contents(town.release) == contents(undisturbed.release)
