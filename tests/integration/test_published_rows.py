"""What is published stays as it is, until a major release adopts what the shop shows now."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from release.ledger_files import decisions_on
from release.manifest import read_manifest
from tests.crawler.shop import Shop, running_shop
from tests.integration.test_second_runs import Stall, open_stall, picture

TITLES = {
    1: "青瓷茶杯手工釉下彩 200ml", 2: "不锈钢保温壶大容量 1.5L", 3: "竹编收纳篮家用加厚",
    4: "羊毛地毯客厅北欧风 160cm", 5: "实木餐椅靠背简约现代",
}  # fmt: skip


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


@pytest.fixture
def stall(shop: Shop, tmp_path: Path) -> Stall:
    stall = open_stall(shop, tmp_path / "workspace")
    for number, title in TITLES.items():
        stall.sell(number, title, picture(number))
    stall.show(*TITLES)
    return stall


def remap(stall: Stall, leaf: int) -> None:
    mapping = stall.folder / "mapping.csv"
    mapping.write_text(f"path,level,id,by,when,note\n*,sub_class,{leaf},tests,2026-11-22,\n")


def crawl_again(stall: Stall, *options: str) -> int:
    """A run that asks for everything anew; its exit status."""
    said = stall.say("run", "--refresh-after", "0", *options)
    stall.check()
    return said.status


def flags(stall: Stall) -> dict[str, set[str]]:
    """The rules by which the newest run told differences, by record id."""
    folder = stall.workspace.runs()[-1].decisions("publish")
    found: dict[str, set[str]] = {}
    for name in folder.names():
        for row in folder.read(name).to_pylist():
            if row["verdict"] == "flagged":
                found.setdefault(row["record_id"], set()).add(row["rule"])
    return found


def version(stall: Stall) -> str:
    release = stall.workspace.latest_release()
    assert release is not None
    return release.name


def test_changes_wait_for_a_major_release_and_opt_outs_do_not(stall: Stall) -> None:
    assert crawl_again(stall) == 0
    first = stall.rows()
    assert set(first.index) == {f"s:{n}" for n in TITLES}

    stall.sell(1, "青瓷茶杯手工釉下彩 300ml 新款", picture(1))
    assert crawl_again(stall) == 10
    assert flags(stall) == {"s:1": {"title_changed_v1"}}

    stall.sell(2, TITLES[2], picture(22))
    assert crawl_again(stall) == 10
    assert flags(stall) == {"s:1": {"title_changed_v1"}, "s:2": {"image_changed_v1"}}

    remap(stall, 4)
    stall.sell(4, TITLES[4], picture(4), **{"X-Robots-Tag": "noai"})
    assert crawl_again(stall) == 0
    assert version(stall) == "1.0.1"
    assert flags(stall)["s:5"] == {"label_changed_v1"}
    assert flags(stall)["s:1"] == {"title_changed_v1", "label_changed_v1"}
    patched = stall.rows()
    assert set(first.index) - set(patched.index) == {"s:4"}
    for column in ("title", "sha256", "sub_class_id", "image_url", "capture_file", "run_id"):
        assert patched[column].to_dict() == first[column].drop("s:4").to_dict()

    assert crawl_again(stall, "--adopt") == 0
    assert version(stall) == "2.0.0"
    adopted = stall.rows()
    assert set(adopted.index) == {"s:1", "s:2", "s:3", "s:5"}
    assert adopted["title"]["s:1"] == "青瓷茶杯手工釉下彩 300ml 新款"
    assert adopted["sha256"]["s:2"] != first["sha256"]["s:2"]
    assert adopted["image"]["s:2"]["bytes"] == picture(22)
    assert set(adopted["sub_class_id"]) == {4}
    assert adopted["first_seen"].to_dict() == first["first_seen"].drop("s:4").to_dict()
    release = stall.workspace.latest_release()
    assert release is not None
    manifest = read_manifest(release)
    assert (manifest.counts.changed, manifest.counts.added) == (4, 0)
    rules = [row["rule"] for row in decisions_on(release, manifest, "s:2")[-1]]
    assert rules[-3:] == ["adopted_v1", "image_changed_v1", "label_changed_v1"]

    assert crawl_again(stall) == 10  # nothing differs from what is published any more
    assert flags(stall) == {}
    stall.sell(6, "陶瓷花瓶插花摆件", picture(6))
    stall.show(1, 2, 3, 5, 6)
    assert crawl_again(stall) == 0
    assert version(stall) == "2.1.0"


@pytest.mark.soak
def test_splits_and_groups_outlive_an_adoption(stall: Stall) -> None:
    import pandas

    def lineage() -> dict[str, tuple[str, str, str]]:
        release = stall.workspace.latest_release()
        assert release is not None
        table = pandas.read_parquet(release / "lineage")
        return {row.record_id: (row.split, row.leak_group, row.first_release)
                for row in table.itertuples()}  # fmt: skip

    assert crawl_again(stall) == 0
    before = lineage()
    for number in (1, 2):
        stall.sell(number, TITLES[number] + "升级款", picture(40 + number))
    assert crawl_again(stall, "--adopt") == 0
    assert lineage() == before


@pytest.mark.soak
def test_a_new_picture_that_is_another_records_is_not_adopted(stall: Stall) -> None:
    assert crawl_again(stall) == 0
    before = stall.rows()
    stall.sell(1, TITLES[1], picture(2, quality=70))
    stall.sell(3, TITLES[3], picture(33))
    assert crawl_again(stall, "--adopt") == 0
    after = stall.rows()
    assert after["sha256"]["s:1"] == before["sha256"]["s:1"]
    assert after["sha256"]["s:3"] != before["sha256"]["s:3"]
    assert "near another record's" in stall.say("audit", "s:1").out


def test_what_todays_rules_refuse_leaves_with_a_major_release(stall: Stall) -> None:
    assert crawl_again(stall) == 0
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + "\n[clean]\nmin_title_chars = 12\n")
    assert crawl_again(stall) == 10
    assert len(stall.rows()) == len(TITLES)
    assert crawl_again(stall, "--adopt") == 0
    assert version(stall) == "2.0.0"
    kept = {f"s:{n}" for n, title in TITLES.items() if len(title) >= 12}
    assert 0 < len(kept) < len(TITLES)
    assert set(stall.rows().index) == kept
    story = stall.say("audit", "s:3").out
    assert "refused_since_v1" in story and "title_too_short" in story


@pytest.mark.soak
def test_a_kill_does_not_forget_that_a_run_adopts(stall: Stall) -> None:
    assert crawl_again(stall) == 0
    stall.sell(1, "青瓷茶杯手工釉下彩 300ml 新款", picture(1))
    for stage in ("crawl", "merge", "fetch", "clean", "map", "dedupe"):
        assert stall.say(stage).status == 0
    stall.workspace.runs()[-1].update(adopted=True)  # as the killed `publish --adopt` had
    assert stall.say("run").status == 0
    assert version(stall) == "2.0.0"
    assert stall.say("publish").status == 10  # finished: not asked for again
    assert version(stall) == "2.0.0"
