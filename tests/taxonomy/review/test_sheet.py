"""The spreadsheet: what is exported can be answered and read back, and faults name their row."""

from __future__ import annotations

import csv
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ConfigError
from taxonomy.breadcrumbs import Breadcrumb, read_breadcrumb
from taxonomy.review.answers import Answer, add_answers
from taxonomy.review.sheet import COLUMNS, export_sheet, read_sheet
from taxonomy.review.waiting import Waiting
from taxonomy.suggestions import Suggestion
from taxonomy.tree import load_tree

TREE = load_tree()
SITES = {"s": None}
GUESS = Suggestion(TREE.leaf_of_sub_class(401), 0.7, "like_name_v1")


def entry(path: str) -> Waiting:
    crumb = read_breadcrumb(path.split(">"))
    return Waiting("s", path, crumb.names, 9, "no_category_match_v1", ("=1+1",), (GUESS,))


def answered(file: Path, *answers: str, **changes: str) -> Path:
    """The exported file with the answers filled in, row by row."""
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text))
    with file.open("w", encoding="utf-8", newline="") as text:
        writer = csv.DictWriter(text, COLUMNS)
        writer.writeheader()
        for row, answer in zip(rows, answers, strict=True):
            writer.writerow(row | {"answer": answer} | changes)
    return file


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), max_size=5))
def test_every_path_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[str]
) -> None:
    crumb: Breadcrumb = read_breadcrumb(pieces)
    if not crumb.names or "*" in crumb.names:
        return
    path = " > ".join(" ".join(piece.split()) for piece in crumb.written)
    file = tmp_path_factory.mktemp("sheet") / "w.csv"
    export_sheet([entry(path)], file)
    (answer,) = read_sheet(answered(file, "1"), TREE, SITES)
    assert answer.key == (False, crumb.names)
    assert answer.node == GUESS.node


def test_what_a_spreadsheet_program_would_compute_is_quoted(tmp_path: Path) -> None:
    file = tmp_path / "w.csv"
    paths = ["=cmd > 篮", "'s-Hertogenbosch", "'=both", "plain"]
    export_sheet([entry(path) for path in paths], file)
    with file.open(encoding="utf-8-sig", newline="") as text:
        rows = list(csv.DictReader(text))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]
    answers = read_sheet(answered(file, "1", "none", "146", "茶杯"), TREE, SITES)
    assert [answer.path for answer in answers] == paths
    assert [answer.node and answer.node.id for answer in answers] == [401, None, 146, 146]


@pytest.mark.parametrize(
    ("answer", "changes", "told"),
    [
        ("sub_class 9999", {}, "expected a sub_class of the tree"),
        ("class 4", {}, "expected one leaf"),
        ("没有的类目", {}, "no category of the tree"),
        ("2", {}, "a guess of that number"),
        ("401", {"site": "t"}, "a site of the run"),
        ("401", {"path": ""}, "these records have no category"),
        ("401", {"path": "首页"}, "a path of names"),
        ("401", {"path": "甲 > * > 乙"}, "a path of names"),
    ],
)
def test_a_fault_names_its_row(
    tmp_path: Path, answer: str, changes: dict[str, str], told: str
) -> None:
    file = tmp_path / "w.csv"
    export_sheet([entry("甲 > 乙"), entry("甲 > 丙")], file)
    with pytest.raises(ConfigError, match=rf"w\.csv, row 3: expected .*{told}"):
        read_sheet(answered(file, "", answer, **changes), TREE, SITES)


def test_two_answers_to_one_path_name_both_rows(tmp_path: Path) -> None:
    file = tmp_path / "w.csv"
    export_sheet([entry("甲 > 乙"), entry("甲 >  乙")], file)
    answers: list[Answer] = read_sheet(answered(file, "401", "none"), TREE, SITES)
    with pytest.raises(ConfigError, match=r"w\.csv, row 3: expected one .*w\.csv, row 2"):
        add_answers(tmp_path / "s.csv", answers, "eve", date(2026, 1, 31), TREE)


def test_a_file_in_another_encoding_says_how_to_save_it(tmp_path: Path) -> None:
    file = tmp_path / "w.csv"
    export_sheet([entry("甲 > 乙")], file)
    file.write_bytes(answered(file, "401").read_text("utf-8").encode("gbk"))
    with pytest.raises(ConfigError, match="CSV UTF-8"):
        read_sheet(file, TREE, SITES)
