"""A real Dask cluster on loopback: a scheduler and worker processes, ended by their ids."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runtime.storage import read_json

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
# A death is told at once, as README.md says to set it.
_SETTINGS = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


@dataclass
class Cluster:
    """A scheduler's address, and how to start workers of it."""

    file: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def address(self) -> str:
        return str(read_json(self.file)["address"])

    def _start(self, module: str, *options: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", f"distributed.cli.{module}", *options],
            cwd=self.file.parent,
            env={**os.environ, "PYTHONPATH": str(ROOT), **_SETTINGS},
            stdout=subprocess.DEVNULL,
            stderr=(self.file.parent / f"{module}.log").open("ab"),
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def start_scheduler(self) -> None:
        self._start(
            "dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
            "--scheduler-file", str(self.file),
        )  # fmt: skip
        deadline = time.monotonic() + START_SECONDS
        while not self.file.is_file():
            assert time.monotonic() < deadline, "the scheduler did not start"
            time.sleep(0.05)

    def start_worker(self) -> None:
        self._start(
            "dask_worker", "--scheduler-file", str(self.file), "--nthreads", "1", "--no-dashboard",
            "--host", "127.0.0.1", "--local-directory", str(self.file.parent),
        )  # fmt: skip


@contextmanager
def running_cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """A scheduler and workers that end with the context."""
    cluster = Cluster(folder / "scheduler.json")
    try:
        cluster.start_scheduler()
        for _ in range(workers):
            cluster.start_worker()
        yield cluster
    finally:
        for process in cluster.processes:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        for process in cluster.processes:
            process.wait()
