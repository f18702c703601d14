"""`diff` names every record that came, went or changed between two releases, and why."""

import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import pipeline
from provenance.diff.difference import compare
from provenance.diff.telling import to_json, to_text
from release.adoption import ADOPTING
from release.manifest import MANIFEST
from runtime.columns import column
from runtime.errors import ConfigError, WorkspaceError
from runtime.exits import Exit
from runtime.storage import read_json, sha256_file, write_json
from runtime.workspace import Workspace
from tests.release.finished_run import START, RunWriter, changed, products, publish_run

NEWCOMERS = ["shop-a:000100", "shop-a:000101", "shop-c:000000"]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two releases: three records came, one opted out, one shows another title in the shop; and a
    third that adopts that title."""
    made = Workspace(tmp_path_factory.mktemp("diff") / "workspace")
    made.prepare()
    first = products("shop-a", 9) + products("shop-b", 4)
    first = changed(first, "shop-a:000003", fate="rejected")
    publish_run(made, RunWriter(made).write(first))
    second = changed(first, "shop-b:000002", fate="rejected", opt_out="noai")
    second = changed(second, "shop-a:000002", title="淡水珍珠手链")
    second += products("shop-a", 2, first=100) + products("shop-c", 1)
    publish_run(made, RunWriter(made, START + timedelta(hours=1)).write(second))
    major = RunWriter(made, START + timedelta(hours=2)).write(second)
    major.update(**{ADOPTING: True})
    publish_run(made, major)
    return made


def release(workspace: Workspace, version: str) -> Path:
    return workspace.releases / version


def said(first: Path, second: Path) -> dict[str, Any]:
    """The whole difference as a program reads it."""
    with compare(first, second) as found:
        values: dict[str, Any] = to_json(found)
        return {key: list(v) if isinstance(v, list) else v for key, v in values.items()}


def test_every_record_that_came_or_went_has_the_decision_behind_it(grown: Workspace) -> None:
    found = said(release(grown, "1.0.0"), release(grown, "1.1.0"))
    assert found["counts"] == {"added": 3, "removed": 1, "changed": 0}
    assert [entry["record_id"] for entry in found["added"]] == NEWCOMERS
    assert {entry["decision"]["rule"] for entry in found["added"]} == {"published_v1"}
    (gone,) = found["removed"]
    assert gone["record_id"] == "shop-b:000002"
    decision = gone["decision"]
    assert (decision["stage"], decision["rule"]) == ("publish", "opted_out_v1")
    assert decision["reason"] == "opted out since: noai"
    assert {"kind": "removed", "rule": "opted_out_v1", "count": 1} in found["rules"]


def test_backwards_the_same_decisions_explain_it(grown: Workspace) -> None:
    found = said(release(grown, "1.1.0"), release(grown, "1.0.0"))
    assert [entry["record_id"] for entry in found["removed"]] == NEWCOMERS
    assert {entry["decision"]["rule"] for entry in found["removed"]} == {"published_v1"}
    (back,) = found["added"]
    assert back["decision"]["rule"] == "opted_out_v1"


def test_a_release_differs_in_nothing_from_itself_and_no_shard_is_opened(
    grown: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(release(grown, "1.1.0"), tmp_path / "copy")
    for shard in (tmp_path / "copy" / "data").iterdir():
        first = shard.read_bytes()
        shard.unlink()
        shard.write_bytes(first[:8])  # the footer of one is read for the columns, no more
    shutil.copy(
        next((release(grown, "1.1.0") / "data").glob("test-*")),
        next((tmp_path / "copy").glob("data/test-*")),
    )
    found = said(release(grown, "1.1.0"), tmp_path / "copy")
    assert found["counts"] == {"added": 0, "removed": 0, "changed": 0}


def edited(release: Path, target: Path, titles: dict[str, str]) -> Path:
    """A copy of a release in which some titles are others, as an adopting release has them."""
    shutil.copytree(release, target)
    manifest = read_json(target / MANIFEST)
    for entry in manifest["files"]:
        if not entry["path"].startswith("data/"):
            continue
        path = target / entry["path"]
        rows = pq.read_table(path)
        ids = rows["record_id"].to_pylist()
        if not titles.keys() & set(ids):
            continue
        new = [titles.get(i, t) for i, t in zip(ids, rows["title"].to_pylist(), strict=True)]
        place = rows.schema.get_field_index("title")
        path.unlink()
        pq.write_table(
            rows.set_column(place, rows.schema.field(place), column(new, pa.string())), path
        )
        entry.update(sha256=sha256_file(path), bytes=path.stat().st_size)
    write_json(target / MANIFEST, manifest)
    return target


def test_a_changed_record_tells_its_columns_and_the_rule(grown: Workspace, tmp_path: Path) -> None:
    titles = {"shop-a:000002": "淡水珍珠手链", "shop-a:000004": "nobody decided this"}
    adopted = edited(release(grown, "1.1.0"), tmp_path / "adopted", titles)
    found = said(release(grown, "1.1.0"), adopted)
    assert found["counts"] == {"added": 0, "removed": 0, "changed": 2}
    one, other = found["changed"]
    assert one["changes"] == [
        {"column": "title", "from": "淡水珍珠项链 2 毫米", "to": "淡水珍珠手链",
         "by": "title_changed_v1"}
    ]  # fmt: skip
    assert one["decisions"][0]["value"] == "淡水珍珠手链"
    assert other["record_id"] == "shop-a:000004" and other["changes"][0]["by"] is None
    with compare(release(grown, "1.1.0"), adopted) as again:
        text = to_text(again, 20)
    assert "title: 淡水珍珠项链 2 毫米 -> 淡水珍珠手链, by title_changed_v1" in text
    assert "changed by no rule (title) 1, title_changed_v1 1" in text


def test_what_a_major_release_adopted_tells_what_it_was_and_is(grown: Workspace) -> None:
    found = said(release(grown, "1.1.0"), release(grown, "2.0.0"))
    assert found["counts"] == {"added": 0, "removed": 0, "changed": 1}
    (entry,) = found["changed"]
    changes = {change["column"]: change for change in entry["changes"]}
    assert entry["record_id"] == "shop-a:000002"
    assert (changes["title"]["to"], changes["title"]["by"]) == ("淡水珍珠手链", "title_changed_v1")
    assert all(change["by"] is not None for change in changes.values())
    assert {row["rule"] for row in entry["decisions"]} >= {"title_changed_v1"}


def test_another_split_is_a_change(grown: Workspace, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(release(grown, "1.0.0"), moved)
    path = moved / "lineage" / "lineage.parquet"
    rows = pq.read_table(path)
    splits = rows["split"].to_pylist()
    other = "train" if splits[0] != "train" else "test"
    path.unlink()
    pq.write_table(
        rows.set_column(1, rows.schema.field(1), column([other, *splits[1:]], pa.string())), path
    )
    manifest = read_json(moved / MANIFEST)
    for entry in manifest["files"]:
        if entry["path"] == "lineage/lineage.parquet":
            entry["sha256"] = sha256_file(path)
    write_json(moved / MANIFEST, manifest)
    (entry,) = said(release(grown, "1.0.0"), moved)["changed"]
    assert entry["changes"] == [{"column": "split", "from": splits[0], "to": other, "by": None}]


def test_text_shows_the_first_records_of_each_kind_json_all(
    grown: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # no configuration is needed
    arguments = ["diff", str(release(grown, "1.0.0")), str(release(grown, "1.1.0"))]
    text = CliRunner().invoke(pipeline.main, [*arguments, "--limit", "2"])
    values = CliRunner().invoke(pipeline.main, [*arguments, "--json", "--limit", "2"])
    assert text.exit_code == values.exit_code == Exit.DONE
    assert "1.0.0 -> 1.1.0: 12 -> 14 records, 3 added, 1 removed, 0 changed" in text.stdout
    assert "added (the first 2 of 3" in text.stdout
    assert text.stdout.count("\n+ ") == 2 and "\n- shop-b:000002  publish: removed" in text.stdout
    told = json.loads(values.stdout)
    assert [entry["record_id"] for entry in told["added"]] == NEWCOMERS
    assert told["changed"] == [] and told["exit_status"] == 0


def test_versions_of_the_workspace_can_be_named(grown: Workspace) -> None:
    config = grown.folder / "mep3m.toml"
    config.write_text('workspace = "."\n')
    arguments = ["diff", "1.0.0", "1.1.0", "--config", str(config), "--json"]
    said = CliRunner().invoke(pipeline.main, arguments)
    assert json.loads(said.stdout)["counts"]["added"] == 3
    unknown = CliRunner().invoke(pipeline.main, [*arguments[:2], "9.9.9", *arguments[3:]])
    assert unknown.exit_code == Exit.USAGE


def test_a_withdrawn_release_is_named_as_such(grown: Workspace, tmp_path: Path) -> None:
    stub = tmp_path / "1.0.0"
    stub.mkdir()
    told = {"at": "2026-02-03", "reason": "a takedown"}
    write_json(stub / MANIFEST, {"version": "1.0.0", "withdrawn": told})
    with pytest.raises(ConfigError, match="withdrawn on 2026-02-03"):
        compare(stub, release(grown, "1.1.0"))


def test_a_damaged_shard_is_named(grown: Workspace, tmp_path: Path) -> None:
    broken = tmp_path / "copy"
    shutil.copytree(release(grown, "1.1.0"), broken)
    shard = sorted((broken / "data").iterdir())[0]
    shard.unlink()
    shard.write_bytes(b"PAR1")
    with pytest.raises(WorkspaceError, match=shard.name):
        compare(release(grown, "1.0.0"), broken)
