"""Runs the command line in processes of its own, and signals it at commit points."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"
DEMO_PRODUCTS = 240
PATIENCE_SECONDS = 240.0


@dataclass(frozen=True)
class Said:
    """What a command ended with."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.out)
        return value


def start(*arguments: str | Path, at: Path = REPOSITORY) -> subprocess.Popen[str]:
    """Start the command line in a process group of its own, standing in the folder `at`."""
    return subprocess.Popen(
        [sys.executable, str(REPOSITORY / "pipeline.py"), *map(str, arguments)],
        cwd=at,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Where the tests themselves run in the background, an ignored Ctrl-C would be inherited.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def mep3m(*arguments: str | Path, at: Path = REPOSITORY) -> Said:
    """Run the command line to its end."""
    process = start(*arguments, at=at)
    try:
        out, err = process.communicate(timeout=PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return Said(process.returncode, out, err)


def signal_when(
    process: subprocess.Popen[str], reached: Callable[[], bool], number: signal.Signals
) -> None:
    """Send a signal to the main process alone, once a commit point is reached."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not reached():
        assert process.poll() is None, f"it ended too early: {process.communicate()}"
        assert time.monotonic() < deadline, "the commit point was never reached"
        time.sleep(0.002)
    process.send_signal(number)


def pages_done(folder: Path) -> int:
    """Pages committed in all frontiers of a workspace, read beside their writers."""
    total = 0
    for path in folder.glob("runs/*/frontier/*.sqlite"):
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
            try:
                query = "SELECT COUNT(*) FROM queue WHERE outcome IS NOT NULL"
                total += db.execute(query).fetchone()[0]
            except sqlite3.OperationalError:
                continue  # not made yet
    return total


@dataclass(frozen=True)
class DemoRun:
    """A finished demo."""

    folder: Path
    values: dict[str, Any]

    @property
    def config(self) -> Path:
        return self.folder / "mep3m.toml"

    @classmethod
    def read(cls, path: Path) -> DemoRun:
        """The run that another process wrote down."""
        said = json.loads(path.read_text())
        return cls(Path(said["folder"]), said["values"])

    def write(self, path: Path) -> None:
        """For other processes: where the run lies and what it said."""
        path.write_text(json.dumps({"folder": str(self.folder), "values": self.values}))

    @property
    def release(self) -> Path:
        return Path(self.values["release_folder"])

    @property
    def run(self) -> Path:
        return self.folder / "runs" / self.values["run_id"]


def run_demo(folder: Path, options: Sequence[str] = ()) -> DemoRun:
    said = mep3m(
        "demo", "--products", str(DEMO_PRODUCTS), "--seed", "7", "--workspace", folder, "--json",
        *options,
    )  # fmt: skip
    assert said.status == 0, said.err
    return DemoRun(folder, said.json)
