"""`kill -9` and Ctrl-C: the same command finishes, nothing missing, nothing double."""

from __future__ import annotations

import random
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pandas
import pytest

from tests.integration.commands import DEMO_PRODUCTS, DemoRun, mep3m, run_demo, signal_when, start

DEMO = ("demo", "--products", str(DEMO_PRODUCTS), "--seed", "7", "--json", "--workspace")


def pages_done(folder: Path) -> int:
    """Pages committed in all frontiers of the workspace, read beside their writers."""
    total = 0
    for path in folder.glob("runs/*/frontier/*.sqlite"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            try:
                query = "SELECT COUNT(*) FROM queue WHERE outcome IS NOT NULL"
                total += db.execute(query).fetchone()[0]
            except sqlite3.OperationalError:
                continue  # not made yet
    return total


def sealed(folder: Path, table: str) -> int:
    """Finished parts of a table."""
    return len(list(folder.glob(f"runs/*/{table}/*.json")))


def kill_when(folder: Path, reached: Callable[[], bool]) -> None:
    process = start(*DEMO, folder)
    try:
        signal_when(process, reached, signal.SIGKILL)
    finally:
        process.wait(30)
    assert process.returncode == -signal.SIGKILL


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


def test_a_kill_in_the_crawl_and_one_in_cleaning_lose_nothing(
    demo: DemoRun, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    kill_when(folder, lambda: pages_done(folder) >= 100)
    assert sealed(folder, "pages") < 2
    kill_when(folder, lambda: sealed(folder, "cleaned") >= 1)
    assert sealed(folder, "survivors") == 0
    the_same_records(folder, demo)


def test_ctrl_c_stops_cleanly_and_can_be_resumed(demo: DemoRun, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    process = start(*DEMO, folder)
    signal_when(process, lambda: pages_done(folder) >= 60, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.strip().splitlines()[-1].startswith("mep3m: interrupted")
    the_same_records(folder, demo)


def test_sigterm_stops_early_and_can_be_resumed(demo: DemoRun, tmp_path: Path) -> None:
    folder = tmp_path / "workspace"
    process = start(*DEMO, folder)
    signal_when(process, lambda: pages_done(folder) >= 150, signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 11, err
    the_same_records(folder, demo)


@pytest.mark.soak
def test_kills_at_many_moments(demo: DemoRun, tmp_path: Path, soak_seed: int) -> None:
    """Nineteen kills of one workspace after another, at commit points drawn from a seed."""
    draw = random.Random(soak_seed)
    folder = tmp_path / "workspace"
    crawled = demo.values["stages"]["crawl"]
    pages = sum(count for name, count in crawled.items() if name.startswith("pages."))
    points = sorted(draw.sample(range(5, pages - 20), 14))
    for point in points:
        kill_when(folder, lambda point=point: pages_done(folder) >= point)  # type: ignore[misc]
    for table in ("listings", "images", "cleaned", "labels", "survivors"):
        kill_when(folder, lambda table=table: sealed(folder, table) >= 1)  # type: ignore[misc]
    the_same_records(folder, demo)
