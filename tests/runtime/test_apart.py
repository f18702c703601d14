"""Judging apart: an item that kills its process is tried alone, and costs no other item."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.apart import Death, judged_apart
from runtime.errors import WorkerDiedError
from tests.runtime.apart_trials import Words
from tests.runtime.test_pool_bounds import is_alive

ROOT = Path(__file__).resolve().parents[2]


def judged(folder: Path, *words: str) -> dict[str, Death | str]:
    """What became of each word."""
    found: dict[str, Death | str] = {}
    for row, judgement in judged_apart(Words(words, folder), range(len(words))):
        found[words[row]] = judgement if isinstance(judgement, Death) else judgement[0]
    assert list(found) == list(words)
    return found


def tries(folder: Path, word: str) -> int:
    return (folder / "judged.log").read_text().split("\n").count(word)


def test_what_kills_its_process_twice_is_blamed_and_the_others_go_on(tmp_path: Path) -> None:
    words = ("good", "crashes", "fine", "aborts", "exits", "spins", "eats", "well")
    assert judged(tmp_path, *words) == {
        "good": "good",
        "crashes": Death("SIGSEGV"),
        "fine": "fine",
        "aborts": Death("SIGABRT"),
        "exits": Death("exit status 7"),
        "spins": Death("SIGPROF"),
        "eats": Death("MemoryError"),
        "well": "well",
    }
    for word in words:
        assert tries(tmp_path, word) == (1 if word in ("good", "fine", "well") else 2)


def test_one_process_serves_while_none_dies_and_this_one_never_does(tmp_path: Path) -> None:
    trial = Words(("a", "b", "c"), tmp_path)
    pids = {judgement[1] for _, judgement in judged_apart(trial, [0, 2]) if judgement}
    assert len(pids) == 1
    assert os.getpid() not in pids


def test_a_suspect_that_lives_when_it_is_alone_is_not_blamed(tmp_path: Path) -> None:
    words = ("first", "crashes second", "is killed once", "last")
    assert judged(tmp_path, *words) == {word: word for word in words}
    assert tries(tmp_path, "crashes second") == 2
    # Killed in a row with others and killed again alone: only a third death would be its own.
    assert tries(tmp_path, "is killed once") == 3


def test_what_is_always_killed_is_blamed_in_the_end(tmp_path: Path) -> None:
    assert judged(tmp_path, "is always killed") == {"is always killed": Death("SIGKILL")}
    assert tries(tmp_path, "is always killed") == 3


def test_errors_come_through_and_blame_no_item(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="expected a picture"):
        judged(tmp_path, "is wrong")
    with pytest.raises(FileNotFoundError, match="got none"):
        judged(tmp_path, "good", "unreadable")


def test_a_process_that_dies_before_any_item_blames_none(tmp_path: Path) -> None:
    with pytest.raises(WorkerDiedError, match=r"before it came to an item.*exit status 3"):
        judged(tmp_path, "dies while read")


def test_the_process_apart_ends_with_the_one_it_works_for(tmp_path: Path) -> None:
    trials = ROOT / "tests" / "runtime" / "apart_trials.py"
    parent = subprocess.Popen(
        [sys.executable, trials, tmp_path, "sleeps"],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, cwd=ROOT,
    )  # fmt: skip
    said = tmp_path / "pid"
    deadline = time.monotonic() + 60
    while not (said.exists() and said.read_text()):
        assert parent.poll() is None
        assert time.monotonic() < deadline, "the process apart never came to its item"
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    pid = int(said.read_text())
    while is_alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            pytest.fail("the process apart outlived its parent")
        time.sleep(0.05)
