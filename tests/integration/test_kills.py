"""Ctrl-C, SIGTERM and `kill -9` of a whole run: the same command finishes, nothing is lost.

Kills within the crawl, and what they leave of captures and tables, are in `test_crawl_kills.py`.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas
import pytest

from tests.integration.commands import (
    DEMO_PRODUCTS,
    DemoRun,
    mep3m,
    pages_done,
    run_demo,
    signal_when,
    start,
)

DEMO = ("demo", "--products", str(DEMO_PRODUCTS), "--seed", "7", "--json", "--workspace")


def sealed(folder: Path, table: str) -> int:
    """Finished parts of a table."""
    return len(list(folder.glob(f"runs/*/{table}/*.json")))


def stopped(
    folder: Path, reached: Callable[[], bool], number: signal.Signals
) -> tuple[int, list[str]]:
    """Go on with the demo, signal it at a commit point; its exit status and lines of stderr."""
    process = start(*DEMO, folder)
    try:
        signal_when(process, reached, number)
        _, err = process.communicate(timeout=60)
    except (AssertionError, subprocess.TimeoutExpired):
        process.kill()
        process.communicate()
        raise
    return process.returncode, err.strip().splitlines()


def kill_when(folder: Path, reached: Callable[[], bool]) -> None:
    status, _ = stopped(folder, reached, signal.SIGKILL)
    assert status == -signal.SIGKILL


def the_same_records(folder: Path, demo: DemoRun) -> None:
    """The workspace's release holds what an undisturbed demo's does."""
    finished = run_demo(folder)
    assert finished.values["sightings"] == demo.values["sightings"]
    assert finished.values["fates"] == demo.values["fates"]
    columns = ["record_id", "title", "sub_class_id", "sha256"]
    ours, theirs = (
        pandas.read_parquet(run.release / "data", columns=columns)
        .sort_values("record_id")
        .reset_index(drop=True)
        for run in (finished, demo)
    )
    pandas.testing.assert_frame_equal(ours, theirs)
    assert mep3m("verify", "--config", finished.config).status == 0
    assert not list(folder.rglob(".*.tmp"))
    assert not list(folder.rglob("*.open"))
    assert len(list((folder / "runs").iterdir())) == 1


def test_ctrl_c_sigterm_and_a_kill_are_each_gone_on_from(demo: DemoRun, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    status, lines = stopped(folder, lambda: pages_done(folder) >= 60, signal.SIGINT)
    assert status == 130
    assert "interrupted; run the same command again" in lines[-1]
    assert sealed(folder, "pages") < 2
    status, lines = stopped(folder, lambda: pages_done(folder) >= 150, signal.SIGTERM)
    assert status == 11, lines
    assert sealed(folder, "listings") == 0
    kill_when(folder, lambda: sealed(folder, "cleaned") >= 1)
    assert sealed(folder, "survivors") == 0
    the_same_records(folder, demo)


@pytest.mark.soak
def test_kills_in_every_stage(demo: DemoRun, tmp_path: Path, soak_seed: int) -> None:
    """Ten kills of one workspace: five in the crawl at points drawn from a seed, one a stage."""
    draw = random.Random(soak_seed)
    folder = tmp_path / "workspace"
    crawled = demo.values["stages"]["crawl"]
    pages = sum(count for name, count in crawled.items() if name.startswith("pages."))
    for point in sorted(draw.sample(range(5, pages - 20), 5)):
        kill_when(folder, lambda point=point: pages_done(folder) >= point)  # type: ignore[misc]
    for table in ("listings", "images", "cleaned", "labels", "survivors"):
        kill_when(folder, lambda table=table: sealed(folder, table) >= 1)  # type: ignore[misc]
    the_same_records(folder, demo)


def restaged(workspace: Path, *kills: tuple[str, str]) -> dict[str, str]:
    """Other fingerprints for what is published; digests of the new release's data and tables.

    Each of `kills` is a stage and the files whose appearing ends it before it goes on.
    """
    config = workspace / "mep3m.toml"
    config.write_text(config.read_text() + '\n[clean]\nfingerprints = "reduced"\n')
    before = {path.name for path in (workspace / "releases").iterdir()}
    for stage in ("clean", "map", "dedupe", "publish"):
        for _, files in (kill for kill in kills if kill[0] == stage):
            process = start(stage, "--config", config)
            signal_when(process, lambda files=files: any(workspace.glob(files)), signal.SIGKILL)
            process.communicate(timeout=60)
            assert process.returncode == -signal.SIGKILL
        assert mep3m(stage, "--config", config).status == 0
    assert mep3m("verify", "--config", config).status == 0
    (made,) = {path.name for path in (workspace / "releases").iterdir()} - before
    assert made == "2.0.0"
    folder = workspace / "releases" / made
    files = sorted(path for part in ("data", "lineage") for path in (folder / part).iterdir())
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.soak
def test_kills_in_a_change_of_fingerprints(demo: DemoRun, tmp_path: Path) -> None:
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for folder in (undisturbed, killed):
        shutil.copytree(demo.folder, folder)
    kills = (
        ("dedupe", "runs/*/reprints/*.json"),
        ("dedupe", "runs/*/fingerprints/*.parquet"),
        ("publish", "releases/.*.partial/data/*.parquet"),
        ("publish", "releases/.*.partial/lineage/*"),
    )
    assert restaged(killed, *kills) == restaged(undisturbed)
