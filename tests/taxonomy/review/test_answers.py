"""Answers are checked before they count, and stand in a mapping file as a person wrote them."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from taxonomy.review.answers import Answer, parse_leaf, write_answers
from taxonomy.tree import Level, load_tree

TREE = load_tree()
DAY = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sub_class 27", (Level.SUB_CLASS, 27)),
        ("subsub_class 600 钻石", (Level.SUBSUB_CLASS, 600)),
        (" sub_class 27 文化/学术 ", (Level.SUB_CLASS, 27)),
        ("茶杯", (Level.SUB_CLASS, 146)),
        ("146", (Level.SUB_CLASS, 146)),
        ("none", None),
        ("None: nothing like it", None),
    ],
)
def test_a_leaf_is_read_as_people_write_it(text: str, expected: tuple[Level, int] | None) -> None:
    if text.startswith("None:"):
        with pytest.raises(ValueError, match="expected one leaf"):
            parse_leaf(text, TREE)
        return
    node = parse_leaf(text, TREE)
    assert (node and (node.level, node.id)) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sub_class 999", "sub_class of the tree"),
        ("sub_class 27 茶杯", "sub_class of the tree"),
        ("奶瓶奶嘴", "subsub_class 614"),
        ("家用电器", "no leaf of the tree"),
        ("", "expected one leaf"),
    ],
)
def test_what_is_no_leaf_or_several_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_leaf(text, TREE)


def answer(path: str, id: int | None, note: str = "") -> Answer:
    return Answer("s", path, None if id is None else TREE.leaf_of_sub_class(id), note)


def test_rows_are_added_behind_those_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "mappings" / "s.csv"
    write_answers(file, [answer("甲 > 乙", 146)], "eve", DAY, TREE)
    file.write_text(file.read_text() + "\n丙,none,,adam,2026-01-02,", "utf-8")
    write_answers(file, [answer("甲 > *", None, "no, never"), answer("丙", None)], "eve", DAY, TREE)
    assert file.read_text("utf-8").splitlines() == [
        "path,level,id,by,when,note",
        "甲 > 乙,sub_class,146,eve,2026-01-31,",
        "",
        "丙,none,,adam,2026-01-02,",
        '甲 > *,none,,eve,2026-01-31,"no, never"',
    ]


def test_another_answer_than_the_files_is_refused_and_nothing_written(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    write_answers(file, [answer("甲 > 乙", 146)], "eve", DAY, TREE)
    before = file.read_bytes()
    with pytest.raises(ConfigError, match=r"row 2: '甲 >乙' is sub_class 146 茶杯 there"):
        write_answers(file, [answer("丁", 1), answer("甲 >乙", None)], "eve", DAY, TREE)
    with pytest.raises(ConfigError, match="expected one answer to '戊'"):
        write_answers(file, [answer("戊", 1), answer("戊", 2)], "eve", DAY, TREE)
    assert file.read_bytes() == before
    assert write_answers(file, [answer("甲 > 乙", 146)] * 2, "eve", DAY, TREE) == []
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]
