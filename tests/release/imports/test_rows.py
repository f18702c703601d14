"""What a row says: its label and name, and by which name each kind of broken row is rejected."""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.imports.json_rows import UNREADABLE, Fault, JsonRow, RepeatedKeys
from release.imports.rows import (
    MALFORMED,
    OTHER_FOLDER,
    UNKNOWN_LABEL,
    UNSAFE_PATH,
    RowReader,
    record_id,
)
from runtime.columns import record_batch
from runtime.tables import ANNOTATIONS
from taxonomy.tree import load_tree

MILK: dict[str, Any] = {
    "class_id": "7", "class_name": "母婴/玩具/童装", "sub_class_id": "1",
    "sub_class_name": "孕妈奶粉", "subsub_class_id": "FALSE", "subsub_class_name": "FALSE",
    "img_path": "Images/1/15.png", "img_resolution": [220, 220, 3],
    "title": "【安满孕妈奶粉】安满 800克", "OCR": "AnmumH0 RuaRuwhl",
}  # fmt: skip
PEARLS = {
    **MILK, "class_id": "10", "class_name": "箱包/钟表/珠宝", "sub_class_id": "298",
    "sub_class_name": "饰品", "subsub_class_id": "602", "subsub_class_name": "珍珠",
    "img_path": "Images/298/7.jpg",
}  # fmt: skip


@pytest.fixture(scope="module")
def reader() -> RowReader:
    return RowReader(load_tree())


def read(reader: RowReader, value: Any) -> dict[str, Any]:
    """The row's columns, which the annotations table can hold."""
    found = reader.read(JsonRow(12, 345, value))
    record_batch([found], ANNOTATIONS.schema).validate(full=True)
    assert (found["row"], found["byte"]) == (12, 345)
    return found


def fault(reader: RowReader, **changes: Any) -> tuple[str, str]:
    """The rule and the reason that reject a row; it is named after its place."""
    found = read(reader, {**MILK, **changes})
    assert found["record_id"] == "mep3m:#12"
    assert "peer_id" not in found
    return found["fault"], found["reason"]


def test_a_row_becomes_a_record_named_after_its_picture(reader: RowReader) -> None:
    assert read(reader, MILK) == {
        "record_id": "mep3m:1/15", "row": 12, "byte": 345, "img_path": "Images/1/15.png",
        "title": "【安满孕妈奶粉】安满 800克", "class_id": 7, "class_name": "母婴/玩具/童装",
        "sub_class_id": 1, "sub_class_name": "孕妈奶粉", "subsub_class_id": None,
        "subsub_class_name": None, "resolution": [220, 220, 3], "ocr": "AnmumH0 RuaRuwhl",
    }  # fmt: skip


def test_a_third_level_is_taken_over(reader: RowReader) -> None:
    found = read(reader, PEARLS)
    assert (found["subsub_class_id"], found["subsub_class_name"]) == (602, "珍珠")
    assert found["record_id"] == "mep3m:298/7"


@pytest.mark.parametrize("nothing", ["FALSE", "False", "false", "", None, False])
def test_a_third_level_is_absent_however_that_is_written(reader: RowReader, nothing: Any) -> None:
    found = read(reader, {**MILK, "subsub_class_id": nothing, "subsub_class_name": nothing})
    assert (found["subsub_class_id"], found["subsub_class_name"]) == (None, None)
    assert "fault" not in found


def test_a_row_without_the_keys_of_the_third_level_has_none(reader: RowReader) -> None:
    found = read(reader, {k: v for k, v in MILK.items() if not k.startswith("subsub")})
    assert found["subsub_class_id"] is None and "fault" not in found


def test_half_a_third_level_is_a_fault_of_the_row(reader: RowReader) -> None:
    for nothing in ("FALSE", None, False, ""):
        for part, other in (("id", "name"), ("name", "id")):
            half = {**PEARLS, f"subsub_class_{part}": nothing}
            found = read(reader, half)
            assert found["fault"] == MALFORMED
            assert found["reason"].endswith(f"or neither, got subsub_class_{other} alone")


def test_nought_is_an_id_and_not_the_word_for_none(reader: RowReader) -> None:
    found = read(reader, {**MILK, "subsub_class_id": 0, "subsub_class_name": "FALSE"})
    assert found["fault"] == MALFORMED
    found = read(reader, {**MILK, "subsub_class_id": 0, "subsub_class_name": "珍珠"})
    assert (found["fault"], found["reason"]) == (
        UNKNOWN_LABEL, "the category tree has no subsub_class 0"
    )  # fmt: skip


def test_ids_may_be_numbers(reader: RowReader) -> None:
    numbers = {**PEARLS, "class_id": 10, "sub_class_id": 298, "subsub_class_id": 602}
    assert read(reader, numbers) == read(reader, PEARLS)


@pytest.mark.parametrize(
    "id", ["", "x", "-1", "1.0", "１", "²", " 1", "1_0", "9" * 11, "2147483648", True, 1.0, -1,
           2**31, float("inf"), float("nan"), None, [], {}, ["1"]],
)  # fmt: skip
def test_an_id_that_is_none_is_a_fault_of_the_row(reader: RowReader, id: Any) -> None:
    rule, reason = fault(reader, sub_class_id=id)
    assert rule == MALFORMED
    assert reason.startswith("expected sub_class_id as digits in a string, got ")
    assert len(reason) < 200


@pytest.mark.parametrize("key", ["class_name", "sub_class_name", "img_path", "title", "OCR"])
@pytest.mark.parametrize("text", [1, True, [], {"a": 1}, "\ud800", "a\udcff", RepeatedKeys(("a",))])
def test_text_that_is_none_is_a_fault_of_the_row(reader: RowReader, key: str, text: Any) -> None:
    rule, reason = fault(reader, **{key: text})
    assert rule == MALFORMED and reason.startswith(f"expected {key} as ")


@pytest.mark.parametrize(
    "sides", ["220", [], [1] * 9, [1.5], ["220"], [True], [-1], [2**31], {}, [float("inf")], [[1]]]
)
def test_a_resolution_that_is_none_is_a_fault_of_the_row(reader: RowReader, sides: Any) -> None:
    rule, reason = fault(reader, img_resolution=sides)
    assert rule == MALFORMED and reason.startswith("expected img_resolution as a list of sizes")


def test_resolution_and_ocr_may_be_missing_but_title_path_and_label_may_not(
    reader: RowReader,
) -> None:
    for key in MILK:
        found = read(reader, {k: v for k, v in MILK.items() if k != key})
        optional = key in ("img_resolution", "OCR") or key.startswith("subsub_class")
        assert found.get("fault") == (None if optional else MALFORMED), key


@pytest.mark.parametrize("value", [None, "row", 7, float("nan"), [], [MILK], RepeatedKeys(("a",))])
def test_what_is_no_object_is_a_fault_of_the_row(reader: RowReader, value: Any) -> None:
    assert read(reader, value)["fault"] == MALFORMED


def test_a_row_that_could_not_be_read_keeps_the_reader_s_words(reader: RowReader) -> None:
    found = read(reader, Fault(UNREADABLE, "the row is no JSON", "Expecting value"))
    assert (found["fault"], found["reason"], found["value"]) == (
        UNREADABLE, "the row is no JSON", "Expecting value"
    )  # fmt: skip


# ------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sub_class_id": "9999"}, "the category tree has no sub_class 9999"),
        ({"class_id": "99"}, "the category tree has no class 99"),
        ({"sub_class_name": "饰品"}, "sub_class 1 is 孕妈奶粉 in the category tree, not 饰品"),
        ({"class_id": "10", "class_name": "箱包/钟表/珠宝"}, "sub_class 1 孕妈奶粉 belongs to"),
        ({"subsub_class_id": "602", "subsub_class_name": "珍珠"}, "602 珍珠 belongs to"),
        ({"subsub_class_id": "9", "subsub_class_name": "x"}, "the category tree has no subsub"),
    ],
)
def test_a_label_that_the_tree_does_not_know_is_told_apart(
    reader: RowReader, changes: dict[str, Any], words: str
) -> None:
    rule, reason = fault(reader, **changes)
    assert rule == UNKNOWN_LABEL and words in reason
    assert read(reader, {**MILK, **changes})["value"].startswith(changes.get("class_id", "7"))


def test_names_are_compared_in_their_one_written_form(reader: RowReader) -> None:
    found = read(reader, {**MILK, "class_name": " 母嬰／玩具／童裝 ", "sub_class_name": "孕媽奶粉"})
    assert "fault" not in found
    assert found["class_name"] == " 母嬰／玩具／童裝 ", "the annotations keep what the row says"


# -------------------------------------------------------------------------------- paths


@pytest.mark.parametrize(
    "path",
    [
        "", "1.jpg", "1/15.png", "/Images/1/15.png", "images/1/15.png", "Images/15.png",
        "Images/1/", "Images//15.png", "Images/1/a/15.png", "../Images/1/15.png",
        "Images/../1/15.png", "Images/1/..", "Images/1/.", "Images/1/...", "Images/1/.jpg",
        "Images/../15.png", "Images/./15.png", "Images\\1\\15.png", "Images/1/..\\15.png",
        "Images/1/15\x00.png", "Images/1/15\n.png", "C:/Images/1/15.png", "Images/1/15.png/",
        "file:///Images/1/15.png", "Images/1/" + "x" * 201, "Images/1/" + "图" * 30 + ".jpg",
    ],
)  # fmt: skip
def test_a_path_that_is_no_picture_s_inside_the_copy_is_rejected(
    reader: RowReader, path: str
) -> None:
    rule, reason = fault(reader, img_path=path)
    assert rule == UNSAFE_PATH and reason.startswith("expected ")


def test_a_path_in_the_folder_of_another_sub_class_is_rejected(reader: RowReader) -> None:
    for path in ("Images/298/15.png", "Images/01/15.png", "Images/１/15.png"):
        rule, reason = fault(reader, img_path=path)
        assert rule == OTHER_FOLDER and "another sub-class" in reason


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("15", "15"),
        ("15.tar.gz", "15.tar"),
        ("15.JPG", "15"),
        ("~.x", "~"),
        ("a b#c%2F:图.png", "a%20b%23c%252F%3A%E5%9B%BE"),
    ],
)
def test_a_record_is_named_after_the_stem_percent_encoded(
    reader: RowReader, name: str, stem: str
) -> None:
    found = read(reader, {**MILK, "img_path": f"./Images/1/{name}"})
    assert found["record_id"] == f"mep3m:1/{stem}"


@given(st.text(max_size=20), st.text(max_size=20))
def test_different_pictures_have_different_names_which_tell_them(one: str, other: str) -> None:
    def named(stem: str) -> str:
        return record_id("1", stem.encode("utf-8", "replace").decode())

    assert unquote(named(one)).removeprefix("mep3m:1/") == one.encode("utf-8", "replace").decode()
    assert (named(one) == named(other)) == (
        one.encode("utf-8", "replace") == other.encode("utf-8", "replace")
    )
    assert "#" not in named(one), "which names the rows that became no record"


# ------------------------------------------------------------------------- what is left


def test_keys_that_no_record_takes_over_are_told_and_bounded() -> None:
    reader = RowReader(load_tree())
    fewer = {k: v for k, v in MILK.items() if k != "OCR"}
    assert "fault" not in read(reader, {**fewer, "price": 9})
    assert reader.unknown_keys == {"price"}
    for number in range(1000):
        read(reader, {**MILK, f"key {number}\n" + "x" * 10_000: 1})
    assert len(reader.unknown_keys) < 20
    assert all(len(key) < 60 and "\n" not in key for key in reader.unknown_keys)
