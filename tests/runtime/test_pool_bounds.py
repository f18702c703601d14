"""The worker pool's bounds: how far it runs ahead, when it gives a unit up, and late orphans."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.errors import PartError, WorkerDiedError
from runtime.executor import MAX_DEATHS, WorkerPool
from tests.runtime.worker_functions import Start, kill_always, note_start, refuse, square

ROOT = Path(__file__).resolve().parents[2]
LATE_ORPHAN = """
import os, subprocess, sys, time
from runtime.processes import exit_with_parent
if len(sys.argv) == 2:
    subprocess.Popen([sys.executable, __file__, sys.argv[1], str(os.getpid())])
    os._exit(0)
parent = int(sys.argv[2])
while os.getppid() == parent:
    time.sleep(0.01)
with open(sys.argv[1], "w") as said:
    said.write(str(os.getpid()))
exit_with_parent(parent)
time.sleep(600)
"""


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not collected does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def test_work_in_flight_is_bounded(tmp_path: Path) -> None:
    with WorkerPool(2) as pool:
        results = pool.map(note_start, [Start(i, tmp_path) for i in range(20)])
        assert [next(results) for _ in range(3)] == [0, 1, 2]
        # Nobody asked for more: beyond the three, only what may be in flight was handed out.
        started = {int(path.name) for path in tmp_path.iterdir()}
        assert started <= set(range(3 + 2 * pool.workers))
        assert list(results) == list(range(3, 20))
    assert len(list(tmp_path.iterdir())) == 20


def test_results_before_a_killing_unit_are_handed_over_and_its_deaths_are_counted() -> None:
    got = []
    with WorkerPool(2) as pool, pytest.raises(WorkerDiedError) as caught:
        for result in pool.map(kill_always, range(6)):
            got.append(result)
    assert f"died {MAX_DEATHS + 1} times on 3:" in str(caught.value)
    assert got == [0, 1, 2]


def test_an_error_of_a_unit_arrives_as_it_was_and_the_pool_serves_on() -> None:
    with WorkerPool(2) as pool:
        results = pool.map(refuse, range(4))
        assert next(results) == 0
        with pytest.raises(PartError, match=r"somewhere\.parquet: expected rows") as caught:
            next(results)
        assert caught.value.path == Path("somewhere.parquet")
        assert list(pool.map(square, [3, 1, 2])) == [9, 1, 4]
        assert list(pool.map(square, [])) == []


def test_a_worker_whose_parent_died_before_it_looked_ends_too(tmp_path: Path) -> None:
    script, said = tmp_path / "late.py", tmp_path / "pid"
    script.write_text(LATE_ORPHAN)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, script, said], env=environment, check=True)
    deadline = time.monotonic() + 60
    while not (said.exists() and said.read_text()):
        assert time.monotonic() < deadline, "the orphan never spoke"
        time.sleep(0.02)
    pid = int(said.read_text())
    while is_alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            pytest.fail("the orphan lived on")
        time.sleep(0.05)
