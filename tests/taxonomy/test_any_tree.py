"""Whatever the tree, the mapping files and the paths are, a label has the parents of the table.

Parents are looked up in the table as it was drawn, not by the code that makes labels.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from taxonomy.curated import load_mapping
from taxonomy.mapper import Mapper
from taxonomy.names import joined, normalise_name
from taxonomy.tree import COLUMNS, OPTIONAL_COLUMNS, Label, load_tree

# Few names, so that the same one stands on several levels, and as a name, an alias and a piece.
NAMES = (
    *("连衣裙", "裙", "苹果", "其他", "配件", "套装", "水壶/水杯", "水杯"),
    *("Dresses", "女裝", "A&B"),
)
LEVELS = ("class", "sub_class", "subsub_class")
Row = dict[str, str]


@dataclass(frozen=True)
class Drawn:
    """A tree's rows, mapping rows, and one record's paths and title."""

    tree: list[Row]
    mapping: list[tuple[str, str, str]]
    paths: list[list[str]]
    title: str | None


@st.composite
def drawn(draw: st.DrawFn) -> Drawn:
    tree: list[Row] = []
    ids: dict[str, list[str]] = {level: [] for level in LEVELS}
    taken: set[tuple[str, str, str]] = set()
    for level, above in zip(LEVELS, (None, *LEVELS), strict=False):
        for number in range(1, draw(st.integers(1, 6)) + 1):
            parent = draw(st.sampled_from(ids[above])) if above else ""
            words = draw(st.lists(st.sampled_from(NAMES), min_size=1, max_size=3))
            keys = {(level, parent, joined(normalise_name(word))) for word in words}
            if len(keys) < len(words) or keys & taken:
                continue
            taken |= keys
            row = dict.fromkeys((*COLUMNS, *OPTIONAL_COLUMNS), "")
            row |= {"level": level, "id": str(number), "name": words[0], "parent_id": parent}
            row |= {"aliases": "|".join(words[1:])}
            row["needs"] = draw(st.sampled_from(("", "", "parent", "ancestor", "女裝|A")))
            row["covers"] = draw(st.sampled_from(("", "", "all"))) if above else ""
            tree.append(row)
            ids[level].append(str(number))
        if not ids[level]:
            assume(level == "subsub_class")
    known = st.sampled_from([row["name"] for row in tree])
    word = known | st.sampled_from((*NAMES, "首页", "*", "> >")) | st.text(max_size=8)
    path = st.lists(known, min_size=1, max_size=3) | st.lists(word, max_size=5)
    leaves = [(row["level"], row["id"]) for row in tree if row["parent_id"]]
    targets = st.sampled_from([*leaves, ("none", "")])
    steps = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(" > ".join)
    patterns = st.dictionaries(steps | steps.map("{} > *".format) | st.just("*"), targets)
    mapping = [(pattern, *target) for pattern, target in draw(patterns).items()]
    return Drawn(
        tree, mapping, draw(st.lists(path, min_size=1, max_size=4)), draw(st.none() | word)
    )


def write(file: Path, header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Path:
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows([header, *rows])
    return file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("trees")


def mapper_of(case: Drawn, folder: Path) -> Mapper:
    columns = (*COLUMNS, *OPTIONAL_COLUMNS)
    rows = [tuple(row[column] for column in columns) for row in case.tree]
    tree = load_tree(write(folder / "tree.csv", columns, rows))
    unique = {  # one row for each path as it is read
        normalise_name(pattern): (pattern, *target, "maintainers", "2026-01-05", "")
        for pattern, *target in case.mapping
    }
    header = ("path", "level", "id", "by", "when", "note")
    files = [write(folder / "shop.csv", header, list(unique.values()))]
    return Mapper(tree, load_mapping(files, tree))


def has_the_parents_of_the_table(label: Label, rows: list[Row]) -> bool:
    table = {(row["level"], int(row["id"])): row for row in rows}
    sub = table["sub_class", label.sub_class_id]
    top = table["class", int(sub["parent_id"])]
    told = (top["id"], top["name"], sub["name"])
    if (str(label.class_id), label.class_name, label.sub_class_name) != told:
        return False
    if label.subsub_class_id is None:
        return label.subsub_class_name is None
    third = table["subsub_class", label.subsub_class_id]
    return (third["parent_id"], third["name"]) == (sub["id"], label.subsub_class_name)


SETTINGS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SETTINGS
@given(drawn())
def test_a_label_has_the_parents_that_the_table_gives_it(folder: Path, case: Drawn) -> None:
    found = mapper_of(case, folder).map(case.paths, case.title)
    assert found.label is None or has_the_parents_of_the_table(found.label, case.tree)
    assert found.label is None or not found.suggestions
    assert len(found.suggestions) <= 3
    leaves = {(row["level"], int(row["id"])) for row in case.tree if row["parent_id"]}
    assert all((str(g.node.level), g.node.id) in leaves for g in found.suggestions)


@SETTINGS
@given(drawn(), st.randoms(use_true_random=False))
def test_the_order_of_paths_changes_nothing_in_any_tree(
    folder: Path, case: Drawn, random: Random
) -> None:
    shuffled = random.sample(case.paths, len(case.paths))
    mapper = mapper_of(case, folder)
    assert mapper.map(shuffled, case.title) == mapper_of(case, folder).map(case.paths, case.title)


def test_a_label_of_other_parents_would_be_noticed() -> None:
    rows = [
        dict(zip(COLUMNS, cells, strict=True))
        for cells in (
            ("class", "1", "甲", ""),
            ("class", "2", "乙", ""),
            ("sub_class", "1", "子", "1"),
            ("sub_class", "2", "丑", "2"),
            ("subsub_class", "1", "寅", "1"),
        )
    ]
    assert has_the_parents_of_the_table(Label(1, "甲", 1, "子", 1, "寅"), rows)
    assert not has_the_parents_of_the_table(Label(2, "乙", 1, "子"), rows)
    assert not has_the_parents_of_the_table(Label(2, "乙", 2, "丑", 1, "寅"), rows)
