"""JD's curated mapping decides every category of JD's tree, as the hand-labelled samples do."""

from __future__ import annotations

import csv
import random
from collections import Counter
from pathlib import Path

import pytest

from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import CuratedMapping, CuratedRow, load_mapping, shipped_mapping_path
from taxonomy.tree import load_tree

JD_TREE = Path(__file__).parents[2].parent / "shared" / "data" / "jd_category_tree.csv"
DATA = Path(__file__).with_name("data")

# Where the second sample and the mapping differ, and why the mapping was left as it is.
DISPUTED = {
    "个护化妆 > 清洁用品 > 一次性用品": "bags and gloves for cleaning; 142 stands among tableware",
    "图书、音像、电子书刊 > 人文社科 > 人文社科": "27 is near, but does not clearly contain it",
    "图书、音像、电子书刊 > 人文社科 > 法律": "27 is near, but does not clearly contain it",
    "家用电器 > 个护健康 > 剃/脱毛器": "JD has 剃须刀 beside it; hair removal is no shaving",
    "服饰内衣 > 服饰配件 > 防晒手套": "554 has the name of the branch; the label overlooked it",
    "礼品箱包 > 奢侈品 > 钱包": "the same sub-class; the name does not say leather",
    "食品饮料、保健食品 > 粮油调味 > 调味品": "620 has the name, 306 the meaning: doubtful",
    "食品饮料、保健食品 > 饮料冲调 > 成人奶粉": "a drink in powder as well as milk: doubtful",
}


@pytest.fixture(scope="module")
def mapping() -> CuratedMapping:
    path = shipped_mapping_path("jd")
    assert path is not None
    return load_mapping([path], load_tree())


@pytest.fixture(scope="module")
def leaves() -> list[str]:
    if not JD_TREE.exists():
        pytest.skip("jd_category_tree.csv is not at ../shared/data")
    with JD_TREE.open(encoding="utf-8", newline="") as file:
        return [row["path"] for row in csv.DictReader(file) if row["is_leaf"] == "1"]


def decided(mapping: CuratedMapping, path: str) -> CuratedRow | None:
    return mapping.find(read_breadcrumb(path.split(" > ")))


def test_every_leaf_is_mapped_or_said_to_have_no_counterpart(
    mapping: CuratedMapping, leaves: list[str]
) -> None:
    rows = [decided(mapping, path) for path in leaves]
    ends = Counter("open" if r is None else "mapped" if r.node else "no counterpart" for r in rows)
    print(dict(ends))
    assert ends["open"] == 0
    assert ends["mapped"] > 0.85 * len(leaves)


def test_no_row_is_useless(mapping: CuratedMapping, leaves: list[str]) -> None:
    used = {row.row for path in leaves if (row := decided(mapping, path)) is not None}
    rows = [*mapping.exact.values(), *mapping.star.values()]
    assert [row.written for row in rows if row.row not in used] == []


def test_what_has_no_counterpart_says_why(mapping: CuratedMapping) -> None:
    rows = [*mapping.exact.values(), *mapping.star.values()]
    assert [row.written for row in rows if row.node is None and not row.note] == []


@pytest.mark.parametrize(
    "below", [["华为（HUAWEI）"], ["苹果"], ["美的（Midea）", "美的 SZK-1J30 空气加湿"]]
)
def test_a_brand_or_title_below_a_leaf_changes_nothing(
    mapping: CuratedMapping, leaves: list[str], below: list[str]
) -> None:
    for path in leaves:
        longer = mapping.find(read_breadcrumb(["首页", *path.split(" > "), *below]))
        assert longer == decided(mapping, path), path


def disagreements(mapping: CuratedMapping, sample: str) -> list[str]:
    with (DATA / sample).open(encoding="utf-8", newline="") as file:
        labels = list(csv.DictReader(file))
    assert len(labels) == 150
    found = []
    for label in labels:
        row = decided(mapping, label["path"])
        assert row is not None, label
        told = (str(row.node.level), str(row.node.id)) if row.node else ("none", "")
        if told != (label["level"], label["id"]):
            found.append(label["path"])
    return found


def test_it_says_what_the_sample_says(mapping: CuratedMapping) -> None:
    assert disagreements(mapping, "jd_sample.csv") == []


def test_it_says_what_the_second_sample_says_but_for_the_disputed(
    mapping: CuratedMapping,
) -> None:
    assert disagreements(mapping, "jd_sample_second.csv") == list(DISPUTED)


def test_the_samples_were_drawn_as_said(leaves: list[str]) -> None:
    drawn = sorted(leaves)
    random.Random(20261123).shuffle(drawn)
    for number, sample in enumerate(("jd_sample.csv", "jd_sample_second.csv")):
        with (DATA / sample).open(encoding="utf-8", newline="") as file:
            paths = [row["path"] for row in csv.DictReader(file)]
        assert paths == sorted(drawn[150 * number : 150 * (number + 1)])
