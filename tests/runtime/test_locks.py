"""One run at a time, and a dead one never blocks the next."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.errors import LockedError
from runtime.exits import Exit
from runtime.locks import workspace_lock

HOLD = """
import sys, time
from pathlib import Path
from runtime.locks import workspace_lock
with workspace_lock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(600)
"""


def hold(folder: Path) -> subprocess.Popen[str]:
    """A process that holds the workspace."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_told_at_once_who_holds_the_workspace(tmp_path: Path) -> None:
    process = hold(tmp_path)
    try:
        before = time.monotonic()
        with pytest.raises(LockedError) as caught, workspace_lock(tmp_path):
            pass
        assert time.monotonic() - before < 5
        assert str(process.pid) in str(caught.value)
        assert caught.value.exit_status is Exit.LOCKED
        process.kill()
        process.wait()
        with workspace_lock(tmp_path):
            assert (tmp_path / ".lock").is_file()
    finally:
        process.kill()
        process.wait()


def test_the_lock_is_free_again_after_success_and_after_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "workspace"
    with workspace_lock(folder):
        pass
    with pytest.raises(RuntimeError), workspace_lock(folder):
        raise RuntimeError
    with workspace_lock(folder), pytest.raises(LockedError), workspace_lock(folder):
        pass
