"""JD's curated mapping decides every category of JD's tree, as the hand-labelled sample does."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import pytest

from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import CuratedMapping, CuratedRow, load_mapping, shipped_mapping_path
from taxonomy.tree import load_tree

JD_TREE = Path(__file__).parents[2].parent / "shared" / "data" / "jd_category_tree.csv"
SAMPLE = Path(__file__).with_name("data") / "jd_sample.csv"


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


def test_it_says_what_the_sample_says(mapping: CuratedMapping) -> None:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        sample = list(csv.DictReader(file))
    assert len(sample) == 150
    for label in sample:
        row = decided(mapping, label["path"])
        assert row is not None, label
        told = (str(row.node.level), str(row.node.id)) if row.node else ("none", "")
        assert told == (label["level"], label["id"]), label["path"]
