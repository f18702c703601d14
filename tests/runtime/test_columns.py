"""Columns without pyarrow's `array`: the same as pyarrow makes, and no pandas for them."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.columns import from_numbers, numbers, record_batch, table

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("data", pa.binary()),
        ("small", pa.int16()),
        ("at", pa.timestamp("us", tz="UTC")),
        ("hash", pa.uint64()),
        ("share", pa.float64()),
        ("true", pa.bool_()),
        ("digest", pa.binary(4)),
        ("words", pa.list_(pa.string())),
        ("guesses", pa.list_(pa.struct([("id", pa.int32()), ("by", pa.string())]))),
        ("guess", pa.struct([("id", pa.int32()), ("sure", pa.float64())])),
    ]
)
GUESS = st.fixed_dictionaries({"id": st.integers(-9, 9), "by": st.none() | st.text(max_size=3)})
ROW = st.fixed_dictionaries(
    {},
    optional={
        "text": st.none() | st.text(),
        "data": st.none() | st.binary(),
        "small": st.none() | st.integers(-(2**15), 2**15 - 1),
        "at": st.none() | st.datetimes(datetime(1900, 1, 1), timezones=st.just(UTC)),
        "hash": st.none() | st.integers(0, 2**64 - 1),
        "share": st.none() | st.floats(allow_nan=False),
        "true": st.none() | st.booleans(),
        "digest": st.none() | st.binary(min_size=4, max_size=4),
        "guesses": st.none() | st.lists(st.none() | GUESS, max_size=3),
        "guess": st.none() | st.fixed_dictionaries({}, optional={"id": st.none() | st.just(7)}),
        "words": st.none() | st.lists(st.none() | st.text(), max_size=3),
    },
)


@given(st.lists(ROW, max_size=20))
def test_a_batch_is_the_one_that_pyarrow_makes(rows: list[dict[str, Any]]) -> None:
    made = record_batch(rows, SCHEMA)
    made.validate(full=True)
    assert made.equals(pa.RecordBatch.from_pylist(rows, SCHEMA))
    columns = {name: [row.get(name) for row in rows] for name in SCHEMA.names}
    assert table(columns, SCHEMA).equals(pa.Table.from_pylist(rows, SCHEMA))


def test_another_type_is_refused() -> None:
    with pytest.raises(TypeError, match="got date32"):
        record_batch([{"x": 1}], pa.schema([("x", pa.date32())]))


def test_bytes_of_another_length_are_refused() -> None:
    with pytest.raises(ValueError, match="expected 4 bytes"):
        record_batch([{"x": b"12345"}], pa.schema([("x", pa.binary(4))]))


@pytest.mark.parametrize("kind", [pa.int16(), pa.uint64(), pa.float64(), pa.bool_()])
@given(data=st.data())
def test_a_column_is_read_as_the_numbers_it_holds(kind: pa.DataType, data: st.DataObject) -> None:
    values = data.draw(st.lists(st.booleans() if kind == pa.bool_() else st.integers(0, 99)))
    cut = data.draw(st.integers(0, len(values)))
    whole = pa.array(values, kind)
    for column in (whole, whole[cut:], pa.chunked_array([whole[:cut], whole[cut:]], kind)):
        read = numbers(column)
        assert read.tolist() == column.to_pylist()
        assert read.dtype == column.to_numpy(zero_copy_only=False).dtype
        if kind != pa.bool_():
            assert from_numbers(read).equals(pa.array(read))


def test_instants_are_read_as_microseconds() -> None:
    column = pa.array([datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)], pa.timestamp("us", tz="UTC"))
    assert numbers(column).tolist() == [1_000_000]


def test_a_missing_number_is_no_number() -> None:
    with pytest.raises(ValueError, match="got none in 1 of them"):
        numbers(pa.chunked_array([[1, None]]))


def test_a_worker_that_writes_pictures_needs_no_pandas(tmp_path: Path) -> None:
    code = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import crawler.image_host
from runtime.columns import from_numbers, numbers, record_batch
from runtime.parts import PartFolder
from runtime.tables import IMAGES
row = {"image_url": "u", "attempt": 1, "outcome": "ok", "fetched_at": datetime.now(UTC)}
folder = PartFolder(Path(sys.argv[1]), IMAGES)
folder.write("part", [record_batch([row], IMAGES.schema)], "key")
assert next(folder.stream("part", ["image_url", "outcome"])).num_rows == 1
attempts = numbers(folder.read("part", ["attempt"])["attempt"])
assert folder.read("part").take(from_numbers(attempts - 1)).num_rows == 1
print(sorted({"pandas", "scrapy", "PIL", "scipy"} & set(sys.modules)))
"""
    root = Path(__file__).resolve().parents[2]
    said = subprocess.run(
        [sys.executable, "-c", code, tmp_path], cwd=root, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert said.stdout.strip() == "[]"
