"""Parts: sealed or non-existent, readable in pieces, and never quietly damaged."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import PartError
from runtime.parts import PartFolder, Seal, run_key
from runtime.tables import Column, Table
from runtime.tables.column import PATHS, TEXT

GOODS = Table(
    "goods",
    "a good",
    (
        Column("n", pa.int32(), "its number", False),
        Column("title", TEXT, "its title"),
        Column("paths", PATHS, "its categories", False),
    ),
)


def goods(count: int) -> pa.Table:
    rows = [
        {"n": i, "title": f"商品{i}" if i % 3 else None, "paths": [["甲", str(i)]]}
        for i in range(count)
    ]
    return pa.Table.from_pylist(rows, GOODS.schema)


@pytest.fixture
def folder(tmp_path: Path) -> PartFolder:
    return PartFolder(tmp_path / "goods", GOODS)


def test_a_part_is_read_back_as_it_was_written(folder: PartFolder) -> None:
    rows = goods(100)
    seal = folder.write("a-00000", rows, "key", {"kept": 7}, row_group_rows=30)
    assert folder.names() == ["a-00000"]
    assert folder.seal("a-00000") == seal == Seal("key", seal.sha256, 100, {"kept": 7})
    assert folder.damage("a-00000", seal) is None
    read = folder.read("a-00000")
    assert read.equals(rows)
    described = {field.name: field.metadata[b"description"].decode() for field in read.schema}
    assert described == {column.name: column.description for column in GOODS.columns}
    streamed = list(folder.stream("a-00000", ["title", "n"], batch_rows=7))
    assert max(batch.num_rows for batch in streamed) == 7
    assert pa.Table.from_batches(streamed).equals(rows.select(["title", "n"]))


def test_the_same_rows_give_the_same_bytes_whatever_their_batches(folder: PartFolder) -> None:
    rows = goods(50)
    one = folder.write("one", rows, "key")
    again = folder.write("two", iter(rows.to_batches()), "key")
    assert one.sha256 == again.sha256


def test_a_part_can_be_empty(folder: PartFolder) -> None:
    seal = folder.write("none", goods(0), "key")
    assert seal.rows == 0
    assert folder.read("none").num_rows == 0
    assert list(folder.take("none", [], ["n"])) == []


def test_rows_of_another_schema_are_refused_and_leave_nothing(folder: PartFolder) -> None:
    with pytest.raises((pa.ArrowException, ValueError)):
        folder.write("bad", pa.table({"n": ["one"]}), "key")
    assert folder.names() == []
    assert list(folder.folder.iterdir()) == []


def test_a_part_without_a_seal_does_not_exist(folder: PartFolder) -> None:
    folder.write("a", goods(3), "key")
    folder.unseal("a")
    assert folder.path("a").is_file()
    assert folder.names() == []
    assert folder.seal("a") is None
    assert folder.seals() == {}


def test_a_write_that_fails_leaves_the_part_unsealed(folder: PartFolder) -> None:
    """The seal goes first: the old rows must not stand under a new key, nor the other way."""
    folder.write("a", goods(3), "old")
    with pytest.raises((pa.ArrowException, ValueError)):
        folder.write("a", pa.table({"n": ["one"]}), "new")
    assert folder.names() == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"key": "a"}', '{"key": 1, "other": 2}'])
def test_a_seal_that_cannot_be_read_is_none(folder: PartFolder, text: str) -> None:
    folder.write("a", goods(3), "key")
    (folder.folder / "a.json").write_text(text)
    assert folder.seal("a") is None
    assert folder.seals() == {}


def test_every_flipped_byte_is_damage(folder: PartFolder) -> None:
    seal = folder.write("a", goods(200), "key")
    path = folder.path("a")
    whole = path.read_bytes()
    for place in range(0, len(whole), 97):
        damaged = bytearray(whole)
        damaged[place] ^= 0x01
        path.write_bytes(damaged)
        problem = folder.damage("a", seal)
        assert problem is not None
        assert seal.sha256[:16] in problem
    path.write_bytes(whole[:-1])
    assert folder.damage("a", seal) is not None
    path.unlink()
    assert folder.damage("a", seal) == "expected a file, found none"
    path.write_bytes(whole)
    assert folder.damage("a", seal) is None


def test_a_flipped_byte_in_a_page_is_noticed_by_every_way_of_reading(folder: PartFolder) -> None:
    folder.write("a", goods(500), "key")
    path = folder.path("a")
    whole = path.read_bytes()
    column = pq.ParquetFile(path).metadata.row_group(0).column(1)
    start = column.dictionary_page_offset or column.data_page_offset
    place = start + column.total_compressed_size - 3  # in the body of its last data page
    damaged = bytearray(whole)
    damaged[place] ^= 0x10
    path.write_bytes(damaged)
    for read in (
        lambda: folder.read("a"),
        lambda: list(folder.stream("a")),
        lambda: list(folder.take("a", [3], ["title"])),
    ):
        with pytest.raises(PartError) as caught:
            read()
        assert caught.value.path == path
        assert "made again" in str(caught.value)


def test_a_cut_or_missing_part_is_named(folder: PartFolder) -> None:
    folder.write("a", goods(50), "key")
    path = folder.path("a")
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(PartError, match=r"a\.parquet"):
        folder.read("a")
    path.unlink()
    with pytest.raises(PartError, match=r"a\.parquet"):
        list(folder.stream("a"))


@settings(max_examples=40, deadline=None)
@given(
    total=st.integers(1, 60),
    group=st.integers(1, 20),
    picks=st.lists(st.integers(0, 59), max_size=30),
)
def test_taking_rows_is_what_a_plain_table_gives(total: int, group: int, picks: list[int]) -> None:
    rows = sorted(row for row in picks if row < total)
    table = goods(total)
    with tempfile.TemporaryDirectory() as name:
        folder = PartFolder(Path(name), GOODS)
        folder.write("a", table, "key", row_group_rows=group)
        taken = list(folder.take("a", rows, ["title", "n"]))
    together = [row for _, piece in taken for row in piece.to_pylist()]
    assert together == table.select(["title", "n"]).take(pa.array(rows, pa.int64())).to_pylist()
    sizes = [piece.num_rows for _, piece in taken]
    assert [start for start, _ in taken] == [sum(sizes[:i]) for i in range(len(sizes))]


def test_taking_a_row_that_is_not_there_is_an_error(folder: PartFolder) -> None:
    folder.write("a", goods(5), "key", row_group_rows=2)
    with pytest.raises(PartError, match="expected row 5, got 5 rows"):
        list(folder.take("a", [1, 5], ["n"]))


def test_pruning_removes_what_no_input_produces_any_more(folder: PartFolder) -> None:
    for name in ("a-00000", "a-00001", "b-00000"):
        folder.write(name, goods(1), "key")
    folder.prune(["a-00001", "c-00000"])
    assert folder.names() == ["a-00001"]
    assert sorted(p.name for p in folder.folder.iterdir()) == ["a-00001.json", "a-00001.parquet"]


def test_parts_are_in_the_order_of_their_names(folder: PartFolder) -> None:
    for name in ("b-00000", "127.0.0.1_80-00001", "127.0.0.1_80-00000"):
        folder.write(name, goods(1), "key")
    assert folder.names() == ["127.0.0.1_80-00000", "127.0.0.1_80-00001", "b-00000"]


def test_a_run_key_changes_with_everything_it_stands_for() -> None:
    inputs = {"listings": "aa", "images": "bb"}
    base = run_key("clean", "1", {"min": 3}, inputs)
    assert run_key("clean", "1", {"min": 3}, dict(reversed(inputs.items()))) == base
    others = [
        run_key("map", "1", {"min": 3}, inputs),
        run_key("clean", "2", {"min": 3}, inputs),
        run_key("clean", "1", {"min": 4}, inputs),
        run_key("clean", "1", {"min": "3"}, inputs),
        run_key("clean", "1", {"max": 3}, inputs),
        run_key("clean", "1", {"min": 3}, {"listings": "aa"}),
        run_key("clean", "1", {"min": 3}, {"listings": "bb", "images": "aa"}),
        run_key("clean", "1", {"min": 3}, {"listings": "a", "images": "abb"}),
    ]
    assert len({base, *others}) == 1 + len(others)
