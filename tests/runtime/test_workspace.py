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
    assert names[:3] == [f"20261122T081100Z{suffix}" for suffix in ("", "-1", "-2")]
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
    run = workspace.new_run(NOW, [])
    assert workspace.base_release(run) is None
    for version, run_id, parent in (("1.0.0", "r1", None), ("1.1.0", run.run_id, "1.0.0")):
        write_json(
            workspace.releases / version / "manifest.json",
            {"run_id": run_id, "parent": parent and {"version": parent}},
        )
    write_json(workspace.releases / "LATEST.json", {"version": "1.0.0"})
    assert workspace.latest_release() == workspace.releases / "1.0.0"
    assert workspace.base_release(run) == workspace.releases / "1.0.0"


def test_a_run_is_never_compared_with_its_own_release(workspace: Workspace) -> None:
    run = workspace.new_run(NOW, [])
    manifest = workspace.releases / "1.1.0" / "manifest.json"
    write_json(workspace.releases / "LATEST.json", {"version": "1.1.0"})
    write_json(manifest, {"run_id": run.run_id, "parent": {"version": "1.0.0"}})
    assert workspace.base_release(run) == workspace.releases / "1.0.0"
    write_json(manifest, {"run_id": run.run_id, "parent": None})
    assert workspace.base_release(run) is None


def test_a_host_makes_a_file_name() -> None:
    assert file_key("127.0.0.1:8080") == "127.0.0.1_8080"
    assert file_key("[::1]:80") == "___1__80"
    assert "/" not in file_key("a/../b")
