"""What cron relies on: statuses, the summary, the call on failure, time limits, what is due."""

from __future__ import annotations

import fcntl
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from runtime.exits import Exit
from tests.crawler.shop import HTML, running_shop
from tests.integration.commands import mep3m, pages_done, signal_when, start
from tests.integration.test_second_runs import Stall, open_stall, picture


@pytest.fixture
def stall(tmp_path: Path) -> Iterator[Stall]:
    with running_shop() as shop:
        yield open_stall(shop, tmp_path)


def last_run(stall: Stall) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stall.folder / "last_run.json").read_text())
    return found


def events(stall: Stall) -> list[dict[str, Any]]:
    text = (stall.folder / "logs" / "mep3m.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def configure(stall: Stall, text: str) -> None:
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + text)


def told_to(stall: Stall, file: Path) -> None:
    """Have a failed run's summary written to a file by a real command."""
    code = f"import sys; open({str(file)!r}, 'ab').write(sys.stdin.buffer.read())"
    configure(stall, f"[run]\non_failure = {json.dumps([sys.executable, '-c', code])}\n")


def test_a_good_run_and_one_with_nothing_new_say_so(stall: Stall, tmp_path: Path) -> None:
    told_to(stall, tmp_path / "told.json")
    for status, outcome, release in ((0, "done", "1.0.0"), (10, "nothing_new", None)):
        said = stall.say("run")
        assert said.status == status
        assert said.out.splitlines()[0].startswith("run 2")
        summary = last_run(stall)
        assert (summary["exit_status"], summary["outcome"]) == (status, outcome)
        assert summary["release"] == release if release else "release" not in summary
        assert summary["error"] == "" and summary["seconds"] > 0
        final = events(stall)[-1]
        assert (final["exit_status"], final["run_id"]) == (status, summary["run_id"])
    stages = [event.get("stage") for event in events(stall) if event["message"].endswith(": done")]
    assert stages == ["crawl", "merge", "fetch", "clean", "map", "dedupe", "publish"] * 2
    assert not (tmp_path / "told.json").exists(), "nobody is called where nothing failed"


def test_a_site_that_is_down_degrades_and_somebody_is_called(stall: Stall, tmp_path: Path) -> None:
    told_to(stall, tmp_path / "told.json")
    stall.run()
    published = stall.published()
    stall.shop.answers.clear()
    stall.shop.answers["/"] = (503, HTML, b"")
    said = stall.say("run")
    assert said.status == Exit.DEGRADED
    assert stall.published() == published, "what was published stays"
    summary = json.loads((tmp_path / "told.json").read_text())
    assert summary == last_run(stall)
    assert (summary["exit_status"], list(summary["failed_sites"])) == (30, ["s"])
    assert any(e["level"] == "warning" and e.get("site") == "s" for e in events(stall))


def test_wrong_settings_are_recorded_and_somebody_is_called(stall: Stall, tmp_path: Path) -> None:
    told_to(stall, tmp_path / "told.json")
    (stall.folder / "own.toml").write_text("nonsense")
    said = stall.say("run")
    assert said.status == Exit.USAGE
    summary = json.loads((tmp_path / "told.json").read_text())
    assert (summary["exit_status"], summary["run_id"]) == (2, None)
    assert "own.toml" in summary["error"]


def test_an_unforeseen_end_is_recorded(
    stall: Stall, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told_to(stall, tmp_path / "told.json")

    def broken(*arguments: object) -> None:
        raise ZeroDivisionError("by chance")

    monkeypatch.setattr("crawler.merge.merge", broken)
    said = stall.say("run")
    assert said.status == Exit.UNFORESEEN
    assert said.err.count("by chance") == 1, "told once"
    assert json.loads((tmp_path / "told.json").read_text())["exit_status"] == 1


def test_a_call_that_fails_does_not_change_the_status(stall: Stall) -> None:
    configure(stall, '[run]\non_failure = ["/nonexistent/command"]\n')
    (stall.folder / "own.toml").write_text("nonsense")
    said = stall.say("run")
    assert said.status == Exit.USAGE
    assert "run.on_failure '/nonexistent/command' could not be called" in said.err


@contextmanager
def held(folder: Path) -> Iterator[None]:
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def test_a_second_run_ends_at_once_and_a_dead_ones_lock_is_taken_over(stall: Stall) -> None:
    with held(stall.folder):
        said = stall.say("run")
    assert said.status == Exit.LOCKED
    assert not stall.shop.asked
    assert not (stall.folder / "last_run.json").exists(), "that file is the holder's"
    (stall.folder / ".lock").write_text("4194304")  # a process that is gone
    assert stall.say("run").status == 0


def slow(stall: Stall, products: int) -> None:
    """Many products, asked for one by one, so that a signal meets the crawl."""
    for number in range(10, 10 + products):
        stall.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
    stall.show(*range(10, 10 + products))
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text().replace("delay = 0.0", "delay = 0.05", 1))


def test_a_time_limit_stops_resumable_until_the_run_is_done(stall: Stall) -> None:
    slow(stall, 40)
    said = mep3m("run", "--config", stall.folder / "mep3m.toml", "--max-time", "2s")
    assert said.status == Exit.STOPPED_EARLY, said.err
    assert "--max-time" in last_run(stall)["error"]
    asked = stall.shop.paths()
    said = mep3m("run", "--config", stall.folder / "mep3m.toml", "--max-time", "10m", "--json")
    assert said.status == 0, said.err
    again = [path for path in stall.shop.paths()[len(asked) :] if path.startswith("/p/")]
    assert not set(again) & set(asked[:-4]), "only what was in flight is asked for again"
    assert len(list((stall.folder / "runs").iterdir())) == 1


def test_sigterm_and_ctrl_c_are_recorded(stall: Stall) -> None:
    slow(stall, 40)
    for number, status in ((signal.SIGTERM, 11), (signal.SIGINT, 130)):
        process = start("run", "--config", stall.folder / "mep3m.toml")
        before = pages_done(stall.folder)
        signal_when(process, lambda b=before: pages_done(stall.folder) > b, number)  # type: ignore[misc]
        process.communicate(timeout=60)
        assert process.returncode == status
        assert last_run(stall)["exit_status"] == status
    assert mep3m("run", "--config", stall.folder / "mep3m.toml").status == 0


def test_a_damaged_copy_is_40_and_what_nobody_can_do_is_2(stall: Stall) -> None:
    stall.run()
    shard = next((stall.folder / "releases" / "1.0.0" / "data").iterdir())
    shard.chmod(0o644)
    data = bytearray(shard.read_bytes())
    data[100] ^= 1
    shard.write_bytes(bytes(data))
    assert stall.say("verify").status == Exit.VERIFICATION_FAILED
    assert stall.say("run", "--max-time", "soon").status == Exit.USAGE
    assert stall.say("run", "--now", "someday").status == Exit.USAGE


def test_only_what_is_due_is_crawled(stall: Stall) -> None:
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + "every = 7.0\n")
    assert stall.say("run", "--now", "2026-12-01T03:00:00Z").status == 0
    asked = len(stall.shop.asked)
    said = stall.say("run", "--now", "2026-12-02T03:00:00Z", "--json")
    assert (said.status, said.json["run_id"]) == (10, None)
    assert (
        "no site is due: s is the next, from 2026-12-08T02:00:00Z on" in last_run(stall)["summary"]
    )
    assert len(stall.shop.asked) == asked
    assert stall.say("run", "--now", "2026-12-02T03:00:00Z", "--all").status == 10
    assert len(stall.shop.asked) > asked
    said = stall.say("run", "--now", "2026-12-09T02:59:58Z", "--json")
    assert said.json["run_id"].startswith("20261209T0259")


def test_a_run_lives_on_the_day_that_was_passed_in(stall: Stall) -> None:
    assert stall.say("run", "--now", "2031-05-01T03:00:00Z").status == 0
    row = stall.rows().iloc[0]
    assert row["run_id"].startswith("20310501T03")
    assert row["fetched_at"].isoformat().startswith("2031-05-01T03:0")
    (images,) = (stall.folder / "runs" / row["run_id"] / "images").glob("*.parquet")
    import pyarrow.parquet as pq

    assert {str(t)[:10] for t in pq.read_table(images)["fetched_at"].to_pylist()} == {"2031-05-01"}
    stall.check()


def test_a_clock_that_was_set_back_neither_stops_nor_mixes_up_runs(stall: Stall) -> None:
    assert stall.say("run", "--now", "2026-12-10T03:00:00Z").status == 0
    stall.sell(7, "竹编收纳篮家用加厚 38cm", picture(7))
    stall.show(1, 2, 3, 7)
    assert stall.say("run", "--now", "2026-12-01T03:00:00Z").status == 0
    first, second = stall.workspace.runs()
    assert second.run_id.startswith(first.run_id) and second.record["started"] < "2026-12-02"
    assert set(stall.published()) == {"s:1", "s:2", "s:7"}
    stall.check()


def test_two_runs_started_at_the_same_second_do_not_meet(stall: Stall) -> None:
    slow(stall, 10)
    command = ("run", "--config", stall.folder / "mep3m.toml", "--now", "2026-12-01T03:00:00Z")
    both = [start(*command) for _ in range(2)]
    statuses = sorted(process.wait(timeout=120) for process in both)
    for process in both:
        process.communicate()
    assert statuses == [0, 75]
    assert mep3m(*command).status == 10
    first, second = stall.workspace.runs()
    assert (second.run_id > first.run_id) and first.run_id[:15] == second.run_id[:15]
