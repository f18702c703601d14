"""What waits for an answer: counted by path, most records first, whatever the pages say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from runtime.columns import record_batch
from runtime.tables import CLEANED, LABELS, LISTINGS, Table
from runtime.workspace import Run
from taxonomy.curated import CuratedMapping, load_mapping
from taxonomy.review.answers import Answer
from taxonomy.review.known_paths import unheeded
from taxonomy.review.title_names import RULE as TITLE_RULE
from taxonomy.review.waiting import MAX_PATH_CHARS, WaitingList, waiting_list
from taxonomy.tree import load_tree

TREE = load_tree()
DAY = datetime(2026, 1, 1, tzinfo=UTC)
MAPPED = "leaf_name_v2"
HEADER = "path,level,id,by,when,note\n"


@dataclass(frozen=True)
class Row:
    """A held record; `said` are guesses as (sub_class, confidence)."""

    paths: Sequence[str]
    title: str = "竹编收纳篮"
    rule: str = "no_category_match_v1"
    said: tuple[tuple[int, float], ...] = ()
    title_leaf: tuple[int, float] | None = None


def guess(said: tuple[int, float], by: str) -> dict[str, Any]:
    return {"level": "sub_class", "id": said[0], "confidence": said[1], "by": by}


def filled(table: Table, **values: Any) -> dict[str, Any]:
    """A row of a table, what is not given being as empty as its column admits."""
    row: dict[str, Any] = {}
    for field in table.schema:
        empty: Any = 0
        if pa.types.is_string(field.type):
            empty = "-"
        elif pa.types.is_list(field.type):
            empty = []
        elif pa.types.is_timestamp(field.type):
            empty = DAY
        row[field.name] = None if field.nullable else empty
    return row | values


def run_with(folder: Path, parts: Mapping[str, Sequence[Row]]) -> Run:
    """A run whose parts hold these held records, and a mapped one each."""
    run = Run(folder / "20260101T000000Z")
    for part, held in parts.items():
        listings, cleaned, labels = [], [], []
        for number, row in enumerate([*held, Row(["厨具 > 茶杯"], rule=MAPPED)]):
            id = f"{part}:{number:06}"
            paths = [path.split(" > ") for path in row.paths]
            listings.append(filled(LISTINGS, record_id=id, category_paths=paths, title="raw"))
            cleaned.append(filled(CLEANED, record_id=id, kept=True, title=row.title))
            suggestions = [guess(said, "like_name_v1") for said in row.said]
            said = row.title_leaf and guess(row.title_leaf, "title_v1")
            labels.append(
                filled(
                    LABELS, record_id=id, mapped=row.rule == MAPPED, label_rule=row.rule,
                    suggestions=suggestions, title_leaf=said,
                )
            )  # fmt: skip
        run.listings.write(part, [record_batch(listings, LISTINGS.schema)], "key")
        run.cleaned.write(part, [record_batch(cleaned, CLEANED.schema)], "key")
        run.labels.write(part, [record_batch(labels, LABELS.schema)], "key")
    return run


def waiting(
    folder: Path, parts: Mapping[str, Sequence[Row]], limit: int = 100, mapping: str = ""
) -> WaitingList:
    folder.mkdir(exist_ok=True)
    file = folder / "s.csv"
    file.write_text(HEADER + mapping, "utf-8")
    mappings: dict[str, CuratedMapping] = {"s": load_mapping([file], TREE)}
    return waiting_list(run_with(folder, parts), TREE, mappings, limit=limit)


def counted(found: WaitingList) -> list[tuple[str, str, int]]:
    return [(entry.site, entry.path, entry.records) for entry in found.entries]


def test_the_most_records_come_first_and_equals_by_name(tmp_path: Path) -> None:
    b, c, a = Row(["杂 > 乙"]), Row(["杂 > 丙", "杂 >  丙"]), Row(["杂 > 甲", "首页 > 杂 > 丙"])
    parts = {"s-000": [b, a, c], "s-001": [c], "t-000": [b, b, b]}
    found = waiting(tmp_path / "one", parts)
    assert counted(found) == [
        ("s", "杂 > 丙", 3), ("t", "杂 > 乙", 3), ("s", "杂 > 乙", 1), ("s", "杂 > 甲", 1),
    ]  # fmt: skip
    assert found.records == 7
    again = {"t-000": [b], "s-000": [c, c], "s-001": [b, a], "t-001": [b, b]}
    assert counted(waiting(tmp_path / "two", again)) == counted(found)


def test_a_path_is_listed_as_the_mapper_read_it(tmp_path: Path) -> None:
    """Without the product's cleaned title at its end, which no answer could name."""
    found = waiting(tmp_path, {"s-000": [Row(["杂 > 篮 > 竹编收纳篮"]), Row(["杂 > 篮"])]})
    assert counted(found) == [("s", "杂 > 篮", 2)]


def test_the_reason_and_the_guesses_are_those_of_most_records(tmp_path: Path) -> None:
    rows = [
        Row(["杂"], rule="no_category_match_v1", said=((401, 0.5), (146, 0.45))),
        Row(["杂"], rule="class_only_v1", said=((401, 0.5),), title_leaf=(27, 0.99)),
        Row(["杂"], rule="class_only_v1", said=((401, 0.5),), title_leaf=(401, 0.8)),
    ]
    (entry,) = waiting(tmp_path, {"s-000": rows}).entries
    assert entry.rule == "class_only_v1"
    assert entry.reason == "the path names a class, but no sub-class"
    said = [(guess.node.id, guess.confidence) for guess in entry.guesses]
    assert said == [(401, 0.6), (27, 0.33), (146, 0.15)]


def test_what_another_path_of_a_record_means_is_no_guess_for_this_one(tmp_path: Path) -> None:
    """A wrong answer to the one would relabel every other record that has it."""
    paths = ["厨具 > 茶杯", "厨具 > 保温壶"]
    rows = [Row(paths, rule="ambiguous_paths_v1", said=((146, 1.0), (136, 1.0)))] * 2
    rows += [Row(["杂", "厨具 > 茶杯 > 新"], title_leaf=(27, 0.9))]
    found = {entry.path: entry for entry in waiting(tmp_path, {"s-000": rows}).entries}
    for name, leaf in (("茶杯", "sub_class 146 茶杯"), ("保温壶", "sub_class 136 保温壶")):
        path = f"厨具 > {name}"
        assert [str(guess.node) for guess in found[path].guesses] == [leaf]
        assert str(found[path].alone) == leaf
    assert [guess.node.id for guess in found["杂"].guesses] == [27]
    assert found["杂"].alone is None


def test_without_a_guess_the_names_in_titles_are_one(tmp_path: Path) -> None:
    rows = [
        Row(["杂"], title="青瓷茶杯"),
        Row(["杂"], title="白瓷茶杯 礼盒"),
        Row(["杂"], title="?"),
    ]
    (entry,) = waiting(tmp_path, {"s-000": rows}).entries
    assert str(entry.guesses[0].node) == "sub_class 146 茶杯"
    assert entry.guesses[0].by == TITLE_RULE
    assert entry.guesses[0].confidence == 0.333


def test_what_was_answered_waits_no_more_and_is_told(tmp_path: Path) -> None:
    mapping = (
        "杂 > 甲,sub_class,401,eve,2026-01-01,\n杂 > 乙,none,,eve,2026-01-01,\n"
        "杂 > 丙,sub_class,146,eve,2026-01-01,\n"
    )
    rows = [
        Row(["杂 > 甲"]),
        Row(["杂 > 甲", "别 > 丁"]),
        Row(["杂 > 乙"]),
        Row(["杂 > 甲", "杂 > 丙"]),
        Row(["别 > 丁"]),
    ]
    found = waiting(tmp_path, {"s-000": rows}, mapping=mapping)
    assert counted(found) == [("s", "别 > 丁", 1)]
    assert (found.records, found.answered, found.no_counterpart) == (1, 2, 1)
    assert (found.disagreeing, found.disagreeing_example) == (1, "s-000:000003")


@pytest.mark.parametrize("limit", [16, 20, 300])
def test_a_flood_of_paths_crowds_no_frequent_one_out(tmp_path: Path, limit: int) -> None:
    """A shop whose every page names another category hides no other shop's."""
    flood = [Row([f"杂 > {number}号"]) for number in range(100)]
    often = [Row(["杂 > 常"])] * 16
    parts = {
        "a-000": flood,
        "s-000": [*often[:1], *flood[:50], *often[1:9]],
        "s-001": [*flood[50:], *often[9:]],
    }
    found = waiting(tmp_path, parts, limit)
    assert counted(found)[0] == ("s", "杂 > 常", 16)
    assert all(records == 1 for _, _, records in counted(found)[1:])
    assert min(limit // 2, 201) <= len(found.entries) <= limit
    assert found.records == 15 + len(found.entries)
    assert found.records + found.unlisted == 216


def test_a_path_that_no_mapping_file_could_name_is_told_not_listed(tmp_path: Path) -> None:
    rows = [Row(["杂 > *"]), Row(["杂 > " + "长" * MAX_PATH_CHARS]), Row(["杂 > 行\n二"]), Row([])]
    found = waiting(tmp_path, {"s-000": rows})
    assert counted(found) == [("s", "", 1), ("s", "杂 > 行 二", 1)]
    assert (found.records, found.unlisted) == (2, 2)


def test_an_answer_to_a_path_that_no_record_has_is_found(tmp_path: Path) -> None:
    run = run_with(tmp_path, {"s-000": [Row(["杂 > 篮 > 竹编收纳篮"]), Row(["杂 > 篮 > 大"])]})
    good = [Answer("s", path, None) for path in ("杂 > 篮", "杂>籃 > *", "厨具 > 茶杯", "*")]
    bad = [Answer("s", path, None) for path in ("杂 > 藍", "杂 > 篮 > 大 > 红 > *", "篮")]
    assert unheeded(run, [*good, *bad, Answer("t", "杂 > 篮", None)]) == [
        *bad,
        Answer("t", "杂 > 篮", None),
    ]
