"""The nearest records, and why each was or was not a copy; and how titles changed."""

from datetime import timedelta
from pathlib import Path

import pytest

from cleaning.copies.thresholds import NeighbourThresholds
from provenance.audit import audit
from provenance.story import Neighbour, TitleChange
from provenance.story_text import story_text
from release.adoption import ADOPTING
from runtime.workspace import Run, Workspace
from tests.provenance.told import edit
from tests.release.finished_run import START, Product, RunWriter, changed, products, publish_run

HASH = 0x0F0F_3C3C_5A5A_9669
GREY, RED = bytes([120, 128, 128] * 16), bytes([120, 150, 128] * 16)
TITLE, OTHER = bytes(range(32)), bytes(range(100, 132))
# Which bits differ from shop-a:000000 (as many set as cleared: a hash has 32 set), colours, title.
NEAR = {
    "shop-a:000001": (0b11, GREY, TITLE),
    "shop-a:000002": (0b11, RED, TITLE),
    "shop-a:000003": (0b111111, GREY, OTHER),
    "shop-a:000004": (0b11111111, GREY, TITLE),
    "shop-a:000005": (0b11, GREY, TITLE),
    "shop-a:000006": (0b1111, GREY, TITLE),
}


def near(items: list[Product]) -> list[Product]:
    items = changed(items, "shop-a:000001", fate="duplicate", peer="shop-a:000000")
    items = changed(items, "shop-a:000005", fate="rejected")
    return changed(items, "shop-a:000006", fate="duplicate", peer="shop-a:000001")


def print_them(run: Run) -> None:
    everything = {"shop-a:000000": (0, GREY, TITLE), **NEAR}
    for record_id, (bits, colour, sketch) in everything.items():
        edit(
            run.cleaned, record_id, phash=HASH ^ bits, phash_trim=HASH ^ bits,
            colour=colour, colour_trim=colour, sketch=sketch,
        )  # fmt: skip


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three runs over the same products; the last one adopts another title, and shows a third."""
    made = Workspace(tmp_path_factory.mktemp("near") / "workspace")
    made.prepare()
    items = products("shop-a", 8)
    for number, title in enumerate(["淡水珍珠项链 7 毫米", "海水珍珠项链", "海水珍珠手链"]):
        items = changed(items, "shop-a:000007", title=title)
        run = RunWriter(made, START + timedelta(hours=number)).write(near(items))
        print_them(run)
        if number == 1:
            run.update(**{ADOPTING: True})
        publish_run(made, run)
    return made


def neighbours(
    workspace: Workspace, record_id: str, bounds: NeighbourThresholds | None = None
) -> dict[str, Neighbour]:
    return {one.record_id: one for one in audit(workspace, record_id, bounds).nearest}


def test_each_neighbour_is_told_with_what_kept_it_apart(workspace: Workspace) -> None:
    found = neighbours(workspace, "shop-a:000000")
    assert {record_id: (one.bits, one.title_agreement) for record_id, one in found.items()} == {
        "shop-a:000001": (2, 32), "shop-a:000002": (2, 32), "shop-a:000006": (4, 32),
        "shop-a:000003": (6, 0), "shop-a:000004": (8, 32),
    }  # fmt: skip
    assert found["shop-a:000001"].verdict == (
        "shop-a:000001 is its duplicate by near_duplicate_v1: near_duplicate_v1 of the fixture"
    )
    apart = {record_id: one.verdict for record_id, one in found.items()}
    assert apart["shop-a:000002"] == "no copy: the colours differ by 22, at most 6 for a copy"
    assert apart["shop-a:000003"].startswith("no copy: the titles share 0 of 32, at least 3")
    assert apart["shop-a:000004"] == "no copy: 8 bits are more than the radius of 6"
    assert apart["shop-a:000006"] == (
        "within all bounds, but it was duplicate of shop-a:000001 by near_duplicate_v1"
    )


def test_a_refused_picture_is_no_neighbour(workspace: Workspace) -> None:
    assert "shop-a:000005" not in neighbours(workspace, "shop-a:000000")


def test_a_duplicate_is_told_whose_it_is(workspace: Workspace) -> None:
    found = neighbours(workspace, "shop-a:000001")
    assert found["shop-a:000000"].verdict.startswith("this record is its duplicate by near_dup")
    assert "\n  shop-a:000000 淡水珍珠项链 0 毫米 (release " in story_text(
        audit(workspace, "shop-a:000001")
    )


def test_whose_copy_it_is_is_told_however_many_are_nearer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("provenance.audit_near.COUNT", 1)
    assert list(neighbours(workspace, "shop-a:000000")) == ["shop-a:000001"]
    assert list(neighbours(workspace, "shop-a:000001")) == ["shop-a:000002", "shop-a:000000"]


def test_the_configured_bounds_are_those_that_are_named(workspace: Workspace) -> None:
    strict = NeighbourThresholds(radius=1, keep_variants=False)
    found = neighbours(workspace, "shop-a:000000", strict)
    assert found["shop-a:000002"].verdict == "no copy: 2 bits are more than the radius of 1"


def test_without_runs_the_published_pictures_are_compared(
    workspace: Workspace, tmp_path: Path
) -> None:
    (tmp_path / "releases").symlink_to(workspace.releases)
    found = neighbours(Workspace(tmp_path), "shop-a:000000")
    assert "shop-a:000001" not in found  # it was never published
    assert found["shop-a:000002"].verdict.startswith("no copy: the colours differ by 22")


def test_titles_are_followed_over_runs_and_releases(workspace: Workspace) -> None:
    first, second, third = (run.run_id for run in workspace.runs())
    old, adopted, now = "淡水珍珠项链 7 毫米", "海水珍珠项链", "海水珍珠手链"
    story = audit(workspace, "shop-a:000007")
    cleaned = [change for change in story.title_changes if change.what == "cleaned title"]
    assert cleaned == [
        TitleChange(f"run {second}", f"run {first}", "cleaned title", old, adopted),
        TitleChange(f"run {third}", f"run {second}", "cleaned title", adopted, now),
        TitleChange("release 2.0.0", "release 1.0.0", "cleaned title", old, adopted),
        TitleChange(f"run {third}", "release 2.0.0", "cleaned title", adopted, now),
    ]
    raw = [change for change in story.title_changes if change.what == "raw title"]
    assert [(c.before, c.after) for c in raw] == [
        (f"【包邮】{c.before}", f"【包邮】{c.after}") for c in cleaned
    ]
    assert f"  run {third}, cleaned title since release 2.0.0:\n    {adopted} -> {now}" in (
        story_text(story)
    )
    assert audit(workspace, "shop-a:000000").title_changes == ()


def test_each_run_tells_what_was_taken_out_of_the_title(workspace: Workspace) -> None:
    text = story_text(audit(workspace, "shop-a:000007"))
    assert "raw title 【包邮】海水珍珠手链\n    taken out of it: 【包邮】" in text
    assert "cleaned title 海水珍珠手链 (zh)" in text
