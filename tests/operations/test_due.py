from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from operations.due import earliest, next_due
from runtime.config import Config, parse_config
from runtime.workspace import GATE_FAILED, Workspace

START = datetime(2026, 11, 1, 3, 0, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path)
    workspace.prepare()
    return workspace


def config_of(**every: float) -> Config:
    sites = [
        {"key": key, "program": "p", "base_url": "https://x.example", "every": days}
        for key, days in every.items()
    ]
    return parse_config({"site": sites})


def crawled(workspace: Workspace, at: datetime, *sites: str, **record: object) -> None:
    run = workspace.new_run(at, sites, **record)
    run.update(status="published", stages={"crawl": {}})


def due(workspace: Workspace, config: Config, now: datetime) -> list[str]:
    return [due.site for due in next_due(workspace, config) if due.is_due(now)]


def test_each_site_has_its_own_period(workspace: Workspace) -> None:
    config = config_of(always=0, daily=1, weekly=7)
    assert due(workspace, config, START) == ["always", "daily", "weekly"]
    crawled(workspace, START, "always", "daily", "weekly")
    assert due(workspace, config, START + DAY / 4) == ["always"]
    assert due(workspace, config, START + DAY) == ["always", "daily"]
    crawled(workspace, START + DAY, "always", "daily")
    assert due(workspace, config, START + 7 * DAY) == ["always", "daily", "weekly"]


def test_cron_that_starts_a_little_early_finds_its_site_due(workspace: Workspace) -> None:
    crawled(workspace, START + timedelta(seconds=40), "daily")
    assert due(workspace, config_of(daily=1), START + DAY) == ["daily"]
    assert due(workspace, config_of(daily=1), START + DAY - timedelta(hours=2)) == []


def test_a_site_that_failed_or_was_not_crawled_to_its_end_is_due(workspace: Workspace) -> None:
    crawled(workspace, START, "a", "b", failed_sites={"a": "down"})
    workspace.new_run(START + DAY / 2, ["b"]).update(status="published")
    assert due(workspace, config_of(a=7, b=7), START + DAY) == ["a"]


def test_what_a_gate_kept_back_is_due(workspace: Workspace) -> None:
    crawled(workspace, START, "a")
    crawled(workspace, START + 7 * DAY, "a")
    workspace.runs()[-1].update(status=GATE_FAILED)
    assert due(workspace, config_of(a=7), START + 8 * DAY) == ["a"]
    workspace.runs()[-1].update(status="published")  # somebody accepted it
    assert due(workspace, config_of(a=7), START + 8 * DAY) == []


def test_archives_and_imports_are_no_crawls(workspace: Workspace) -> None:
    crawled(workspace, START, "a", from_warc={})
    crawled(workspace, START, "a", imported={})
    assert due(workspace, config_of(a=7), START) == ["a"]


def test_a_clock_set_back_does_not_silence_a_site(workspace: Workspace) -> None:
    crawled(workspace, START, "a")
    assert due(workspace, config_of(a=7), START - 30 * DAY) == ["a"]


def test_the_earliest_is_one_that_never_ran_or_the_one_due_first(workspace: Workspace) -> None:
    assert earliest([]) is None
    crawled(workspace, START, "a", "b")
    first = earliest(next_due(workspace, config_of(a=7, b=2)))
    assert first is not None and first.site == "b"
    never = earliest(next_due(workspace, config_of(a=7, b=2, c=30)))
    assert never is not None and (never.site, never.due_at) == ("c", None)
