"""What a command says at its end: one line, a status, and JSON where it was asked for."""

from __future__ import annotations

import inspect
import json
import os
import pickle
import signal
import sys
from pathlib import Path

import pytest

import runtime.errors
import runtime.progress
from runtime.console import Outcome, Streamed, guarded, table
from runtime.errors import (
    ConfigError,
    GateError,
    LockedError,
    MepError,
    PartError,
    SiteError,
    StorageFullError,
    VerificationError,
    WorkerFailedError,
)
from runtime.exits import Exit
from runtime.progress import progress


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ConfigError("x"), 2),
        (LockedError("x"), 75),
        (GateError("x"), 20),
        (VerificationError("x"), 40),
        (SiteError("x"), 30),
        (StorageFullError("x"), 1),
        (WorkerFailedError("x", Exit.LOCKED), 75),
        (KeyboardInterrupt(), 130),
        (ZeroDivisionError("x"), 1),
    ],
)
def test_every_end_has_its_status_and_one_line(
    error: BaseException, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> Outcome:
        raise error

    assert guarded(work, as_json=False, debug=False) == status
    said = capsys.readouterr()
    (line,) = said.err.splitlines()
    assert line.startswith("mep3m: ")
    assert said.out == ""
    assert guarded(work, as_json=True, debug=False) == status
    values = json.loads(capsys.readouterr().out)
    assert values["exit_status"] == status
    assert values["error"] in line


def test_a_defect_points_to_debug_which_shows_the_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> Outcome:
        raise ZeroDivisionError("over\nnought")

    guarded(work, as_json=False, debug=False)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "unforeseen ZeroDivisionError: over nought; run with --debug" in said
    guarded(work, as_json=False, debug=True)
    assert "Traceback" in capsys.readouterr().err


def test_sigterm_is_a_stop_that_can_be_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)

    def work() -> Outcome:
        os.kill(os.getpid(), signal.SIGTERM)
        signal.pause()
        raise AssertionError("the signal was not heard")

    assert guarded(work, as_json=False, debug=False) == Exit.STOPPED_EARLY
    assert "SIGTERM" in capsys.readouterr().err
    assert signal.getsignal(signal.SIGTERM) == before


def test_values_may_be_made_while_they_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    values = {"none": Streamed(iter(())), "some": Streamed({"n": n} for n in range(3)), "last": 1}
    assert guarded(lambda: Outcome(Exit.DONE, "", values), as_json=True, debug=False) == 0
    told = json.loads(capsys.readouterr().out)
    assert told == {
        "exit_status": 0, "none": [], "some": [{"n": 0}, {"n": 1}, {"n": 2}], "last": 1
    }  # fmt: skip


def test_success_is_text_for_people_and_values_for_programs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def work() -> Outcome:
        return Outcome(Exit.NOTHING_NEW, "没有新的", {"records": 3, "path": Path("a")})

    assert guarded(work, as_json=False, debug=False) == 10
    assert capsys.readouterr().out == "没有新的\n"
    assert guarded(work, as_json=True, debug=False) == 10
    out = capsys.readouterr().out
    assert json.loads(out) == {"exit_status": 10, "records": 3, "path": "a"}


def test_every_error_survives_the_way_between_processes() -> None:
    kinds = [
        kind
        for _, kind in inspect.getmembers(runtime.errors, inspect.isclass)
        if issubclass(kind, MepError)
    ]
    assert len(kinds) > 8
    for kind in kinds:
        error: MepError
        if kind is PartError:
            error = PartError(Path("a"), "damaged")
        elif kind is WorkerFailedError:
            error = WorkerFailedError("its words", Exit.LOCKED)
        else:
            error = kind("its words")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is kind
        assert str(again) == str(error)
        assert again.exit_status is error.exit_status


def test_a_table_is_aligned() -> None:
    text = table([("甲", "1"), ("abc", "200")], ("name", "n"))
    assert text.splitlines() == ["name    n", "----  ---", "甲       1", "abc   200"]


def test_progress_is_plain_lines_where_there_is_no_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime.progress, "PLAIN_SECONDS", 0.0)
    with progress("crawl: pages") as tick:
        tick(3)
        tick(5, 9)
        tick(6)
    assert capsys.readouterr().err.splitlines() == [
        "mep3m: crawl: pages: 3", "mep3m: crawl: pages: 5/9", "mep3m: crawl: pages: 6/9"
    ]  # fmt: skip


def test_plain_progress_is_seldom_and_quiet_progress_never(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(runtime.progress, "PLAIN_SECONDS", 3600.0)
    for quiet in (False, True):
        with progress("x", 100, quiet=quiet) as tick:
            for done in range(100):
                tick(done)
        assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with progress("clean: parts", 4) as tick:
        tick(1)
        tick(4, 4)
    said = capsys.readouterr().err
    assert "clean: parts" in said
    assert "4/4" in said
