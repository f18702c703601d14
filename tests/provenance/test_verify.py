"""Verification: a sound release has no faults, and every kind of damage is found and named."""

import hashlib
import json
import shutil
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance.verify import Failure, find_failures
from provenance.verify import verify as verify_aloud
from release.manifest import MANIFEST, POINTER
from release.schema import RELEASE_SCHEMA, schema_digest
from runtime.tables import DECISIONS, FINGERPRINTS, LINEAGE, LISTINGS
from runtime.workspace import Workspace
from taxonomy.tree import load_tree
from tests.release.finished_run import START, RunWriter, changed, products, publish_run

LINEAGE_PATH = "lineage/lineage.parquet"
verify = partial(verify_aloud, quiet=True)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    made = Workspace(tmp_path_factory.mktemp("verify") / "workspace")
    made.prepare()
    items = changed(products("shop-a", 14), "shop-a:000003", fate="rejected")
    publish_run(made, RunWriter(made).write(items + products("shop-b", 3)))
    return made


@pytest.fixture
def workspace(original: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(original.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def release(workspace: Workspace) -> Path:
    return workspace.releases / "1.0.0"


def train(release: Path) -> Path:
    return sorted((release / "data").glob("train-*.parquet"))[0]


def reseal(workspace: Workspace, release: Path, **top: Any) -> None:
    """Make manifest and pointer agree with the files, as a careful forger would."""
    manifest = json.loads((release / MANIFEST).read_bytes())
    for entry in manifest["files"]:
        path = release / entry["path"]
        entry["sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        entry["bytes"] = path.stat().st_size
        if path.suffix == ".parquet":
            entry["rows"] = pq.read_metadata(path).num_rows
    (release / MANIFEST).write_text(json.dumps({**manifest, **top}))
    digest = hashlib.sha256((release / MANIFEST).read_bytes()).hexdigest()
    pointer = {"version": release.name, "manifest_sha256": digest}
    (workspace.releases / POINTER).write_text(json.dumps(pointer))


Rows = list[dict[str, Any]]


def edit(path: Path, schema: pa.Schema, change: Callable[[Rows], object]) -> None:
    """Change a Parquet file's rows in place; what its schema tells stays."""
    table = pq.read_table(path)
    rows = table.to_pylist()
    change(rows)
    told = schema.with_metadata(table.schema.metadata)
    pq.write_table(pa.Table.from_pylist(rows, told), path)


def problems(failures: list[Failure]) -> str:
    return "\n".join(str(failure) for failure in failures)


def test_a_sound_release_has_no_faults_and_reports_progress(original: Workspace) -> None:
    seen: list[tuple[int, int | None]] = []

    def tick(done: int, total: int | None = None) -> None:
        seen.append((done, total))

    assert find_failures(original.releases / "1.0.0", original, tick, load_tree()) == []
    assert seen[-1][0] == seen[-1][1] and len(seen) == seen[-1][0]


def test_every_flipped_byte_of_a_shard_is_found(original: Workspace, tmp_path: Path) -> None:
    folder = original.releases / "1.0.0"
    shard = train(folder)
    data = shard.read_bytes()
    for number, place in enumerate(range(0, len(data), len(data) // 7)):
        copy = tmp_path / str(number) / "1.0.0"
        shutil.copytree(folder, copy)
        flipped = bytearray(data)
        flipped[place] ^= 1
        train(copy).write_bytes(flipped)
        assert any(f.file == f"data/{shard.name}" for f in verify(copy)), place


def test_a_flipped_bit_of_a_picture_is_named_with_its_record(
    workspace: Workspace, release: Path
) -> None:
    def flip(rows: Rows) -> None:
        picture = bytearray(rows[4]["image"]["bytes"])
        picture[50] ^= 1
        rows[4]["image"]["bytes"] = bytes(picture)

    edit(train(release), RELEASE_SCHEMA, flip)
    reseal(workspace, release)
    (failure,) = verify(release, workspace)
    assert failure.row == 4 and "expected image SHA-256" in failure.problem


def test_missing_and_extra_files_are_named(workspace: Workspace, release: Path) -> None:
    (release / "fingerprints" / "fingerprints.parquet").unlink()
    (release / "data" / "train-9.9.9-00000.parquet").write_bytes(b"")
    found = problems(verify(release, workspace))
    assert "fingerprints/fingerprints.parquet: expected a file, found none" in found
    assert "data/train-9.9.9-00000.parquet: not in the manifest" in found


def test_a_missing_shard_leaves_its_records_without_a_home(
    workspace: Workspace, release: Path
) -> None:
    path = train(release)
    path.unlink()
    found = problems(verify(release, workspace))
    assert f"data/{path.name}: expected a file, found none" in found and "is in no shard" in found


@pytest.mark.parametrize("label", [{"sub_class_name": "戒指"}, {"class_id": 3}])
def test_a_label_that_the_tree_does_not_give_is_found(
    workspace: Workspace, release: Path, label: dict[str, Any]
) -> None:
    edit(train(release), RELEASE_SCHEMA, lambda rows: rows[2].update(label))
    reseal(workspace, release)
    (failure,) = verify(release, workspace)
    assert failure.row == 2 and "label not in the category tree" in failure.problem


def test_a_hash_that_imagehash_does_not_give_is_found(workspace: Workspace, release: Path) -> None:
    edit(train(release), RELEASE_SCHEMA, lambda rows: rows[0].update(phash=rows[0]["phash"] ^ 0xFF))
    reseal(workspace, release)
    assert "expected phash" in problems(verify(release, workspace))


INDEX_PATH = "fingerprints/fingerprints.parquet"


def test_an_index_with_another_hash_than_the_shard_is_found(
    workspace: Workspace, release: Path
) -> None:
    edit(release / INDEX_PATH, FINGERPRINTS.schema, lambda rows: rows[3].update(phash=1))
    reseal(workspace, release)
    (failure,) = verify(release, workspace)
    assert (failure.file, failure.row) == (INDEX_PATH, 3)
    assert "as in its shard, got 1" in failure.problem


@pytest.mark.parametrize("row", [0, 5, 15])
def test_a_fingerprint_that_is_missing_is_one_fault(
    workspace: Workspace, release: Path, row: int
) -> None:
    edit(release / INDEX_PATH, FINGERPRINTS.schema, lambda rows: rows.pop(row))
    reseal(workspace, release)
    (failure,) = verify(release, workspace)
    assert failure.file == INDEX_PATH and failure.row == (row if row < 15 else None)
    assert "a row of record shop-" in failure.problem


def test_a_fingerprint_of_no_record_or_at_another_place_is_one_fault(
    workspace: Workspace, release: Path
) -> None:
    def invent(rows: Rows) -> None:
        rows.insert(4, {**rows[4], "record_id": "shop-a:zzz"})
        rows.insert(9, rows[2])

    edit(release / INDEX_PATH, FINGERPRINTS.schema, invent)
    reseal(workspace, release)
    found = verify(release, workspace)
    assert [failure.row for failure in found] == [4, 9]
    assert "expected no row of record shop-a:zzz" in found[0].problem


def test_a_release_without_any_shard_is_told_to_the_end(
    workspace: Workspace, release: Path
) -> None:
    for path in (release / "data").iterdir():
        path.unlink()
    assert problems(verify(release, workspace)).count("is in no shard") == 16


def test_fingerprints_of_two_versions_are_found(workspace: Workspace, release: Path) -> None:
    for path in (train(release), release / INDEX_PATH):
        table = pq.read_table(path)
        told = {**table.schema.metadata, b"fingerprint": b"other"}
        pq.write_table(table.replace_schema_metadata(told), path)
    reseal(workspace, release)
    found = [f for f in verify(release, workspace) if "got other" in f.problem]
    assert [failure.file for failure in found] == [f"data/{train(release).name}", INDEX_PATH]


def test_hashes_of_an_unknown_version_are_taken_as_they_are(
    workspace: Workspace, release: Path
) -> None:
    for path in (*(release / "data").iterdir(), release / INDEX_PATH):
        table = pq.read_table(path)
        told = {**table.schema.metadata, b"fingerprint": b"later-v9"}
        pq.write_table(table.replace_schema_metadata(told), path)
    reseal(workspace, release, fingerprint="later-v9")
    assert verify(release, workspace) == []


def test_a_record_that_was_captured_before_it_was_seen_is_found(
    workspace: Workspace, release: Path
) -> None:
    def later(rows: Rows) -> None:
        rows[2]["first_seen"] += timedelta(seconds=1)

    edit(train(release), RELEASE_SCHEMA, later)
    reseal(workspace, release)
    assert "expected first_seen up to its capture" in problems(verify(release, workspace))


def test_a_duplicated_row_is_found(workspace: Workspace, release: Path) -> None:
    edit(train(release), RELEASE_SCHEMA, lambda rows: rows.append(rows[0]))
    reseal(workspace, release)
    found = problems(verify(release, workspace))
    assert "expected once, stands also in" in found and "counts.records" in found


def test_a_dropped_row_is_found(workspace: Workspace, release: Path) -> None:
    edit(train(release), RELEASE_SCHEMA, lambda rows: rows.pop())
    reseal(workspace, release)
    assert "is in no shard" in problems(verify(release, workspace))


def test_a_foreign_schema_is_found(workspace: Workspace, release: Path) -> None:
    path = train(release)
    table = pq.read_table(path)
    pq.write_table(table.append_column("extra", pa.array([1] * table.num_rows)), path)
    reseal(workspace, release)
    assert "expected columns" in problems(verify(release, workspace))


def test_a_changed_decision_is_found(workspace: Workspace, release: Path) -> None:
    path = sorted((release / "decisions").rglob("*.parquet"))[0]

    def unpublish(rows: Rows) -> None:
        row = next(row for row in rows if row["verdict"] == "published")
        row["verdict"] = "rejected"

    edit(path, DECISIONS.schema, unpublish)
    assert "expected SHA-256" in problems(verify(release, workspace))
    reseal(workspace, release)
    found = problems(verify(release, workspace))
    assert "expected a publish decision with verdict published" in found
    assert "expected the manifest's counts by rule" in found


def test_a_decision_that_publishes_an_absent_record_is_found(
    workspace: Workspace, release: Path
) -> None:
    path = sorted((release / "decisions").rglob("*.parquet"))[0]

    def invent(rows: Rows) -> None:
        row = next(row for row in rows if row["verdict"] == "published")
        rows.append({**row, "record_id": "shop-a:999999"})

    edit(path, DECISIONS.schema, invent)
    reseal(workspace, release)
    assert "record shop-a:999999 is published here" in problems(verify(release, workspace))


def test_a_leak_group_over_two_splits_is_found(workspace: Workspace, release: Path) -> None:
    def join(rows: Rows) -> None:
        other = next(row for row in rows if row["split"] != rows[0]["split"])
        other["leak_group"] = rows[0]["leak_group"]

    edit(release / LINEAGE_PATH, LINEAGE.schema, join)
    reseal(workspace, release)
    found = problems(verify(release, workspace))
    assert "its leak group has another split" in found
    assert "as in lineage" in found  # fingerprints say otherwise now


def test_a_split_other_than_the_shards_is_found(workspace: Workspace, release: Path) -> None:
    def move(rows: Rows) -> None:
        row = next(row for row in rows if row["split"] == "train")
        row["split"] = "test"

    for path, schema in (
        (release / LINEAGE_PATH, LINEAGE.schema),
        (release / "fingerprints/fingerprints.parquet", FINGERPRINTS.schema),
    ):
        edit(path, schema, move)
    reseal(workspace, release)
    (failure,) = verify(release, workspace)
    assert failure.file.startswith("data/train-") and "another split" in failure.problem


def test_a_capture_that_is_not_there_is_found(workspace: Workspace, release: Path) -> None:
    capture = workspace.runs()[0].captures / "shop-b-00000.warc.gz"
    data = bytearray(capture.read_bytes())
    data[60] ^= 255
    capture.write_bytes(data)
    assert "capture shop-b-00000.warc.gz at" in problems(verify(release, workspace))
    capture.unlink()
    found = verify(release, workspace)
    assert len(found) == 3 and all("expected a file" in f.problem for f in found)
    assert verify(release) == []  # without its workspace the release is still sound


def test_a_capture_of_another_page_is_found(workspace: Workspace, release: Path) -> None:
    folder = workspace.runs()[0].listings
    rows = folder.read("shop-b-00000").to_pylist()
    rows[1]["page_url"] = "https://shop-b.example/item/other"
    folder.write("shop-b-00000", pa.Table.from_pylist(rows, LISTINGS.schema), "fixture")
    (failure,) = verify(release, workspace)
    assert "expected page https://shop-b.example/item/other" in failure.problem


def test_a_moved_capture_offset_is_found(workspace: Workspace, release: Path) -> None:
    edit(train(release), RELEASE_SCHEMA, lambda rows: rows[1].update(capture_offset=7))
    reseal(workspace, release)
    (failure,) = verify(release, workspace)
    assert failure.row == 1 and "at 7" in failure.problem


def test_a_run_that_is_gone_is_named(workspace: Workspace, release: Path) -> None:
    run = workspace.runs()[0]
    shutil.rmtree(run.folder)
    assert f"run {run.run_id} is not in" in problems(verify(release, workspace))


@pytest.mark.parametrize("text", ["", "{}", '{"format": 1}', "not json"])
def test_a_manifest_that_cannot_be_read_is_a_fault(release: Path, text: str) -> None:
    (release / MANIFEST).write_text(text)
    (failure,) = verify(release)
    assert failure.file == MANIFEST


def test_a_pointer_to_nowhere_is_a_fault(workspace: Workspace, release: Path) -> None:
    for text in ('{"version": "7.0.0", "manifest_sha256": ""}', "[]", '{"version": "../x"}'):
        (workspace.releases / POINTER).write_text(text)
        (failure,) = verify(release, workspace)
        assert failure.file == POINTER
    (workspace.releases / POINTER).unlink()
    assert [failure.file for failure in verify(release, workspace)] == [POINTER]


def test_a_grown_release_is_verified_over_both_runs(workspace: Workspace) -> None:
    writer = RunWriter(workspace, START + timedelta(hours=1))
    folder = publish_run(workspace, writer.write(products("shop-c", 3))).folder
    assert folder is not None and verify(folder, workspace) == []
    (writer.run.captures / "shop-c-00000.warc.gz").unlink()
    assert len(verify(folder, workspace)) == 3


def test_a_release_of_an_earlier_schema_verifies_by_its_own(
    original: Workspace, tmp_path: Path
) -> None:
    copy = Workspace(tmp_path / "workspace")
    shutil.copytree(original.folder, copy.folder)
    release = copy.releases / "1.0.0"
    for path in (release / "data").iterdir():
        table = pq.ParquetFile(path).read()
        path.unlink()
        pq.write_table(table.drop_columns(["ocr"]), path)
    told = schema_digest(pa.schema([field for field in RELEASE_SCHEMA if field.name != "ocr"]))
    reseal(copy, release, schema_sha256=told)
    assert problems(verify(release, copy)) == ""
    reseal(copy, release, schema_sha256=schema_digest(RELEASE_SCHEMA))
    assert "expected schema" in problems(verify(release, copy))
