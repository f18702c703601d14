"""The disk fills up in every stage: one line says where and what is needed, and nothing is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pandas
import pytest

from runtime.exits import Exit
from runtime.workspace import STAGES
from tests.crawler.shop import running_shop
from tests.integration.commands import Said
from tests.integration.small_disk import NoNamespaceError, SmallDisk, small_disk
from tests.integration.test_second_runs import Stall, open_stall, picture

ROOMS = (0, 30_000, 120_000, 600_000)
ANEW = ["run_id", "fetched_at", "first_seen", "capture_file", "capture_offset", "capture_length"]
PRODUCTS = range(10, 22)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with small_disk(tmp_path / "disk", "48m") as disk:
            yield disk
    except NoNamespaceError as error:
        pytest.skip(f"no mount namespace of its own: {error}")


@pytest.fixture
def stall(disk: SmallDisk) -> Iterator[Stall]:
    with running_shop() as shop:
        stall = open_stall(shop, disk.seen / "workspace")
        for number in PRODUCTS:
            stall.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
        stall.show(1, 2, 3, *PRODUCTS)
        yield stall


def told(said: Said, folder: Path) -> None:
    """One line that names a path on the disk and what is needed."""
    assert said.status == Exit.UNFORESEEN, (said.status, said.err)
    lines = [line for line in said.err.splitlines() if "no room to write" in line]
    assert lines, said.err
    assert re.search(rf"no room to write {re.escape(str(folder))}/\S+: expected", lines[-1]), lines
    assert "free some and run the same command again" in lines[-1]
    assert "Traceback" not in said.err


def content(release: Path) -> pandas.DataFrame:
    rows = pandas.read_parquet(release / "data").set_index("record_id").sort_index()
    return rows.drop(columns=[name for name in ANEW if name in rows.columns])


@pytest.mark.soak
def test_every_stage_on_a_disk_that_is_full(disk: SmallDisk, stall: Stall, tmp_path: Path) -> None:
    plain = open_stall(stall.shop, tmp_path / "plain")
    for number in PRODUCTS:
        plain.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
    plain.show(1, 2, 3, *PRODUCTS)
    plain.run()
    config = disk.folder / "workspace" / "mep3m.toml"
    full = 0
    for stage in STAGES:
        for room in ROOMS:
            disk.leave(room)
            said = disk.run(stage, "--config", config)
            assert not list(stall.folder.rglob(".*.tmp")), (stage, room)
            assert not (stall.folder / "releases" / "LATEST.json").exists() or said.status == 0
            if said.status == 0:
                break
            full += 1
            told(said, disk.folder)
        disk.make_room()
        said = disk.run(stage, "--config", config)
        assert said.status in (0, Exit.NOTHING_NEW), (stage, said.err)
    assert full >= len(STAGES)
    said = disk.run("verify", "--config", config)
    assert said.status == 0, said.err
    ours, theirs = stall.workspace.latest_release(), plain.workspace.latest_release()
    assert ours is not None and theirs is not None
    pandas.testing.assert_frame_equal(content(ours), content(theirs))


def test_a_run_without_any_room_goes_on_once_there_is(disk: SmallDisk, stall: Stall) -> None:
    config = disk.folder / "workspace" / "mep3m.toml"
    disk.leave(0)
    told(disk.run("run", "--config", config), disk.folder)
    disk.make_room()
    assert disk.run("run", "--config", config).status == 0
    stall.check()


@pytest.mark.soak
def test_whole_runs_on_a_disk_that_is_full(disk: SmallDisk, stall: Stall) -> None:
    """What cron sees: it fails, says so, and goes on as far as there is room, until it is done."""
    config = disk.folder / "workspace" / "mep3m.toml"
    assert disk.run("run", "--config", config).status == 0
    before = content(release_of(stall))
    stall.sell(30, "青瓷花瓶手工釉下彩 20cm", picture(30))
    stall.show(1, 2, 3, *PRODUCTS, 30)
    full = 0
    for room in (*range(0, 200_000, 20_000), 400_000, 48_000_000):
        disk.leave(room)
        said = disk.run("run", "--config", config)
        if said.status == 0:
            break
        full += 1
        told(said, disk.folder)
        assert content(release_of(stall)).equals(before), room
        assert disk.run("verify", "--config", config).status == 0, room
    assert (said.status, full >= 3) == (0, True), said.err
    assert set(content(release_of(stall)).index) - set(before.index) == {"s:30"}
    assert json.loads((stall.folder / "last_run.json").read_text())["exit_status"] == 0
    disk.make_room()
    stall.check()


def release_of(stall: Stall) -> Path:
    release = stall.workspace.latest_release()
    assert release is not None
    return release
