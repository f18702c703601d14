"""Sorted chunks become one sorted table, whatever the chunks; repeated ids are told apart."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from release.imports import scan as scanning
from release.imports.merging import merged_rows
from release.imports.rows import REPEATED
from release.imports.scan import Scan
from runtime.errors import PartError
from taxonomy.tree import Tree, load_tree
from tests.release.imports.copies import (
    annotation,
    copy_of,
    files_of,
    parts_of,
    rows_of,
    scanned,
)

TREE = load_tree()
ENDINGS = ("jpg", "png", "JPG", "gif")


@pytest.fixture(scope="module")
def tree() -> Tree:
    return TREE


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Row groups of three, so that a chunk has several."""
    monkeypatch.setattr(scanning, "GROUP_ROWS", 3)


def shuffled(count: int) -> list[dict[str, Any]]:
    """Rows in no order; some have the id of another one, some are broken."""
    draw = random.Random(11)
    rows = [annotation(number) for number in draw.sample(range(10_000), count)]
    for number in range(0, count, 9):
        path = rows[draw.randrange(count)]["img_path"].replace(".jpg", ".png")
        rows.insert(draw.randrange(count), annotation(number, img_path=path))
    for number in range(0, count, 13):
        rows.insert(draw.randrange(count), {**annotation(number), "title": None})
    return rows


@pytest.fixture
def scan(tmp_path: Path, tree: Tree, small_groups: None) -> Scan:
    return scanned(copy_of(tmp_path / "copy", shuffled(60)), tree, tmp_path / "workspace")


def test_chunks_of_any_size_give_the_same_parts(
    tmp_path: Path, tree: Tree, small_groups: None
) -> None:
    rows = shuffled(60)
    source = copy_of(tmp_path / "copy", rows)
    found = []
    for size in (1, 2, 5, 16, 1000):
        scan = scanned(source, tree, tmp_path / f"by {size}", chunk_rows=size)
        parts = parts_of(scan, tmp_path / f"parts by {size}")
        found.append({name: parts.path(name).read_bytes() for name in parts.names()})
        merged = rows_of(parts)
        ids = [row["record_id"] for row in merged]
        assert ids == sorted(set(ids)), "every name stands once, in order"
        assert sorted(row["row"] for row in merged) == list(range(1, len(rows) + 1))
    assert all(parts == found[0] for parts in found)
    assert {len(parts) for parts in found} == {8}


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(0, 6), st.sampled_from(ENDINGS)), max_size=25),
    st.integers(1, 8), st.integers(1, 4), st.integers(1, 9),
)  # fmt: skip
def test_the_first_row_of_an_id_is_the_record_whichever_chunk_it_is_in(
    pictures: list[tuple[int, str]], chunk_rows: int, group_rows: int, part_rows: int
) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(scanning, "GROUP_ROWS", group_rows)
        folder = Path(name)
        rows = [annotation(number, ending=ending) for number, ending in pictures]
        scan = scanned(copy_of(folder, rows), TREE, folder / "workspace", chunk_rows)
        merged = rows_of(parts_of(scan, folder / "parts", part_rows))
    first: dict[str, int] = {}
    expected = []
    for row, (number, _) in enumerate(pictures, start=1):
        record = f"mep3m:1/{number}"
        if first.setdefault(record, row) == row:
            expected.append((record, row, None, None))
        else:
            expected.append((f"{record}#{row:010d}", row, REPEATED, record))
    assert [
        (row["record_id"], row["row"], row["fault"], row["peer_id"]) for row in merged
    ] == sorted(expected)


def test_a_repeated_row_says_of_which_record_and_keeps_what_it_stated(
    tmp_path: Path, tree: Tree
) -> None:
    rows = [annotation(1), annotation(10), annotation(1, ending="png", title="另一个")]
    scan = scanned(copy_of(tmp_path / "copy", rows), tree, tmp_path / "workspace", 1)
    record, repeated, other = rows_of(parts_of(scan, tmp_path / "parts"))
    assert (record["record_id"], other["record_id"]) == ("mep3m:1/1", "mep3m:1/10")
    assert (record["title"], record["fault"], record["peer_id"]) == ("孕妇奶粉 1 号", None, None)
    assert repeated["record_id"] == "mep3m:1/1#0000000003"
    assert (repeated["fault"], repeated["peer_id"]) == (REPEATED, "mep3m:1/1")
    assert (repeated["value"], repeated["title"]) == ("Images/1/1.png", "另一个")


def test_a_broken_row_takes_no_id_from_a_sound_one(tmp_path: Path, tree: Tree) -> None:
    rows = [annotation(1, title=7), annotation(1)]
    scan = scanned(copy_of(tmp_path / "copy", rows), tree, tmp_path / "workspace", 1)
    broken, record = rows_of(parts_of(scan, tmp_path / "parts"))
    assert (broken["record_id"], record["record_id"]) == ("mep3m:#1", "mep3m:1/1")
    assert record["fault"] is None


def test_merging_goes_on_from_any_place(scan: Scan) -> None:
    rows = list(merged_rows(scan.chunks))
    for number, row in enumerate(rows):
        place = (row["peer_id"] or row["record_id"], row["row"])
        assert list(merged_rows(scan.chunks, place)) == rows[number + 1 :]


def test_parts_that_a_killed_run_left_are_gone_on_with_to_the_same_bytes(
    scan: Scan, tmp_path: Path
) -> None:
    parts = parts_of(scan, tmp_path / "parts", part_rows=4)
    whole, names = files_of(parts), parts.names()
    for first_lost in range(len(names)):
        for name in names[first_lost:]:
            parts.discard(name)
        kept = [parts.path(name).stat().st_mtime_ns for name in names[:first_lost]]
        assert files_of(parts_of(scan, tmp_path / "parts", part_rows=4)) == whole
        assert kept == [parts.path(name).stat().st_mtime_ns for name in names[:first_lost]]


@pytest.mark.parametrize("damaged", [0, 3, 17])
def test_a_damaged_part_and_all_behind_it_are_made_again(
    scan: Scan, tmp_path: Path, damaged: int
) -> None:
    parts = parts_of(scan, tmp_path / "parts", part_rows=4)
    whole, names = files_of(parts), parts.names()
    path = parts.path(names[damaged])
    path.write_bytes(path.read_bytes()[:-1])
    assert files_of(parts_of(scan, tmp_path / "parts", part_rows=4)) == whole


def test_a_killed_merge_goes_on_with_parts_of_another_size_as_if_it_were_new(
    scan: Scan, tmp_path: Path
) -> None:
    new = files_of(parts_of(scan, tmp_path / "new", part_rows=6))
    parts = parts_of(scan, tmp_path / "parts", part_rows=4)
    for name in parts.names()[2:]:
        parts.discard(name)
    assert files_of(parts_of(scan, tmp_path / "parts", part_rows=6)) == new


def test_parts_of_another_copy_are_not_gone_on_with(scan: Scan, tmp_path: Path, tree: Tree) -> None:
    parts_of(scan, tmp_path / "parts")
    other = scanned(copy_of(tmp_path / "copy", [annotation(1)]), tree, tmp_path / "workspace")
    parts = parts_of(other, tmp_path / "parts")
    assert [row["record_id"] for row in rows_of(parts)] == ["mep3m:1/1"]
    assert len(files_of(parts)) == 2


def test_an_empty_copy_has_no_parts(tmp_path: Path, tree: Tree) -> None:
    scan = scanned(copy_of(tmp_path / "copy", []), tree, tmp_path / "workspace")
    assert parts_of(scan, tmp_path / "parts").names() == []


def test_a_chunk_that_cannot_be_read_is_told(scan: Scan) -> None:
    path = scan.chunks.path(scan.chunks.names()[1])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(PartError, match="cannot be read"):
        list(merged_rows(scan.chunks))
