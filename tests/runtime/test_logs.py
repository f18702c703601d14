import json
from pathlib import Path
from typing import Any

import pytest

from runtime import logs


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_events_are_json_lines_away_from_a_terminal_and_text_on_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for is_terminal in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda: is_terminal)  # noqa: B023 - called here
        with (
            logs.logging_to(tmp_path, stderr="auto", quiet=False, max_bytes=10**6, keep=1),
            logs.about(run="r", stage="crawl"),
            logs.about(site="shop"),
        ):
            logs.warning("two\nlines \x1b[2J", pages=3)
        said = capsys.readouterr().err
        if is_terminal:
            assert said == "mep3m: two lines \\x1b[2J\n"
            continue
        (event,) = lines(said)
        assert event.pop("time").endswith("Z")
        assert event == {
            "level": "warning", "message": "two lines \\x1b[2J", "run": "r", "stage": "crawl",
            "site": "shop", "pages": 3,
        }  # fmt: skip


def test_outside_a_workspace_events_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    logs.info("hello")
    assert capsys.readouterr().err == "mep3m: hello\n"


def test_quiet_leaves_warnings_on_stderr_and_everything_in_the_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logs.logging_to(tmp_path, stderr="text", quiet=True, max_bytes=10**6, keep=1):
        logs.info("all is well")
        logs.warning("look here")
    assert capsys.readouterr().err == "mep3m: look here\n"
    kept = lines((tmp_path / logs.LOG_FILE).read_text())
    assert [event["message"] for event in kept] == ["all is well", "look here"]


def test_the_file_is_rotated_and_old_ones_go(tmp_path: Path) -> None:
    with logs.logging_to(tmp_path, stderr="text", quiet=True, max_bytes=500, keep=2):
        for number in range(50):
            logs.info(f"event {number}")
    files = sorted(path.name for path in (tmp_path / "logs").iterdir())
    assert files == ["mep3m.jsonl", "mep3m.jsonl.1", "mep3m.jsonl.2"]
    assert all(path.stat().st_size <= 500 for path in (tmp_path / "logs").iterdir())
    assert lines((tmp_path / logs.LOG_FILE).read_text())[-1]["message"] == "event 49"


def test_a_log_that_cannot_be_written_ends_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "logs").write_text("in the way")
    with logs.logging_to(tmp_path, stderr="text", quiet=False, max_bytes=500, keep=2):
        logs.info("hello")
    assert capsys.readouterr().err == "mep3m: hello\n"
