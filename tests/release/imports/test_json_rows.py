"""Rows of a JSON array: what is broken costs itself alone, and nothing ends in silence."""

from __future__ import annotations

import codecs
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.imports import json_rows
from release.imports.errors import CopyError
from release.imports.json_rows import MAX_ROW_CHARS, Fault, JsonRow, JsonRows, RepeatedKeys

FILE = Path("annotations.json")
GOOD = [
    {"title": f'茶叶 {number} "罐\\装" {{[', "OCR": "a,{b", "size": [1, 2, 3]}
    for number in range(5)
]
TEXT = "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False, indent=0) for row in GOOD) + "\n]"


@pytest.fixture(autouse=True)
def small_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every row crosses the border of a window."""
    monkeypatch.setattr(json_rows, "WINDOW_BYTES", 50)


def rows_of(data: bytes, tmp_path: Path, byte: int = 0, number: int = 0) -> list[JsonRow]:
    path = tmp_path / "annotations.json"
    path.write_bytes(data)
    with path.open("rb") as stream:
        return list(JsonRows(path, stream, byte, number))


def values_of(text: str, tmp_path: Path) -> list[Any]:
    return [row.value for row in rows_of(text.encode(), tmp_path)]


@pytest.mark.parametrize(
    "text",
    [
        TEXT,
        json.dumps(GOOD),
        json.dumps(GOOD, separators=(",", ":")),
        TEXT.replace("\n", "\r\n"),
        "\ufeff" + TEXT,
        f"  {TEXT}\n\n",
    ],
)
def test_whole_rows_are_read_however_they_are_laid_out(text: str, tmp_path: Path) -> None:
    assert values_of(text, tmp_path) == GOOD


def test_a_window_may_end_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for size in (1, 2, 3, 7, 64, 333):
        monkeypatch.setattr(json_rows, "WINDOW_BYTES", size)
        assert values_of(TEXT, tmp_path) == GOOD


def test_reading_goes_on_from_the_end_of_any_row(tmp_path: Path) -> None:
    data = TEXT.encode()
    path = tmp_path / "annotations.json"
    path.write_bytes(data)
    with path.open("rb") as stream:
        rows = JsonRows(path, stream)
        ends = [(rows.byte, row.number) for row in rows]
    for byte, number in ends:
        rest = rows_of(data, tmp_path, byte, number)
        assert [row.value for row in rest] == GOOD[number:]
        assert [row.number for row in rest] == list(range(number + 1, len(GOOD) + 1))
    for row in rows_of(data, tmp_path):
        assert data[row.byte : row.byte + 1] == b"{"


@pytest.mark.parametrize("text", ["[]", " [ ] "])
def test_an_empty_array_has_no_rows(text: str, tmp_path: Path) -> None:
    assert rows_of(text.encode(), tmp_path) == []


SPOILT = {
    "a colon is missing": lambda row: row.replace(":", "", 1),
    "a quote is missing": lambda row: row.replace('",', ",", 1),
    "a quote too much": lambda row: row.replace('"OCR"', '""OCR"'),
    "its bracket is missing": lambda row: row[:-1],
    "it ends in the middle of a string": lambda row: row[: row.index("装")],
    "a line break in a string": lambda row: row.replace("罐", "罐\n"),
    "a trailing comma": lambda row: row[:-2] + ",\n}",
    "no value": lambda row: row.replace('"a,{b"', "", 1),
    "a bare word": lambda row: "nonsense",
    "a word for a value": lambda row: row.replace('"a,{b"', "nothing", 1),
    "nested too deep": lambda row: "[" * 100_000 + "]" * 100_000,
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_broken_row_costs_itself_alone(how: str, tmp_path: Path) -> None:
    texts = [json.dumps(row, ensure_ascii=False, indent=0) for row in GOOD]
    texts[2] = SPOILT[how](texts[2])
    values = values_of("[\n" + ",\n".join(texts) + "\n]", tmp_path)
    assert [value for place, value in enumerate(values) if place != 2] == GOOD[:2] + GOOD[3:]
    assert isinstance(values[2], Fault)
    assert values[2].rule == "imported_row_unreadable_v1"


@pytest.mark.parametrize("value", ["NaN", "Infinity", "9" * 5_000, "1e999", "-0.0"])
def test_odd_numbers_are_values_that_nothing_takes_for_an_id(value: str, tmp_path: Path) -> None:
    (row,) = values_of(f'[{{"class_id": {value}}}]', tmp_path)
    assert not isinstance(row["class_id"], int)


def test_keys_that_stand_twice_are_told(tmp_path: Path) -> None:
    (row,) = values_of('[{"title": "a", "title": "b", "OCR": ""}]', tmp_path)
    assert row == RepeatedKeys(("title",))


def test_bytes_that_are_no_utf8_harm_their_row_alone(tmp_path: Path) -> None:
    data = TEXT.encode().replace("茶叶 1".encode(), b"\xff\xfe 1")
    found = rows_of(data, tmp_path)
    assert len(found) == len(GOOD)
    assert [row.value for row in found if row.number != 2] == GOOD[:1] + GOOD[2:]
    assert "\udcff" in found[1].value["title"]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "expected an array of rows, got the end of the file"),
        (b"   ", "expected an array of rows, got the end of the file"),
        (b'{"rows": []}', "expected an array of rows, got '{"),
        (b'{"title": "a"}\n{"title": "b"}', "expected an array of rows"),
        (b"\x1f\x8b\x08\x00 gzip", "expected an array of rows"),
        (codecs.BOM_UTF16_LE + "[]".encode("utf-16-le"), "expected UTF-8, got UTF-16"),
        (b'[{"a": 1} {"a": 2}]', "expected `,` or `]` after row 1"),
        (b'[{"a": 1}] more', "expected the end of the file after `]`"),
    ],
)
def test_what_is_no_array_of_rows_is_an_error(data: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(CopyError) as error:
        rows_of(data, tmp_path)
    assert told in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_is_cut_off_anywhere_is_an_error(tmp_path: Path) -> None:
    data = TEXT.encode()
    for end in range(len(data)):
        with pytest.raises(CopyError, match="byte "):
            rows_of(data[:end], tmp_path)


def test_a_huge_row_is_passed_over_in_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(json_rows, "WINDOW_BYTES", 64 * 1024)
    path = tmp_path / "annotations.json"
    with path.open("wb") as stream:
        stream.write(b'[{"title": "')
        for _ in range(320):
            stream.write(b"a" * 64 * 1024)
        stream.write(b'"},\n{"title": "b"}]')
    tracemalloc.start()
    with path.open("rb") as stream:
        first, second = JsonRows(path, stream)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert isinstance(first.value, Fault) and str(MAX_ROW_CHARS) in first.value.reason
    assert second.value == {"title": "b"}
    assert peak < 8 * 1024 * 1024


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.text(max_size=12),
    lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.text(max_size=5), inside),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=6), st.sampled_from([None, 0, 2]), st.booleans())
def test_any_array_comes_back_row_by_row(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], indent: int | None, ascii_: bool
) -> None:
    folder = tmp_path_factory.getbasetemp()
    assert values_of(json.dumps(rows, indent=indent, ensure_ascii=ascii_), folder) == rows


@given(st.lists(JSON, min_size=1, max_size=4), st.data())
def test_no_damage_hangs_or_loses_rows_in_silence(
    tmp_path_factory: pytest.TempPathFactory, rows: list[Any], data: st.DataObject
) -> None:
    """Whatever is changed in one place: rows, faults and an error account for all that stood."""
    folder = tmp_path_factory.getbasetemp()
    text = bytearray(json.dumps([{"row": row} for row in rows], indent=0).encode())
    place = data.draw(st.integers(0, len(text) - 1))
    text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    try:
        found = rows_of(bytes(text), folder)
    except CopyError as error:
        assert str(folder) in str(error)
        return
    assert [row.number for row in found] == list(range(1, len(found) + 1))
