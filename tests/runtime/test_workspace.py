"""The workspace: names of runs, the pointer to the current release, and clear refusals."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from runtime.errors import WorkspaceError
from runtime.storage import write_json
from runtime.workspace import Workspace, file_key

NOW = datetime(2026, 11, 22, 8, 11, tzinfo=UTC)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = Workspace(tmp_path / "workspace")
    workspace.prepare()
    return workspace


def test_a_run_is_named_by_its_start_in_utc(workspace: Workspace) -> None:
    beijing = NOW.astimezone(timezone(timedelta(hours=8)))
    run = workspace.new_run(beijing, ["b", "a"])
    assert run.run_id == "20261122T081100Z"
    assert run.record["sites"] == ["a", "b"]
    assert not run.is_finished


def test_runs_of_one_second_have_names_of_their_own_in_order(workspace: Workspace) -> None:
    first, second, third = (workspace.new_run(NOW, []) for _ in range(3))
    later = workspace.new_run(NOW + timedelta(seconds=1), [])
    names = [run.run_id for run in (first, second, third, later)]
    assert names[:3] == [f"20261122T081100Z{suffix}" for suffix in ("", "-0001", "-0002")]
    assert [run.run_id for run in workspace.runs()] == names


def test_the_newest_run_is_gone_on_with_until_it_is_finished(workspace: Workspace) -> None:
    assert workspace.unfinished_run() is None
    old = workspace.new_run(NOW, [])
    old.update(status="published")
    run = workspace.new_run(NOW + timedelta(days=1), [])
    assert workspace.unfinished_run() == run
    run.update(status="nothing_new")
    assert run.is_finished
    assert workspace.unfinished_run() is None


def test_stages_are_recorded_in_their_order_and_nothing_else_changes(workspace: Workspace) -> None:
    run = workspace.new_run(NOW, ["a"])
    run.finish_stage("clean", {"kept": 1})
    run.finish_stage("crawl", {"pages": 2})
    run.finish_stage("clean", {"kept": 3})
    assert list(run.record["stages"].items()) == [("crawl", {"pages": 2}), ("clean", {"kept": 3})]
    assert run.record["status"] == "running"


def test_a_run_that_is_not_there_is_named_with_those_that_are(workspace: Workspace) -> None:
    with pytest.raises(WorkspaceError, match=r"'x'.*none yet"):
        workspace.run("x")
    run = workspace.new_run(NOW, [])
    assert workspace.run(run.run_id) == run
    with pytest.raises(WorkspaceError, match=run.run_id):
        workspace.run("x")


def test_a_folder_without_a_record_is_no_run(workspace: Workspace) -> None:
    (workspace.folder / "runs" / "20200101T000000Z").mkdir()
    assert workspace.runs() == []


def test_a_workspace_that_is_a_file_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(WorkspaceError, match="expected a folder"):
        Workspace(tmp_path / "file").prepare()
    assert (tmp_path / "file").read_text() == "mine"


def test_the_current_release_is_what_the_pointer_says(workspace: Workspace) -> None:
    assert workspace.latest_release() is None
    write_json(workspace.releases / "LATEST.json", {"version": "1.0.0"})
    assert workspace.latest_release() == workspace.releases / "1.0.0"
    for damaged in ({}, [], {"version": 1}, {"version": "../runs"}, {"version": ""}):
        write_json(workspace.releases / "LATEST.json", damaged)
        with pytest.raises(WorkspaceError, match="version"):
            workspace.latest_release()


@pytest.mark.parametrize(
    ("damaged", "told"),
    [
        (["x"], "an object"),
        ({}, "`status`"),
        ({"status": "running"}, "`stages`"),
        ({"status": 1, "stages": {}}, "`status` as str, got '1'"),
        ({"status": "running", "stages": [], "sites": []}, "`stages` as dict"),
        ({"status": "running", "stages": {}, "started": "today"}, "an instant, got 'today'"),
    ],
)
def test_a_damaged_record_names_file_and_entry(
    workspace: Workspace, damaged: object, told: str
) -> None:
    run = workspace.new_run(NOW, ["a"])
    write_json(run.folder / "run.json", damaged)
    with pytest.raises(WorkspaceError, match=r"run\.json: expected .*from a copy") as raised:
        _ = run.record
    assert told in str(raised.value)


def test_a_stage_expects_those_before_it(workspace: Workspace) -> None:
    run = workspace.new_run(NOW, [])
    run.require_before("crawl")
    with pytest.raises(WorkspaceError, match="mep3m crawl"):
        run.require_before("merge")
    for stage in ("crawl", "merge", "fetch", "clean"):
        run.finish_stage(stage, {"done": 1})
    run.require_before("map")
    run.finish_stage("merge", {"done": 2})  # what was made from the old one no longer counts
    assert list(run.record["stages"]) == ["crawl", "merge"]


def test_a_host_makes_a_file_name() -> None:
    hosts = ["127.0.0.1:8080", "127.0.0.1_8080", "[::1]:80", "a/../b", "a" * 300, "a" * 301]
    keys = [file_key(host) for host in hosts]
    assert keys[0] == "127.0.0.1%3A8080"
    assert len(set(keys)) == len(hosts)
    assert all("/" not in key and len(key) < 200 for key in keys)
