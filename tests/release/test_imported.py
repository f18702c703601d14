"""Releases with imported records: titles alone, mixed with crawled ones, grown and reprinted."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from cleaning.hashes import VERSIONS
from provenance.audit import audit
from provenance.ledger import ledger
from provenance.story_text import story_text
from provenance.verify import verify as verify_aloud
from release.manifest import read_manifest
from release.schema import COLUMNS, RELEASE_SCHEMA, as_released, released_schema, schema_digest
from runtime.errors import GateError
from runtime.tables import ANNOTATIONS, FINGERPRINTS
from runtime.tombstones import Tombstone, append_tombstones, keyed_hash
from runtime.workspace import Workspace
from tests.provenance.test_verify import edit, problems, reseal
from tests.release.finished_run import START, RunWriter, picture, products, publish_run
from tests.release.imported_run import annotation, take_in, titles, write_copy

verify = partial(verify_aloud, quiet=True)
LATER = START + timedelta(days=1)
LATEST = START + timedelta(days=2)
NEW = ("provenance", "imported_path", "imported_resolution", "ocr")


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.prepare()
    return made


def rows_of(workspace: Workspace) -> dict[str, dict[str, Any]]:
    """The current release's rows by record_id."""
    release = workspace.latest_release()
    assert release is not None
    rows = [row for path in (release / "data").iterdir() for row in pq.read_table(path).to_pylist()]
    return {row["record_id"]: row for row in rows}


def lineage(workspace: Workspace) -> dict[str, dict[str, Any]]:
    release = workspace.latest_release()
    assert release is not None
    rows = pq.read_table(release / "lineage" / "lineage.parquet").to_pylist()
    return {row["record_id"]: row for row in rows}


def sound(workspace: Workspace) -> None:
    release = workspace.latest_release()
    assert release is not None
    assert verify(release, workspace) == []


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Crawled records, then a copy with pictures, then one of titles alone."""
    folder = tmp_path_factory.mktemp("mixed")
    made = Workspace(folder / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(products("shop-a", 14)))
    made.runs()[-1].update(status="done")
    pictures = {n: picture(product) for n, product in enumerate(products("copy", 9))}
    take_in(made, write_copy(folder / "copy", titles(*range(9)), pictures), LATER)
    take_in(made, write_copy(folder / "text", titles(*range(20, 32))), LATEST)
    return made


@pytest.fixture
def copied(mixed: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(mixed.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


# --------------------------------------------------------------------------- what is there


def test_a_mixed_release_is_sound_and_tells_where_records_come_from(mixed: Workspace) -> None:
    sound(mixed)
    rows = rows_of(mixed)
    assert len(rows) == 14 + 9 + 12
    assert [row["provenance"] for row in rows.values()].count("imported") == 21
    alone = rows["mep3m:1/20"]
    assert (alone["image"], alone["sha256"], alone["phash"], alone["width"]) == (None,) * 4
    assert (alone["title_raw"], alone["imported_path"]) == ("孕妇奶粉 20 号", "Images/1/20.jpg")
    with_picture = rows["mep3m:1/3"]
    assert with_picture["image"]["bytes"] == picture(products("copy", 9)[3])
    of_crawls = [column.name for column in COLUMNS if column.required == "crawled"]
    assert all(rows[name][column] is None for name in ("mep3m:1/3", "mep3m:1/20")
               for column in of_crawls)  # fmt: skip
    manifest = read_manifest(mixed.latest_release() or Path())
    assert (manifest.version, manifest.counts.without_picture) == ("1.2.0", 12)
    assert manifest.counts.sites == {"mep3m": 21, "shop-a": 14}


def test_a_short_shard_is_topped_up_and_the_others_are_linked(mixed: Workspace) -> None:
    releases = mixed.releases
    for older, newer in (("1.0.0", "1.1.0"), ("1.1.0", "1.2.0")):
        shards = {p.name: p for p in (releases / newer / "data").iterdir()}
        for shard in (releases / older / "data").iterdir():
            if shard.name in shards:
                assert shards[shard.name].stat().st_ino == shard.stat().st_ino
            else:
                split = shard.name.split("-")[0]
                assert f"{split}-{newer}-00000.parquet" in shards
        splits = [name.split("-")[0] for name in shards]
        assert len(splits) == len(set(splits))  # all are short: one of each split is left


def test_every_imported_record_is_audited_to_its_row(mixed: Workspace) -> None:
    for record in ("mep3m:1/3", "mep3m:1/25"):
        story = audit(mixed, record)
        assert story.fate == "published"
        text = story_text(story)
        assert "no URL, date or capture" in text and "imported_label_v1" in text
        assert json.loads(json.dumps(story.to_json()))["releases"][0]["version"]
    assert "not taken in" in story_text(audit(mixed, "mep3m:1/25"))


def test_a_copy_with_its_picture_folder_names_each_row_without_a_picture(
    workspace: Workspace, tmp_path: Path
) -> None:
    pictures = {1: picture(products("copy", 1)[0])}
    copy = write_copy(tmp_path / "copy", titles(1, 2), pictures)
    result = take_in(workspace, copy, START)
    assert result.fates == {"published": 1, "rejected": 1}
    assert "imported_image_missing_v1" in story_text(audit(workspace, "mep3m:1/2"))
    sound(workspace)


@pytest.mark.parametrize("title", ["", " ", "\u200b", "。", "x" * 5000, "a\x00b", "\x1b[31m红"])
def test_a_title_of_any_kind_is_published_as_it_was_raw(
    workspace: Workspace, tmp_path: Path, title: str
) -> None:
    copy = write_copy(tmp_path / "copy", [annotation(1, title=title), annotation(2)])
    assert take_in(workspace, copy, START).fates == {"published": 2}
    assert rows_of(workspace)["mep3m:1/1"]["title_raw"] == title
    sound(workspace)


def test_a_copy_of_which_nothing_is_sound_publishes_nothing(
    workspace: Workspace, tmp_path: Path
) -> None:
    copy = write_copy(tmp_path / "copy", [annotation(1, title=None), "x"])
    result = take_in(workspace, copy, START)
    assert (result.version, result.fates) == (None, {"rejected": 2})


# ------------------------------------------------------------------------------ splits


def test_equal_titles_share_a_split_in_one_release_and_over_two(
    workspace: Workspace, tmp_path: Path
) -> None:
    def copy(name: str, numbers: range) -> Path:
        rows = [annotation(n, title=f"孕妇奶粉 {n % 40} 号") for n in numbers]
        return write_copy(tmp_path / name, rows)

    shares = {"validation_share": 0.3, "test_share": 0.3}
    take_in(workspace, copy("first", range(60)), START, **shares)
    first = lineage(workspace)
    # Other shares later: what is published keeps its split, and draws its like to it.
    take_in(workspace, copy("second", range(120)), LATER, validation_share=0.05, test_share=0.05)
    both = lineage(workspace)
    assert len(both) == 120
    assert {name: both[name]["split"] for name in first} == {
        name: row["split"] for name, row in first.items()
    }
    groups: dict[str, set[str]] = {}
    for name, row in both.items():
        group = int(name.rpartition("/")[2]) % 40
        assert row["leak_group"].startswith("title:")
        groups.setdefault(str(group), set()).add(row["split"])
    assert all(len(splits) == 1 for splits in groups.values())
    assert {split for splits in groups.values() for split in splits} == {
        "train", "validation", "test"
    }  # fmt: skip
    sound(workspace)


# ------------------------------------------------------- an older schema, other fingerprints


def as_of_an_older_schema(workspace: Workspace, release: Path) -> None:
    """The release as it was published before imports were known."""
    for path in (release / "data").iterdir():
        table = pq.read_table(path).drop_columns(list(NEW))
        pq.write_table(table, path, row_group_size=4, write_page_checksum=True)
    schema = RELEASE_SCHEMA
    for name in NEW:
        schema = schema.remove(schema.get_field_index(name))
    reseal(workspace, release, schema_sha256=schema_digest(schema))
    manifest = json.loads((release / "manifest.json").read_bytes())
    for entry in manifest["files"]:
        if entry.get("shard"):
            del entry["shard"]["without_picture"]
    del manifest["counts"]["without_picture"]
    (release / "manifest.json").write_text(json.dumps(manifest))
    digest = hashlib.sha256((release / "manifest.json").read_bytes()).hexdigest()
    pointer = {"version": release.name, "manifest_sha256": digest}
    (workspace.releases / "LATEST.json").write_text(json.dumps(pointer))


def test_a_release_of_an_older_schema_grows_into_a_major_one_with_its_rows_unchanged(
    workspace: Workspace, tmp_path: Path
) -> None:
    publish_run(workspace, RunWriter(workspace).write(products("shop-a", 14)))
    workspace.runs()[-1].update(status="done")
    before = rows_of(workspace)
    as_of_an_older_schema(workspace, workspace.releases / "1.0.0")
    result = take_in(workspace, write_copy(tmp_path / "copy", titles(1, 2, 3)), LATER)
    assert result.version == "2.0.0"
    after = rows_of(workspace)
    assert {name: after[name] for name in before} == before
    assert all(row["provenance"] == "crawled" for row in before.values())
    assert len(after) == 17
    old = {path.name for path in (workspace.releases / "1.0.0" / "data").iterdir()}
    assert not old & {path.name for path in (workspace.releases / "2.0.0" / "data").iterdir()}
    sound(workspace)
    take_in(workspace, write_copy(tmp_path / "more", titles(9)), LATEST)
    assert read_manifest(workspace.latest_release() or Path()).version == "2.1.0"
    sound(workspace)


def test_columns_that_came_later_stand_in_their_place() -> None:
    table = RELEASE_SCHEMA.empty_table()
    assert as_released(table.drop_columns(list(NEW))).schema.names == RELEASE_SCHEMA.names
    assert as_released(table).equals(table)
    shuffled = table.drop_columns(["ocr", "provenance"])
    assert as_released(shuffled).cast(released_schema("x")).schema.names == RELEASE_SCHEMA.names


def test_other_fingerprints_over_titles_alone_change_pictured_rows_and_no_others(
    copied: Workspace, tmp_path: Path
) -> None:
    before = rows_of(copied)
    extra = {50: picture(products("other", 1)[0])}
    copy = write_copy(tmp_path / "more", titles(50), extra)
    result = take_in(copied, copy, LATEST + timedelta(days=1), mode="reduced")
    assert result.version == "2.0.0"
    after = rows_of(copied)
    assert set(after) == {*before, "mep3m:1/50"}
    for name, row in before.items():
        assert {**row, "phash": None} == {**after[name], "phash": None}
        assert (row["phash"] is None) == (after[name]["phash"] is None)
    assert read_manifest(copied.releases / "2.0.0").fingerprint == VERSIONS["reduced"]
    sound(copied)


# ---------------------------------------------------------------------- what verify finds


def shard_of(workspace: Workspace, record: str) -> tuple[Path, int]:
    release = workspace.latest_release()
    assert release is not None
    for path in (release / "data").iterdir():
        ids = pq.read_table(path, columns=["record_id"])["record_id"].to_pylist()
        if record in ids:
            return path, ids.index(record)
    raise AssertionError(f"{record} is in no shard")


def forged(workspace: Workspace, record: str, **changes: Any) -> str:
    """What verify says when that row states something else."""
    path, row = shard_of(workspace, record)
    edit(path, RELEASE_SCHEMA, lambda rows: rows[row].update(changes))
    release = workspace.latest_release()
    assert release is not None
    reseal_as(workspace, release)
    return problems(verify(release, workspace))


def reseal_as(workspace: Workspace, release: Path) -> None:
    reseal(workspace, release)
    digest = hashlib.sha256((release / "manifest.json").read_bytes()).hexdigest()
    pointer = {"version": release.name, "manifest_sha256": digest}
    (workspace.releases / "LATEST.json").write_text(json.dumps(pointer))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"product_url": "https://shop.example/1"}, "expected no value of ['product_url']"),
        ({"image_url": "https://shop.example/1"}, "expected no value of ['image_url']"),
        ({"fetched_at": START}, "expected no value of ['fetched_at']"),
        ({"capture_file": "x", "capture_offset": 7}, "expected no capture, since it was imported"),
        ({"provenance": "crawled"}, "expected a value of ["),
        ({"provenance": "found"}, "expected one of ('crawled', 'imported') as provenance"),
        ({"provenance": None}, "expected a value of ['provenance'"),
        ({"imported_path": None}, "expected a value of ['imported_path']"),
        ({"site": "shop-a"}, "expected one of site shop-a"),
        ({"record_id": "mep3m:1/777"}, "record mep3m:1/777: is not in the listings of its run"),
        ({"title_raw": None}, "expected a value of ['title_raw']"),
        ({"run_id": "20260131T080000Z"}, "is not in the listings of its run"),
    ],
)
def test_an_imported_row_that_claims_what_it_has_not_is_found(
    copied: Workspace, changes: dict[str, Any], words: str
) -> None:
    for record in ("mep3m:1/3", "mep3m:1/25"):
        assert words in forged(copied, record, **changes)


def test_a_picture_without_its_digest_and_the_reverse_are_found(copied: Workspace) -> None:
    stolen = {"bytes": b"x", "path": "x.jpg"}
    assert "expected a value of ['width'" in forged(copied, "mep3m:1/25", image=stolen)
    assert "expected a value of ['sha256']" in forged(copied, "mep3m:1/3", sha256=None)
    assert "got no picture" in forged(copied, "mep3m:1/4", image=None)
    empty = {"bytes": None, "path": "x.jpg"}
    assert "got no picture" in forged(copied, "mep3m:1/5", image=empty)
    assert "['phash']" in forged(copied, "mep3m:1/6", phash=None)


def test_a_record_that_the_annotations_of_its_run_lack_is_found(copied: Workspace) -> None:
    run = copied.runs()[-1]
    (name,) = run.annotations.names()
    table = run.annotations.read(name)
    run.annotations.write(name, table.slice(1), "forged")
    release = copied.latest_release()
    assert release is not None
    (failure,) = verify(release, copied)
    assert "record mep3m:1/20: is not in the listings of its run" in failure.problem
    rejected = table.to_pylist()
    rejected[0].update(fault="x_v1", reason="x")
    run.annotations.write(name, type(table).from_pylist(rejected, ANNOTATIONS.schema), "forged")
    (failure,) = verify(release, copied)
    assert "record mep3m:1/20: is not in the listings of its run" in failure.problem


def test_a_fingerprint_of_a_title_alone_or_none_of_a_picture_is_one_fault(
    copied: Workspace,
) -> None:
    release = copied.latest_release()
    assert release is not None
    path = release / "fingerprints" / "fingerprints.parquet"

    def invent(rows: list[dict[str, Any]]) -> None:
        place = next(n for n, row in enumerate(rows) if row["record_id"] == "mep3m:1/2")
        entry = lineage(copied)["mep3m:1/20"]
        told = {name: entry[name] for name in ("record_id", "leak_group", "split")}
        rows.insert(place + 1, {**rows[place], **told})
        del rows[2]

    edit(path, FINGERPRINTS.schema, invent)
    reseal_as(copied, release)
    found = problems(verify(release, copied))
    assert found.count("\n") <= 2
    assert "a row of record mep3m:1/2, got none" in found or "mep3m:1/20" in found


def test_a_newcomer_without_what_it_must_have_is_not_published(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from release import newcomers

    monkeypatch.setattr(newcomers, "_IMPORTED", {"imported_path": "ocr"})
    copy = write_copy(tmp_path / "copy", [annotation(1, OCR=None)])
    with pytest.raises(GateError, match="record mep3m:1/1: expected a value of `imported_path`"):
        take_in(workspace, copy, START)
    assert workspace.latest_release() is None


def test_what_was_taken_down_does_not_come_in_again(workspace: Workspace, tmp_path: Path) -> None:
    key = bytes(32)
    for number in (0, 3, 6):  # the first, one between, the last
        text = f"mep3m:1/{number}"
        entry = Tombstone("id", keyed_hash(key, "id", text), "2026-11-22")
        append_tombstones(workspace.folder, key, [entry])
    take_in(workspace, write_copy(tmp_path / "copy", titles(*range(7))), START)
    assert set(rows_of(workspace)) == {f"mep3m:1/{number}" for number in (1, 2, 4, 5)}
    account = ledger(workspace.runs()[-1])
    assert (account.sightings, account.fates["removed"]) == (7, 3)
    account.check()
    sound(workspace)
