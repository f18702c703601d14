"""Whole runs: real commands in processes of their own, against real servers on loopback."""

import fcntl
import os

import pytest

from tests.integration.commands import DemoRun, run_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """One demo for all tests that only read it, also where they run in several processes."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has a folder of its own in it
    with (base / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        told = base / "demo.said.json"
        if told.is_file():
            return DemoRun.read(told)
        run = run_demo(base / "demo" / "workspace")
        run.write(told)
        return run
