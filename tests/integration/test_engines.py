"""One code path: a pool of processes and a Dask cluster publish the same bytes, deaths or not."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import pipeline
from cleaning.copies.stage import Band
from cleaning.copies.stage import join_band as join_for_real
from cleaning.stage import CleanWork
from cleaning.stage import clean_part as clean_for_real
from runtime.config import load_config
from runtime.exits import Exit
from tests.integration.commands import DemoRun
from tests.integration.test_reproducible import COMPUTED, contents
from tests.runtime.clusters import Cluster, running_cluster

STAGES = ("merge", "fetch", "clean", "map", "dedupe", "publish")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


def copy_recorded(demo: DemoRun, folder: Path) -> Path:
    """A copy of the demo's workspace with nothing but what was recorded."""
    shutil.copytree(demo.folder, folder)
    shutil.rmtree(folder / "releases")
    (run,) = (folder / "runs").iterdir()
    for table in COMPUTED:
        shutil.rmtree(run / table)
    return folder


@pytest.fixture
def recorded(demo: DemoRun, tmp_path: Path) -> Path:
    return copy_recorded(demo, tmp_path / "workspace")


def compute(folder: Path, settings: str) -> int:
    """All stages after the crawl, with those settings in front of the configuration."""
    config = folder / "mep3m.toml"
    head, tables = settings.partition("\n\n")[::2]
    config.write_text(f"part_rows = 50\n{head}\n{config.read_text()}\n{tables}\n")
    outcome = pipeline.run_stages(load_config(config), folder, STAGES, quiet=True)
    return int(outcome.status)


def on_dask(cluster: Cluster) -> str:
    return f'engine = "dask"\n\n[dask]\naddress = "{cluster.address}"'


def published(folder: Path) -> dict[str, bytes]:
    found = contents(folder / "releases" / "1.0.0")
    assert len(found) >= 5
    return found


@pytest.fixture(scope="module")
def undisturbed(demo: DemoRun, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What one worker process publishes of the demo's records in small parts."""
    folder = copy_recorded(demo, tmp_path_factory.mktemp("undisturbed") / "workspace")
    assert compute(folder, "workers = 1") == 0
    return published(folder)


@pytest.fixture
def in_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """What dedupe does of many records in units side by side, it does so of the demo's few."""
    monkeypatch.setattr("cleaning.copies.stage.APART_ROWS", 0)
    monkeypatch.setattr("cleaning.copies.stage.SHARE_ROWS", 60)


@pytest.mark.usefixtures("in_shares")
def test_two_processes_publish_the_same(recorded: Path, undisturbed: dict[str, bytes]) -> None:
    assert compute(recorded, "workers = 2") == 0
    assert published(recorded) == undisturbed


@pytest.mark.usefixtures("in_shares")
def test_a_cluster_publishes_the_same(
    recorded: Path, undisturbed: dict[str, bytes], cluster: Cluster
) -> None:
    assert compute(recorded, on_dask(cluster)) == 0
    assert published(recorded) == undisturbed


def clean_but_die_once(work: CleanWork) -> None:
    """The third part kills its worker the first time."""
    marker = work.run.folder / "killed"
    if work.name.endswith("2") and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    clean_for_real(work)


def join_but_die_once(band: Band) -> None:
    """The third band kills its worker the first time."""
    marker = band.work.run.folder / "killed-in-join"
    if band.number == 2 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    join_for_real(band)


def clean_but_die_on_one(work: CleanWork) -> None:
    """One part kills every worker that takes it, until somebody finds out why."""
    if work.name.endswith("2") and not (work.run.folder / "mended").exists():
        os.kill(os.getpid(), signal.SIGKILL)
    clean_for_real(work)


@pytest.mark.usefixtures("in_shares")
@pytest.mark.parametrize("engine", ["process", "dask"])
def test_a_worker_that_is_killed_changes_nothing(
    recorded: Path, undisturbed: dict[str, bytes], cluster: Cluster, engine: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("cleaning.stage.clean_part", clean_but_die_once)
    monkeypatch.setattr("cleaning.copies.stage.join_band", join_but_die_once)
    assert compute(recorded, "workers = 2" if engine == "process" else on_dask(cluster)) == 0
    assert len(list(recorded.glob("runs/*/killed*"))) == 2
    assert published(recorded) == undisturbed


def test_a_part_that_always_kills_is_set_aside_and_tried_again(
    recorded: Path, undisturbed: dict[str, bytes], monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr("cleaning.stage.clean_part", clean_but_die_on_one)
    assert compute(recorded, "workers = 2\n\n[run]\nmax_deaths = 1") == Exit.DEGRADED
    (run,) = (recorded / "runs").iterdir()
    record = json.loads((run / "run.json").read_text())
    lost = record["set_aside"]["clean"]
    assert lost and all(name.endswith("2") for name in lost)
    said = capsys.readouterr().err
    assert all(name in said for name in lost)

    for name in lost:
        rows = pq.read_table(run / "decisions" / "clean" / f"{name}.parquet")
        assert set(rows["rule"].to_pylist()) == {"set_aside_v1"}
        assert set(rows["verdict"].to_pylist()) == {"held"}
    short = published(recorded)
    assert short.keys() != undisturbed.keys() or short != undisturbed
    # Somebody mends what killed; the same stage makes the part, and the release is whole.
    (run / "mended").touch()
    shutil.rmtree(recorded / "releases")
    config = recorded / "mep3m.toml"
    outcome = pipeline.run_stages(load_config(config), recorded, STAGES[2:], quiet=True)
    assert outcome.status == 0
    assert json.loads((run / "run.json").read_text())["set_aside"] == {}
    assert published(recorded) == undisturbed
