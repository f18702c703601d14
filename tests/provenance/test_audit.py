"""The audit: the whole story of records of every fate, over runs and releases."""

import json
import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from provenance.audit import audit
from provenance.ledger import Judgement, fate_of, fates, ledger
from provenance.story_text import story_text
from release.manifest import MANIFEST
from runtime.errors import ConfigError
from runtime.exits import Exit
from runtime.storage import write_json
from runtime.workspace import Workspace
from tests.release.finished_run import START, Product, RunWriter, changed, products, publish_run


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Two runs: the second sees one record again, refuses another, and brings a copy."""
    made = Workspace(tmp_path_factory.mktemp("audit") / "workspace")
    made.prepare()
    items = changed(products("shop-a", 14), "shop-a:000003", fate="rejected")
    items = changed(items, "shop-a:000004", fate="held")
    items = changed(items, "shop-a:000009", fate="duplicate", peer="shop-a:000001")
    publish_run(made, RunWriter(made).write(items + products("shop-a-b", 3)))
    again = [
        Product("shop-a:000001", "淡水珍珠项链 1 毫米", fate="duplicate", peer="shop-a:000001"),
        Product("shop-a:000002", "淡水珍珠项链 2 毫米", fate="rejected", opt_out="noai"),
        Product("shop-c:000001", "珍珠", fate="duplicate", peer="shop-a-b:000002"),
    ]
    publish_run(made, RunWriter(made, START + timedelta(hours=1)).write(again))
    return made


def test_a_published_record_is_told_from_page_to_shard(workspace: Workspace) -> None:
    story = audit(workspace, "shop-a:000008")
    assert story.fate == "published"
    (run,) = story.runs
    assert [s.page_kind for s in run.sightings] == ["product", "listing"]
    assert run.kept_page == "https://shop-a.example/item/000008"
    assert all(s.capture.problem is None for s in run.sightings)
    assert run.sightings[0].capture.shows(run.kept_page)
    assert [(i.attempt, i.outcome, i.status) for i in run.images] == [
        (1, "timeout", None), (2, "ok", 200),
    ]  # fmt: skip
    assert [(d.stage, d.verdict) for d in run.decisions] == [
        ("merge", "merged"), ("clean", "kept"), ("publish", "published"),
    ]  # fmt: skip
    assert run.label is not None and run.label.names == ["箱包/钟表/珠宝", "饰品"]
    assert [held.version for held in story.releases] == ["1.0.0", "1.0.1"]
    held = story.releases[0]
    assert [held.is_current for held in story.releases] == [False, True]
    assert held.capture == run.sightings[0].capture
    assert held.sha256 == run.images[1].sha256 and held.shard.startswith(f"data/{held.split}-")


def test_a_rejected_record_shows_rule_value_and_threshold(workspace: Workspace) -> None:
    story = audit(workspace, "shop-a:000003")
    assert (story.fate, story.releases) == ("rejected", ())
    assert "clean: rejected by title_too_short_v1" in story_text(story)
    assert ", value 1, threshold 4" in story_text(story)


def test_a_held_record_shows_what_the_mapper_saw(workspace: Workspace) -> None:
    story = audit(workspace, "shop-a:000004")
    assert story.fate == "held"
    assert "label none, held for review by no_category_v1: no path" in story_text(story)


def test_a_duplicate_names_its_representative_by_title(workspace: Workspace) -> None:
    decision = audit(workspace, "shop-a:000009").runs[0].decisions[-1]
    assert (decision.peer_id, decision.peer_title) == ("shop-a:000001", "淡水珍珠项链 1 毫米")
    decision = audit(workspace, "shop-c:000001").runs[0].decisions[-1]
    assert decision.verdict == "duplicate" and decision.peer_title == "淡水珍珠项链 2 毫米"


def test_a_record_seen_again_has_a_story_in_both_runs_newest_first(workspace: Workspace) -> None:
    story = audit(workspace, "shop-a:000001")
    assert [run.fate for run in story.runs] == ["published", "published"]
    assert story.runs[0].run_id > story.runs[1].run_id
    rules = [line.rule for line in story.runs[0].decisions if line.stage == "publish"]
    assert rules == ["already_published_v1", "image_changed_v1"]


def test_a_removed_record_is_in_the_old_release_only(workspace: Workspace) -> None:
    story = audit(workspace, "shop-a:000002")
    assert story.fate == "removed"
    assert [held.version for held in story.releases] == ["1.0.0"]
    assert "opted out since: noai" in story_text(story)


def test_sites_whose_keys_begin_alike_are_kept_apart(workspace: Workspace) -> None:
    story = audit(workspace, "shop-a-b:000001")
    assert story.runs[0].kept_page == "https://shop-a-b.example/item/000001"


def test_the_story_is_json(workspace: Workspace) -> None:
    value = json.loads(json.dumps(audit(workspace, "shop-a:000008").to_json()))
    assert value["fate"] == "published" and value["runs"][0]["images"][1]["outcome"] == "ok"


def test_a_damaged_capture_is_told(workspace: Workspace, tmp_path: Path) -> None:
    capture = workspace.runs()[0].captures / "shop-a-b-00000.warc.gz"
    intact = capture.read_bytes()
    try:
        capture.write_bytes(intact[:300])
        capture_of = audit(workspace, "shop-a-b:000002").runs[0].sightings[0].capture
        assert capture_of.problem is not None
    finally:
        capture.write_bytes(intact)


@pytest.mark.parametrize("record_id", ["shop-a:999999", "nowhere:1", "", "shop-a:"])
def test_an_unknown_id_is_a_usage_error(workspace: Workspace, record_id: str) -> None:
    with pytest.raises(ConfigError, match="found it in none") as caught:
        audit(workspace, record_id)
    assert caught.value.exit_status is Exit.USAGE


def test_fates_add_up_to_the_sightings(workspace: Workspace) -> None:
    first, second = workspace.runs()
    assert fates(first) == {
        "published": 14, "rejected": 1, "held": 1, "duplicate": 1, "merged": 5,
    }  # fmt: skip
    assert fates(second) == {"published": 1, "removed": 1, "duplicate": 1}
    account = ledger(first)
    assert account.sightings == account.fates.total() == 22
    assert account.rules["map", "no_category_v1", "held"] == 1


def test_the_last_stage_that_judged_decides() -> None:
    def said(*verdicts: tuple[str, str]) -> str | None:
        return fate_of([Judgement("a:1", stage, "rule_v1", verdict) for stage, verdict in verdicts])

    assert said(("clean", "kept"), ("dedupe", "duplicate")) == "duplicate"
    assert said(("dedupe", "duplicate"), ("publish", "published")) == "published"
    assert said(("clean", "rejected"), ("publish", "removed")) == "removed"
    assert said(("clean", "flagged"), ("clean", "rejected")) == "rejected"
    assert said(("merge", "merged"), ("clean", "kept")) is None
    assert said() is None


def test_a_withdrawn_release_is_named_but_not_read(workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(workspace.folder, tmp_path / "copy")
    copy = Workspace(tmp_path / "copy")
    first = copy.releases / "1.0.0"
    shutil.rmtree(first)
    stub = {"version": "1.0.0", "withdrawn": {"at": "2026-02-01", "reason": "a takedown"}}
    write_json(first / MANIFEST, stub)
    story = audit(copy, "shop-a:000008")
    assert [held.version for held in story.releases] == ["1.0.1"]
    assert "release 1.0.0: withdrawn on 2026-02-01 (a takedown)" in story_text(story)
    with pytest.raises(ConfigError, match=r"1 releases of .* \(withdrawn: 1\.0\.0\)"):
        audit(copy, "shop-a:999999")
