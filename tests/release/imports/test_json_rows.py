"""The rows of a JSON array: whole from any boundary on, broken ones by name, cut files told."""

from __future__ import annotations

import codecs
import contextlib
import gzip
import io
import json
import time
import tracemalloc
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release.imports import json_rows
from release.imports.errors import CopyError
from release.imports.json_rows import Fault, JsonRow, JsonRows, RepeatedKeys

PATH = Path("annotations.json")
ROWS: list[dict[str, Any]] = [
    {"title": '淡水 "珍珠" \\ {1}, [2]\n', "sizes": [220, 220, 3], "none": None},
    {"title": "𝄞 \ud83d half", "x": -1.5e3, "deep": {"a": [{}, []]}},
    {"title": "", "yes": True},
]
LAYOUTS: list[dict[str, Any]] = [
    {"indent": 0, "ensure_ascii": False},
    {"indent": None, "ensure_ascii": True},
    {"indent": 4, "separators": (" ,", " :  ")},
    {"indent": None, "separators": (",", ":")},
]


def told(rows: Any, **layout: Any) -> bytes:
    return cast(str, json.dumps(rows, **layout)).encode("utf-8", "backslashreplace")


def rows_of(data: bytes, byte: int = 0, number: int = 0) -> list[JsonRow]:
    return list(JsonRows(PATH, io.BytesIO(data), byte, number))


def values(data: bytes) -> list[Any]:
    return [row.value for row in rows_of(data)]


def reasons(data: bytes) -> list[Any]:
    """Values, and of faults the words."""
    return [
        row.value.reason if isinstance(row.value, Fault) else row.value for row in rows_of(data)
    ]


@pytest.fixture
def window(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Sets the bytes that are read at a time, and the characters that a row may have."""

    def narrowed(window_bytes: int, row_chars: int = 400) -> None:
        monkeypatch.setattr(json_rows, "WINDOW_BYTES", window_bytes)
        monkeypatch.setattr(json_rows, "MAX_ROW_CHARS", row_chars)

    return narrowed


# ------------------------------------------------------------------------- what is whole


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 7, 16, 61, 1000])
def test_no_row_depends_on_where_windows_end(
    layout: dict[str, Any], size: int, window: Any
) -> None:
    window(size)
    data = told(ROWS, **layout)
    found = rows_of(data)
    assert [row.value for row in found] == json.loads(data.decode())
    assert [row.number for row in found] == [1, 2, 3]
    for row in found:
        assert data[row.byte : row.byte + 1] == b"{"


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**16), 10**16)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=60)
@given(
    st.lists(JSON_VALUES, max_size=6), st.sampled_from([None, 0, 1, "\t"]), st.booleans(),
    st.integers(1, 40),
)  # fmt: skip
def test_what_json_writes_is_read_from_any_boundary_on(
    rows: list[Any], indent: int | str | None, ascii_only: bool, size: int
) -> None:
    data = told(rows, indent=indent, ensure_ascii=ascii_only)
    expected = json.loads(data.decode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(json_rows, "WINDOW_BYTES", size)
        reader = JsonRows(PATH, io.BytesIO(data))
        boundaries = [(0, 0)]
        found = []
        for row in reader:
            found.append(row.value)
            boundaries.append((reader.byte, reader.number))
        assert found == expected
        for byte, number in boundaries:
            later = rows_of(data, byte, number)
            assert [row.value for row in later] == expected[number:]
            assert [row.number for row in later] == list(range(number + 1, len(rows) + 1))


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 6])
@pytest.mark.parametrize("number", ["-1", "1.5", "1e5", "1e+5", "-0.5E-7", "12345678"])
def test_a_bare_number_is_not_cut_by_a_window(number: str, size: int, window: Any) -> None:
    window(size)
    assert values(f"[{number}, {number}]".encode()) == [json.loads(number)] * 2


@pytest.mark.parametrize("data", [b"[]", b" [ ] \r\n", b"\xef\xbb\xbf[]", b"[\n\n]\n"])
def test_an_empty_array_has_no_rows(data: bytes, window: Any) -> None:
    for size in (1, 2, 1000):
        window(size)
        assert rows_of(data) == []


def test_a_bom_and_line_ends_of_windows_are_no_matter(window: Any) -> None:
    plain = told(ROWS, indent=1, ensure_ascii=False)
    data = codecs.BOM_UTF8 + plain.replace(b"\n", b"\r\n")
    for size in (1, 2, 3, 50):
        window(size)
        found = rows_of(data)
        assert [row.value for row in found] == json.loads(plain.decode())
        assert data[found[1].byte : found[1].byte + 1] == b"{"


# ------------------------------------------------------------------------ what is broken

GOOD = {"title": "淡水", "class_id": "7"}


def broken(row: str, indent: int | None) -> bytes:
    """Three rows of which the middle one is replaced by other text."""
    text = json.dumps([GOOD, "HERE", {**GOOD, "title": "珍珠"}], indent=indent, ensure_ascii=False)
    return text.replace('"HERE"', row).encode("utf-8", "surrogateescape")


BROKEN_ROWS = {
    "a string without its end": '{"title": "abc, "class_id": "7"}',
    "a string without its end, of a last value": '{"title": "abc", "class_id": "7}',
    "a string without its start": '{"title": abc", "class_id": "7"}',
    "a quote inside": '{"title": "12" wide", "class_id": "7"}',
    "a key without its end": '{"title: "abc", "class_id": "7"}',
    "no comma inside": '{"title": "abc" "class_id": "7"}',
    "no colon": '{"title" "abc"}',
    "a comma too many inside": '{"title": "abc",}',
    "no end": '{"title": "abc"',
    "no end, after a comma": '{"title": "abc",',
    "a quote inside, before brackets": '{"title": "a "b {[", "x": "]}", "class_id": "7"}',
    "a quote for an end": '{"title": "abc""',
    "no end, in a list": '{"title": [1, 2, 3',
    "a list without its end": '{"size": [1, 2, 3, "title": "abc"}',
    "a list without its start": '{"size": 1, 2, 3], "title": "abc"}',
    "another bracket": '{"size": [1, 2}, "title": "abc"}',
    "an escape that is none": '{"title": "\\x"}',
    "half an escape": '{"title": "\\u12"}',
    "single quotes": "{'title': 'abc'}",
    "a word": "nothing",
    "a number that is none": "-x12",
    "a comment": '{"title": "abc" /* no */}',
    "a tab in a string": '{"title": "a\tb"}',
    "brackets in a broken row's strings": '{"title": "}{][" "class_id": "\\""}',
}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("what", BROKEN_ROWS)
def test_a_broken_row_takes_no_neighbour_with_it(
    what: str, indent: int | None, window: Any
) -> None:
    data = broken(BROKEN_ROWS[what], indent)
    for size in (1, 13, 10_000):
        window(size)
        first, middle, last = rows_of(data)
        assert (first.value, last.value) == (GOOD, {**GOOD, "title": "珍珠"})
        assert isinstance(middle.value, Fault)
        assert middle.value.rule == "imported_row_unreadable_v1"
        assert (middle.number, last.number) == (2, 3)
        row = BROKEN_ROWS[what].encode()
        assert data[middle.byte : middle.byte + len(row)] == row


@pytest.mark.parametrize("row", list(BROKEN_ROWS.values()))
def test_a_broken_row_is_read_alike_from_the_boundary_before_it(row: str) -> None:
    data = broken(row, 1)
    whole = rows_of(data)
    reader = JsonRows(PATH, io.BytesIO(data))
    next(iter(reader))
    assert rows_of(data, reader.byte, reader.number) == whole[1:]


def test_a_row_that_lacks_its_end_is_told_also_as_the_last_one() -> None:
    assert reasons(b'[{"a": 1}, {"b": 2 ]\n') == [{"a": 1}, "the row is no JSON"]


def test_a_row_of_many_lines_with_an_open_string_ends_where_it_ends() -> None:
    rows = [{**GOOD, "title": f"珍珠 {number}"} for number in range(50)]
    text = json.dumps(rows, indent=0, ensure_ascii=False)
    found = values(text.replace('"珍珠 7"', '"珍珠 7').encode())
    assert [n for n, value in enumerate(found) if isinstance(value, Fault)] == [7]
    assert found[8:] == rows[8:]


MANY_KEYS = json.dumps({f"{number:x}": 1 for number in range(24_000)})


@pytest.mark.parametrize(
    "row",
    [
        MANY_KEYS[:-1] + ', "0": 2}',
        '{"a":' * 40_000 + "x" + "}" * 40_000,
        '{"a":{},' * 5_000 + "}",
        '{"a":"}, ' * 25_000 + "}",
        '{"' + "}  " * 80_000 + '"x}',
        "[" * 200_000 + "x",
        "{" * 200_000,
    ],
)
def test_a_hostile_row_costs_no_more_than_its_length(row: str) -> None:
    started = time.process_time()
    with contextlib.suppress(CopyError):
        values(f"[{row}\n, 1]".encode())
    assert time.process_time() - started < 20, "quadratic work takes minutes"


def test_commas_without_a_row_between_them_are_rows_that_are_not_there() -> None:
    none = "expected a row before the comma or bracket, found none"
    assert reasons(b"[1,,2]") == [1, none, 2]
    assert reasons(b"[1,2,\n]") == [1, 2, none]
    assert reasons(b"[,1]") == [none, 1]


def test_a_key_that_stands_twice_leaves_no_value_to_choose() -> None:
    (row,) = values(b'[{"b": 1, "a": 2, "b": 1}]')
    assert row == RepeatedKeys(("b",))


def test_numbers_of_a_million_digits_cost_nothing(window: Any) -> None:
    window(1024 * 1024, 4 * 10**6)
    digits = b"9" * 10**6
    first, second, third = values(b'[{"id": %b}, {"id": 1.%b}, {"id": "1"}]' % (digits, digits))
    assert (first, second, third) == ({"id": float("inf")}, {"id": 2.0}, {"id": "1"})


def test_nothing_in_the_file_says_how_deep_is_too_deep() -> None:
    def nested(depth: int) -> bytes:
        return b"[" + b"[" * depth + b"]" * depth + b', {"a": 1}]'

    for depth in (33, 900, 1500, 100_000):
        fault, after = rows_of(nested(depth))
        assert (fault.value.reason, fault.value.value) == ("the row is no JSON", "nested too deep")
        assert after.value == {"a": 1}
    assert values(nested(32))[1] == {"a": 1}
    assert not isinstance(values(nested(32))[0], Fault)


def test_a_row_that_is_too_large_is_passed_over_in_little_memory(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    with path.open("wb") as stream:
        stream.write(b'[{"a": 1}, {"title": "')
        for _ in range(100):
            stream.write(b'x \\" { [ ' * 100_000)
        stream.write(b'"}, {"a": 2}]')
    tracemalloc.start()
    with path.open("rb") as stream:
        first, fault, last = (row.value for row in JsonRows(path, stream))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (first, last) == ({"a": 1}, {"a": 2})
    assert fault.reason == "the row has more than 262144 characters"
    assert fault.value == f"{90_000_000 + 13} bytes"
    assert peak < 20 * 1024 * 1024


@pytest.mark.parametrize("size", [1, 64, 299, 300, 301, 2000])
def test_a_row_at_the_bound_is_read_and_one_behind_it_is_not(size: int, window: Any) -> None:
    window(size, 300)
    fits = json.dumps({"t": "x" * 291})
    assert len(fits) == 300
    found = values(f"[{fits}, {fits[:-2]}x{fits[-2:]}, 1]".encode())
    assert found[0] == {"t": "x" * 291}
    assert found[1].reason == "the row has more than 300 characters"
    assert found[2] == 1


def test_bytes_that_are_no_utf8_stay_in_their_row(window: Any) -> None:
    data = b'[{"t": "a\xff\xe6\xb7b"}, {"t": "\xed\xa0\x80"}, {"t": "\xe6\xb7\xa1"}]'
    for size in (1, 2, 3, 100):
        window(size)
        found = rows_of(data)
        assert found[0].value["t"].encode("utf-8", "surrogateescape") == b"a\xff\xe6\xb7b"
        assert found[2].value == {"t": "淡"}
        assert [data[row.byte : row.byte + 1] for row in found] == [b"{"] * 3


# ------------------------------------------------------------------- what is no such file


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "byte 0: expected an array of rows, got the end of the file"),
        (b"  \n", "byte 3: expected an array of rows, got the end of the file"),
        (b'{"a": 1}', "byte 0: expected an array of rows, got '{\"a\": 1}'"),
        (b'{"a": 1}\n{"a": 2}\n', "byte 0: expected an array of rows, got"),
        (b'[{"a": 1}\n{"a": 2}]', "byte 10: expected `,` or `]` after row 1, got"),
        (b'[{"a": 1}}, {"a": 2}]', "byte 9: expected `,` or `]` after row 1, got"),
        (b'[{"a": 1}] [', "byte 11: expected the end of the file after `]`, got"),
        (b"[0x12]", "byte 2: expected `,` or `]` after row 1, got"),
        (b"[1]\x00", "byte 3: expected the end of the file after `]`, got"),
        ("[]".encode("utf-16"), "expected UTF-8, got UTF-16"),
        (codecs.BOM_UTF16_BE + "[]".encode("utf-16-be"), "expected UTF-8, got UTF-16"),
        (gzip.compress(b"[]", mtime=0), "expected UTF-8, got a gzip archive; unpack it"),
        (b"\x89PNG\r\n", "byte 0: expected an array of rows, got"),
    ],
)
def test_what_is_no_array_of_rows_is_told_with_its_byte(
    data: bytes, words: str, window: Any
) -> None:
    for size in (1, 1000):
        window(size)
        with pytest.raises(CopyError) as error:
            rows_of(data)
        assert words in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_file_that_is_cut_off_anywhere_is_told_and_loses_no_row_before(
    layout: dict[str, Any],
) -> None:
    data = told(ROWS, **layout)
    ends = [row.byte for row in rows_of(data)]
    for length in range(len(data)):
        found: list[Any] = []
        with pytest.raises(CopyError, match=r"byte \d+: .*it was cut off"):
            for row in JsonRows(PATH, io.BytesIO(data[:length])):
                found.append(row.value)
        assert found == json.loads(data.decode())[: len(found)]
        assert len(found) >= sum(end < length for end in ends) - 1


ODD_TEXT = st.text("ab{}[],: ", max_size=6)


@given(st.lists(st.dictionaries(ODD_TEXT, ODD_TEXT), min_size=1), st.data())
def test_one_character_less_loses_no_row_in_silence(
    rows: list[dict[str, str]], data: st.DataObject
) -> None:
    text = json.dumps(rows, indent=0)
    place = data.draw(st.integers(0, len(text) - 1))
    try:
        found = values((text[:place] + text[place + 1 :]).encode())
    except CopyError:
        return  # told, with the byte
    whole = [value for value in found if value in rows]
    assert len(found) >= len(rows)
    assert len(whole) >= len(rows) - 1
