"""`mep3m status`: it tells how a workspace stands, whoever works on it, and writes nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from operations.retention.sizes import bytes_text, disk_use
from runtime.locks import lock_holder, workspace_lock
from runtime.workspace import Workspace
from tests.crawler.shop import Answer, running_shop
from tests.integration.commands import pages_done, signal_when, start
from tests.integration.test_second_runs import Stall, open_stall

HOLDER = """
import sys
from pathlib import Path
from runtime.locks import workspace_lock

with workspace_lock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@contextmanager
def held_elsewhere(folder: Path) -> Iterator[int]:
    """Another process holds the workspace's lock."""
    root = str(Path(__file__).parents[2])
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": root},
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stdin is not None
        assert process.stdout.readline() == b"held\n"
        yield process.pid
        process.stdin.close()


@pytest.fixture
def stall(tmp_path: Path) -> Iterator[Stall]:
    with running_shop() as shop:
        yield open_stall(shop, tmp_path)


def test_a_workspace_that_is_not_there_yet(stall: Stall) -> None:
    before = sorted(stall.folder.iterdir())
    said = stall.say("status")
    assert said.status == 0
    assert "no run yet" in said.out and "waiting: nothing" in said.out
    assert sorted(stall.folder.iterdir()) == before, "it only reads"
    told = stall.say("status", "--json").json
    assert told["runs"] == [] and told["lock"] == {"held": False, "process": None}
    (site,) = told["sites"]
    assert site == {"site": "s", "last": None, "due_at": None, "due": True}


def test_runs_release_disk_and_what_is_due(stall: Stall) -> None:
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + "every = 7\n")
    stall.run()
    with held_elsewhere(stall.folder) as process:
        text = stall.say("status").out
        told = stall.say("status", "--json").json
    assert told["lock"] == {"held": True, "process": process}
    assert f"process {process} is working on it" in text
    assert stall.say("status", "--json").json["lock"]["held"] is False
    (run,) = told["runs"]
    assert (run["status"], run["release"]) == ("published", "1.0.0")
    assert told["stages_left"] == {run["run_id"]: []}
    assert told["backlog"] == {
        "run_id": run["run_id"], "queued_pages": {}, "pictures": 0, "held": 0,
    }  # fmt: skip
    (site,) = told["sites"]
    assert site["due"] is False and site["due_at"] > site["last"]
    assert told["last_run"]["outcome"] == "done"
    assert set(told["disk"]) == {
        "releases", "captures", "images", "tables", "other", "complete",
    }  # fmt: skip
    assert told["disk"]["complete"] and told["disk"]["releases"] > 0 < told["disk"]["captures"]
    assert "last run: exit 0 (done)" in text and "releases/1.0.0" in text


def test_what_waits_in_a_run_that_was_killed(stall: Stall) -> None:
    over = threading.Event()
    slow = stall.shop.answers["/p/3.html"]
    assert not callable(slow)

    def answer(times: int) -> Answer:
        over.wait(60)
        return slow

    stall.shop.answers["/p/3.html"] = answer
    process = start("run", "--config", stall.folder / "mep3m.toml")
    signal_when(process, lambda: pages_done(stall.folder) >= 1, signal.SIGKILL)
    process.communicate()
    over.set()
    told = stall.say("status", "--json").json
    (run,) = told["runs"]
    assert run["status"] == "running" and "publish" in told["stages_left"][run["run_id"]]
    queued = told["backlog"]["queued_pages"]
    assert queued["s"] >= 1
    text = stall.say("status").out
    assert "publish" in text and "unknown pictures" in text


def test_a_damaged_frontier_and_last_run_are_unknown(stall: Stall) -> None:
    run = stall.workspace.new_run(datetime(2026, 11, 1, tzinfo=UTC), ["s"])
    run.frontiers.mkdir(parents=True)
    (run.frontiers / "s.sqlite").write_bytes(b"no database" * 500)
    (stall.folder / "last_run.json").write_text("{")
    (stall.folder / "takedown.json").write_text("{}")
    (stall.folder / "gc.json").write_text("{}")
    told = stall.say("status", "--json").json
    assert told["backlog"]["queued_pages"] == {"s": None}
    assert told["last_run"] is None
    assert told["unfinished"] == {"takedown": True, "gc": True}
    text = stall.say("status").out
    assert "unknown pages" in text and "a takedown was killed" in text


def test_many_runs_are_told_briefly(stall: Stall) -> None:
    for day in range(1, 29):
        stall.workspace.new_run(datetime(2026, 10, day, tzinfo=UTC), ["s"]).update(
            status="nothing_new"
        )
    text = stall.say("status").out
    assert "(18 older)" in text and "20261028T000000Z" in text


def test_shared_files_count_once(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    shard = workspace.releases / "1.0.0" / "data" / "a.parquet"
    shard.parent.mkdir(parents=True)
    shard.write_bytes(os.urandom(40_960))
    second = workspace.releases / "1.1.0" / "data" / "a.parquet"
    second.parent.mkdir(parents=True)
    second.hardlink_to(shard)
    (tmp_path / "of-the-project.txt").write_bytes(os.urandom(40_960))
    found, whole = disk_use(workspace, 60.0)
    assert whole and found["releases"] == 40_960 and sum(found.values()) == 40_960
    assert disk_use(workspace, -1.0) == (dict.fromkeys(found, 0), False)


def test_a_lock_file_without_a_holder(tmp_path: Path) -> None:
    assert lock_holder(tmp_path) is None
    with workspace_lock(tmp_path):
        assert lock_holder(tmp_path) == os.getpid()
    assert lock_holder(tmp_path) is None


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1023, "1023 B"), (1024, "1.0 KiB"), (5 * 2**40, "5.0 TiB"), (2**30, "1.0 GiB")],
)
def test_bytes_for_people(count: int, text: str) -> None:
    assert bytes_text(count) == text
