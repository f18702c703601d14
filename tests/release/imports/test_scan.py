"""Annotations kept in sealed chunks: nothing is read twice, nothing stale is taken."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from release.imports import scan as scanning
from release.imports.errors import CopyError
from release.imports.scan import scan_copy
from release.imports.source import CopySource
from taxonomy.tree import Tree, load_tree
from tests.release.imports.copies import annotation, copy_of, files_of, rows_of, scanned

ROWS = 40


@pytest.fixture(scope="module")
def tree() -> Tree:
    return load_tree()


@pytest.fixture
def source(tmp_path: Path) -> CopySource:
    numbers = random.Random(7).sample(range(1000), ROWS)
    return copy_of(tmp_path / "copy", [annotation(number) for number in numbers])


def test_chunks_hold_every_row_sorted_by_id_with_the_byte_it_starts_at(
    source: CopySource, tree: Tree, tmp_path: Path
) -> None:
    scan = scanned(source, tree, tmp_path / "workspace")
    assert scan.rows == ROWS
    data = source.annotations.read_bytes()
    stated = json.loads(data)
    for name in scan.chunks.names():
        ids = scan.chunks.read(name)["record_id"].to_pylist()
        assert ids == sorted(ids)
    for row in rows_of(scan.chunks):
        before = stated[row["row"] - 1]
        assert (row["img_path"], row["title"]) == (before["img_path"], before["title"])
        assert json.JSONDecoder().raw_decode(data[row["byte"] :].decode())[0] == before


def test_a_chunk_ends_where_its_bytes_are_many(
    source: CopySource, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "CHUNK_BYTES", 3 * source.annotations.stat().st_size // ROWS)
    scan = scanned(source, tree, tmp_path / "workspace", chunk_rows=1000)
    sizes = [seal.rows for seal in scan.chunks.seals().values()]
    assert sum(sizes) == ROWS
    assert len(sizes) > ROWS // 4
    assert max(sizes) <= 4


def test_row_groups_are_bounded_by_the_bytes_of_their_texts() -> None:
    rows = [{"title": "x" * 100, "ocr": None, "value": None}] * 10
    sizes = [len(group) for group in scanning.bounded(iter(rows), 4, 10**6)]
    assert sizes == [4, 4, 2]
    assert [len(group) for group in scanning.bounded(iter(rows), 1000, 700)] == [3, 3, 3, 1]
    assert list(scanning.bounded(iter([]), 4, 4)) == []


def test_an_empty_copy_is_one_chunk_without_rows(tree: Tree, tmp_path: Path) -> None:
    source = copy_of(tmp_path / "copy", [])
    for _ in range(2):
        scan = scanned(source, tree, tmp_path / "workspace")
        assert (scan.chunks.names(), scan.rows) == (["chunk-000000"], 0)


def test_what_is_left_of_a_killed_scan_is_gone_on_with_to_the_same_bytes(
    source: CopySource, tree: Tree, tmp_path: Path
) -> None:
    scan = scanned(source, tree, tmp_path / "workspace")
    whole = files_of(scan.chunks)
    names = scan.chunks.names()
    assert len(names) == 6
    for first_lost in range(len(names) + 1):
        for name in names[first_lost:]:
            scan.chunks.discard(name)
        kept = {name: scan.chunks.path(name).stat().st_mtime_ns for name in names[:first_lost]}
        again = scanned(source, tree, tmp_path / "workspace")
        assert files_of(again.chunks) == whole
        assert kept == {
            name: scan.chunks.path(name).stat().st_mtime_ns for name in names[:first_lost]
        }, "what is sealed is not read again"


@pytest.mark.parametrize("lost", ["seal", "file", "bytes", "key", "words"])
def test_a_chunk_that_is_lost_or_damaged_is_made_again(
    lost: str, source: CopySource, tree: Tree, tmp_path: Path
) -> None:
    scan = scanned(source, tree, tmp_path / "workspace")
    whole = files_of(scan.chunks)
    file, seal = scan.chunks.path("chunk-000002"), scan.chunks.folder / "chunk-000002.json"
    if lost == "seal":
        seal.unlink()
    elif lost == "file":
        file.unlink()
    elif lost == "bytes":
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif lost == "key":
        seal.write_text(seal.read_text().replace(scan.key, "another"))
    else:
        seal.write_text("{")
    assert files_of(scanned(source, tree, tmp_path / "workspace").chunks) == whole


def test_another_file_tree_or_option_starts_anew(
    source: CopySource, tree: Tree, tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace"
    first = scanned(source, tree, workspace)
    longer = copy_of(tmp_path / "copy", [annotation(1)])
    second = scanned(longer, tree, workspace)
    third = scan_copy(longer, tree, "another tree", workspace, quiet=True)
    lenient = copy_of(tmp_path / "copy", [annotation(1)], reject_unknown_labels=True)
    fourth = scanned(lenient, tree, workspace)
    assert len({scan.key for scan in (first, second, third, fourth)}) == 4
    assert [path.name for path in (workspace / "imports").iterdir()] == [fourth.key]
    assert fourth.rows == 1


def test_what_is_wrong_at_the_end_leaves_what_was_read_before_it(
    source: CopySource, tree: Tree, tmp_path: Path
) -> None:
    data = source.annotations.read_bytes()
    source.annotations.write_bytes(data[:-10])
    for _ in range(2):
        with pytest.raises(CopyError, match="it was cut off"):
            scanned(source, tree, tmp_path / "workspace")
    (folder,) = (tmp_path / "workspace" / "imports").iterdir()
    assert len(list((folder / "chunks").glob("*.json"))) == ROWS // 7


def test_a_label_of_another_tree_names_row_and_byte_unless_such_rows_are_left_out(
    tree: Tree, tmp_path: Path
) -> None:
    rows = [annotation(1), annotation(2, sub_class_id="9999", img_path="Images/9999/2.jpg")]
    source = copy_of(tmp_path / "copy", rows)
    byte = source.annotations.read_bytes().rindex(b"{")
    with pytest.raises(CopyError, match=rf"row 2 \(byte {byte}\): .* no sub_class 9999; set"):
        scanned(source, tree, tmp_path / "workspace")
    lenient = copy_of(tmp_path / "copy", rows, reject_unknown_labels=True)
    found = rows_of(scanned(lenient, tree, tmp_path / "workspace").chunks)
    assert [(row["record_id"], row["fault"]) for row in found] == [
        ("mep3m:#2", "imported_label_unknown_v1"), ("mep3m:1/1", None)
    ]  # fmt: skip


def test_chunks_are_discarded_without_a_trace(
    source: CopySource, tree: Tree, tmp_path: Path
) -> None:
    scan = scanned(source, tree, tmp_path / "workspace")
    scan.discard()
    assert list((tmp_path / "workspace").iterdir()) == []
    scan.discard()


def test_keys_that_no_record_takes_over_are_told_once(
    tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [annotation(number, price=9, **{"bad\nkey": 1}) for number in range(20)]
    scanned(copy_of(tmp_path / "copy", rows), tree, tmp_path / "workspace")
    said = capsys.readouterr().err
    assert said.endswith("keys that no record takes over: 'bad\\nkey', price\n")
    assert said.count("\n") == 1
