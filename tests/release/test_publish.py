"""Publishing a finished run: what lands in the release, growth, determinism, kills, gates."""

import hashlib
import io
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from cleaning.hashes import VERSIONS
from provenance.audit import audit
from provenance.story_text import story_text
from provenance.verify import verify
from release.manifest import read_manifest
from release.schema import COLUMN_NAMES
from runtime.errors import GateError
from runtime.storage import read_json
from runtime.tables import DECISIONS, FINGERPRINT, IMAGES
from runtime.workspace import Run, Workspace
from tests.release.finished_run import (
    START,
    Product,
    RunWriter,
    changed,
    picture,
    products,
    publish_run,
)

ROOT = Path(__file__).parents[2]


def shop_products() -> list[Product]:
    """Two sites, every fate, and pictures large enough for several shards."""
    items = products("shop-a", 14) + products("shop-b", 7)
    items = changed(items, "shop-a:000003", fate="rejected")
    items = changed(items, "shop-a:000004", fate="held")
    items = changed(items, "shop-b:000004", fate="duplicate", peer="shop-a:000001")
    for number in range(5, 10):
        items = changed(items, f"shop-a:{number:06d}", side=460, format="PNG")
    return items


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.prepare()
    return made


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A published workspace; tests that change it copy it first."""
    made = Workspace(tmp_path_factory.mktemp("published") / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(shop_products()))
    return made


@pytest.fixture
def copied(published: Workspace, tmp_path: Path) -> Workspace:
    shutil.copytree(published.folder, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


def rows(release: Path) -> pd.DataFrame:
    """All records of a release, without pictures."""
    columns = [name for name in COLUMN_NAMES if name != "image"]
    shards = [pd.read_parquet(p, columns=columns) for p in sorted((release / "data").iterdir())]
    return pd.concat(shards).sort_values("record_id", ignore_index=True)


def fates(run: Run) -> dict[str, str]:
    """Publish verdict and rule by record id."""
    folder = run.decisions("publish")
    decided = [row for name in folder.names() for row in folder.read(name).to_pylist()]
    return {
        row["record_id"]: f"{row['verdict']} {row['rule']}"
        for row in decided
        if row["verdict"] != "flagged"
    }


def test_what_survived_is_published_with_its_origin_bytes(published: Workspace) -> None:
    release = published.latest_release()
    assert release is not None and release.name == "1.0.0"
    expected = {item.record_id: item for item in shop_products() if item.fate == "kept"}
    found = {}
    for shard in (release / "data").iterdir():
        for row in pq.read_table(shard).to_pylist():
            found[row["record_id"]] = row
    assert found.keys() == expected.keys()
    for record_id, row in found.items():
        item = expected[record_id]
        data = row["image"]["bytes"]
        assert data == picture(item)
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        ending = "png" if item.format == "PNG" else "jpg"
        assert row["image"]["path"] == f"{row['sha256']}.{ending}"
        assert Image.open(io.BytesIO(data)).size == (row["width"], row["height"])
        assert (row["title"], row["title_raw"]) == (item.title, f"【包邮】{item.title}")
        assert (row["class_id"], row["sub_class_id"], row["subsub_class_id"]) == (10, 298, None)
        assert row["category_paths"] == [["珠宝", "饰品"], ["珍珠"]]
        assert row["first_seen"] == row["fetched_at"] == START
    assert verify(release, published, quiet=True) == []


def test_several_shards_hold_only_their_split_and_stay_near_the_size(published: Workspace) -> None:
    manifest = read_manifest(published.releases / "1.0.0")
    assert len(manifest.shards) > len(manifest.counts.splits)
    for _, facts in manifest.shards:
        assert facts.image_bytes < 2**20 + 700_000  # one picture more than a shard's size


def test_text_is_compressed_pictures_are_not_and_pages_carry_an_index(published: Workspace) -> None:
    shard = sorted((published.releases / "1.0.0" / "data").iterdir())[0]
    group = pq.ParquetFile(shard).metadata.row_group(0)
    for column in (group.column(i) for i in range(group.num_columns)):
        is_picture = column.path_in_schema == "image.bytes"
        assert column.compression == ("UNCOMPRESSED" if is_picture else "ZSTD")
        assert column.has_offset_index
        assert not (is_picture and column.is_stats_set)


def test_datasets_yields_decoded_pictures(
    published: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    import datasets

    release = published.releases / "1.0.0"
    cache = str(tmp_path / "cache")
    by_card = datasets.load_dataset(str(release), cache_dir=cache)
    assert {name: len(rows) for name, rows in by_card.items()} == dict(
        read_manifest(release).counts.splits
    )
    files = [str(path) for path in sorted((release / "data").glob("train-*.parquet"))]
    train = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=cache)
    assert train.column_names == list(COLUMN_NAMES)
    record = train[0]
    assert isinstance(record["image"], Image.Image)
    assert record["image"].size == (record["width"], record["height"])
    assert record["title"].startswith("淡水珍珠项链") and record["sub_class_id"] == 298


def test_duckdb_and_pandas_read_the_same_shards(published: Workspace) -> None:
    release = published.releases / "1.0.0"
    query = f"SELECT record_id, sha256, sha256(image.bytes) FROM '{release}/data/*.parquet'"
    by_duckdb = sorted(duckdb.sql(query).fetchall())
    assert all(written == computed for _, written, computed in by_duckdb)
    by_pandas = rows(release)
    assert [record for record, _, _ in by_duckdb] == by_pandas["record_id"].tolist()
    assert str(by_pandas["phash"].dtype) == "uint64"


@pytest.mark.soak  # tests/integration/test_engines.py shows it by whole commands
def test_other_processes_and_workers_give_the_same_bytes(tmp_path: Path) -> None:
    first = Workspace(tmp_path / "first")
    first.prepare()
    RunWriter(first).write(shop_products())
    second = tmp_path / "second"
    shutil.copytree(first.folder, second)
    for folder, workers in ((first.folder, "1"), (second, "2")):
        command = [sys.executable, "-m", "tests.release.finished_run", str(folder), workers]
        subprocess.run(command, cwd=ROOT, check=True)
    one, other = (files(folder / "releases") for folder in (first.folder, second))
    assert one == other and any("manifest.json" in name for name in one)


def files(folder: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def grown_products() -> list[Product]:
    """A later crawl: one record opts out, one is gone, the rest is seen again, six are new."""
    seen = [item for item in shop_products() if item.record_id != "shop-a:000012"]
    # Dedupe finds published records again as copies; publish has the last word.
    seen = [
        Product(item.record_id, item.title, fate="duplicate", peer=item.record_id)
        if item.fate == "kept"
        else item
        for item in seen
    ]
    seen = changed(seen, "shop-b:000002", fate="rejected", opt_out="noai")
    return seen + products("shop-a", 4, first=100) + products("shop-c", 2)


def grow(workspace: Workspace, items: list[Product], hours: int) -> Run:
    return RunWriter(workspace, START + timedelta(hours=hours)).write(items)


def test_a_release_grows_shrinks_and_keeps_what_did_not_change(copied: Workspace) -> None:
    first = copied.releases / "1.0.0"
    before = rows(first)
    run = grow(copied, grown_products(), hours=1)
    result = publish_run(copied, run)
    assert result.version == "1.1.0" and result.counts["removed"] == 1
    second = copied.releases / "1.1.0"
    after = rows(second)
    gone = {"shop-b:000002"}
    new = {f"shop-a:{n:06d}" for n in range(100, 104)} | {"shop-c:000000", "shop-c:000001"}
    assert set(after["record_id"]) == set(before["record_id"]) - gone | new
    carried = after[~after["record_id"].isin(new)].reset_index(drop=True)
    kept = before[~before["record_id"].isin(gone)].reset_index(drop=True)
    pd.testing.assert_frame_equal(carried, kept)

    old, manifest = read_manifest(first), read_manifest(second)
    rewritten = {e.path for e, _ in old.shards} - {e.path for e, _ in manifest.shards}
    assert len(rewritten) == 1
    for entry, _ in old.shards:
        if entry.path not in rewritten:
            assert (first / entry.path).samefile(second / entry.path)
    assert manifest.parent is not None and manifest.parent.version == "1.0.0"
    assert (manifest.counts.added, manifest.counts.removed) == (6, 1)
    assert list(manifest.runs) == sorted(manifest.runs) and len(manifest.runs) == 2

    decided = fates(run)
    assert decided["shop-b:000002"] == "removed opted_out_v1"
    assert decided["shop-a:000001"] == "published already_published_v1"
    assert decided["shop-c:000001"] == "published published_v1"
    assert "shop-a:000003" not in decided
    lineage = pq.read_table(second / "lineage" / "lineage.parquet").to_pylist()
    assert [row["record_id"] for row in lineage] == sorted(after["record_id"])
    assert {r["first_release"] for r in lineage if r["record_id"] in new} == {"1.1.0"}
    assert verify(second, copied, quiet=True) == [] and verify(first, copied, quiet=True) == []


def test_removals_alone_are_a_patch_and_nothing_new_is_no_release(copied: Workspace) -> None:
    seen = [item for item in shop_products() if item.fate == "kept"]
    again = [Product(item.record_id, item.title, fate="duplicate") for item in seen]
    nothing = grow(copied, again, hours=1)
    result = publish_run(copied, nothing)
    assert (result.version, result.folder) == (None, None)
    assert set(fates(nothing).values()) == {"published already_published_v1"}
    assert result.fates is not None and result.fates["published"] == len(again)
    assert [path.name for path in copied.releases.iterdir() if path.is_dir()] == ["1.0.0"]

    opted = changed(again, "shop-a:000005", opt_out="noai")
    result = publish_run(copied, grow(copied, opted, hours=2))
    assert result.version == "1.0.1"
    release = copied.releases / "1.0.1"
    assert "shop-a:000005" not in set(rows(release)["record_id"])
    assert verify(release, copied, quiet=True) == []


def test_what_differs_from_a_published_row_is_recorded_and_the_row_stays(
    copied: Workspace,
) -> None:
    items = {item.record_id: item for item in shop_products() if item.fate == "kept"}
    again = [
        replace(items["shop-a:000001"], fate="duplicate"),
        replace(items["shop-a:000002"], title="淡水珍珠手链", fate="duplicate"),
        replace(items["shop-b:000001"], seed=99, fate="rejected"),
        *products("shop-a", 1, first=200),
    ]
    before = rows(copied.releases / "1.0.0")
    run = grow(copied, again, hours=1)
    result = publish_run(copied, run)
    assert (result.counts["title_changed"], result.counts["image_changed"]) == (1, 1)
    flagged = [
        (row["record_id"], row["rule"], row["reason"], row["value"], row["run_id"])
        for name in run.decisions("publish").names()
        for row in run.decisions("publish").read(name).to_pylist()
        if row["verdict"] == "flagged"
    ]
    old, new = (
        hashlib.sha256(picture(replace(items["shop-b:000001"], seed=seed))).hexdigest()
        for seed in (items["shop-b:000001"].seed, 99)
    )
    assert flagged == [
        ("shop-a:000002", "title_changed_v1",
         "its title was published as 淡水珍珠项链 2 毫米", "淡水珍珠手链", run.run_id),
        ("shop-b:000001", "image_changed_v1",
         f"its picture was published as {old}", new, run.run_id),
    ]  # fmt: skip
    second = copied.releases / "1.1.0"
    after = rows(second)
    pd.testing.assert_frame_equal(
        after[after["record_id"].isin(items)].reset_index(drop=True), before
    )
    # The sightings still add up, and a record that was only flagged is still published.
    assert (
        result.fates == {"published": 4, "merged": 1} and verify(second, copied, quiet=True) == []
    )
    told = story_text(audit(copied, "shop-a:000002"))
    assert "flagged by title_changed_v1 (its title was published as 淡水珍珠项链 2 毫米)" in told


def test_a_refused_picture_of_a_published_record_removes_it(copied: Workspace) -> None:
    item = next(i for i in shop_products() if i.record_id == "shop-a:000001")
    run = grow(copied, [Product(item.record_id, item.title, fate="rejected")], hours=1)
    folder = run.decisions("clean")
    table = folder.read("shop-a-00000").to_pylist()
    image_opt_out = {**table[0], "rule": "opted_out_v1", "value": "X-Robots-Tag of the image"}
    folder.write("shop-a-00000", pa.Table.from_pylist([image_opt_out], DECISIONS.schema), "fixture")
    assert publish_run(copied, run).version == "1.0.1"
    assert fates(run) == {"shop-a:000001": "removed opted_out_v1"}


def test_every_record_may_leave(copied: Workspace) -> None:
    kept = [item for item in shop_products() if item.fate == "kept"]
    gone = [Product(i.record_id, i.title, fate="rejected", opt_out="noai") for i in kept]
    release = publish_run(copied, grow(copied, gone, hours=1)).folder
    assert release is not None and read_manifest(release).counts.records == 0
    assert list((release / "data").iterdir()) == []
    assert verify(release, copied, quiet=True) == []


def test_what_a_killed_publish_left_is_made_again(published: Workspace, copied: Workspace) -> None:
    shutil.rmtree(copied.releases / "1.0.0")
    (copied.releases / "LATEST.json").unlink()
    half = copied.releases / ".1.0.0.partial" / "data"
    half.mkdir(parents=True)
    (half / "train-1.0.0-00000.parquet").write_bytes(b"PAR1 half")
    (copied.runs()[0].folder / "publish").mkdir()
    assert publish_run(copied, copied.runs()[0]).version == "1.0.0"
    assert files(copied.releases) == files(published.releases)
    assert not (copied.runs()[0].folder / "publish").exists()


def test_a_release_that_was_never_pointed_at_is_finished(copied: Workspace) -> None:
    (copied.releases / "LATEST.json").unlink()
    shard = sorted((copied.releases / "1.0.0" / "data").iterdir())[0]
    inode = shard.stat().st_ino
    assert publish_run(copied, copied.runs()[0]).version == "1.0.0"
    assert shard.stat().st_ino == inode
    assert read_json(copied.releases / "LATEST.json")["version"] == "1.0.0"


def test_publishing_a_run_twice_changes_nothing(copied: Workspace) -> None:
    before = files(copied.releases)
    run = copied.runs()[0]
    assert publish_run(copied, run).version == "1.0.0"
    assert files(copied.releases) == before


def test_a_release_from_other_inputs_is_never_overwritten(copied: Workspace) -> None:
    (copied.releases / "LATEST.json").unlink()
    before = files(copied.releases / "1.0.0")
    assert publish_run(copied, copied.runs()[0], test_share=0.4).version == "1.1.0"
    assert files(copied.releases / "1.0.0") == before


def test_a_published_leak_group_keeps_its_split_under_other_shares(copied: Workspace) -> None:
    lineage = pq.read_table(copied.releases / "1.0.0" / "lineage/lineage.parquet").to_pylist()
    newcomers = [
        Product(f"shop-e:{n:06d}", f"项链 {n}", seed=n, group=row["leak_group"])
        for n, row in enumerate(lineage)
    ]
    shares = {"validation_share": 0.4, "test_share": 0.4}
    release = publish_run(copied, grow(copied, newcomers, hours=1), **shares).folder
    assert release is not None
    split_of = {
        row["record_id"]: row["split"]
        for row in pq.read_table(release / "lineage/lineage.parquet").to_pylist()
    }
    assert [split_of[item.record_id] for item in newcomers] == [row["split"] for row in lineage]
    assert verify(release, copied, quiet=True) == []


def test_a_sighting_without_a_fate_stops_the_release(workspace: Workspace) -> None:
    run = RunWriter(workspace).write(products("shop-a", 4))
    folder = run.decisions("merge")
    folder.write("shop-a-00000", DECISIONS.schema.empty_table(), "fixture")
    with pytest.raises(GateError, match=r"accounting: expected a fate for each of 5 sightings"):
        publish_run(workspace, run)
    assert list(workspace.releases.iterdir()) == []


def test_a_record_that_no_stage_judged_is_named(workspace: Workspace) -> None:
    run = RunWriter(workspace).write(changed(products("shop-a", 4), "shop-a:000002", fate="held"))
    run.decisions("map").write("shop-a-00000", DECISIONS.schema.empty_table(), "fixture")
    with pytest.raises(GateError, match="1 records without one such as shop-a:000002"):
        publish_run(workspace, run)


def test_a_release_names_the_version_of_its_fingerprints(published: Workspace) -> None:
    release = published.releases / "1.0.0"
    version = read_manifest(release).fingerprint
    assert version == VERSIONS["exact"]
    assert f"of version `{version}`" in (release / "README.md").read_text()
    shards = sorted((release / "data").iterdir())
    for path in (*shards, release / "fingerprints" / "fingerprints.parquet"):
        assert pq.read_schema(path).metadata[b"fingerprint"].decode() == version
    for path in shards:
        assert pq.read_schema(path).field("phash").metadata[b"fingerprint"].decode() == version


def test_fingerprints_of_two_versions_are_not_published_together(copied: Workspace) -> None:
    run = grow(copied, products("shop-f", 2), hours=1)
    (name,) = run.cleaned.names()
    told = {FINGERPRINT: VERSIONS["reduced"]}
    run.cleaned.write(
        name, run.cleaned.read(name).replace_schema_metadata(None), "x", metadata=told
    )
    before = files(copied.releases)
    with pytest.raises(GateError, match=r"expected fingerprints .*-exact_.*, got .*-reduced_"):
        publish_run(copied, run)
    assert files(copied.releases) == before


def test_a_picture_that_is_not_the_cleaned_one_stops_the_release(copied: Workspace) -> None:
    run = grow(copied, products("shop-f", 2), hours=1)
    name = run.images.names()[0]
    attempts = run.images.read(name).to_pylist()
    attempts[-1]["image"] += b"!"
    run.images.write(name, pa.Table.from_pylist(attempts, IMAGES.schema), "recorded")
    before = files(copied.releases)
    with pytest.raises(GateError, match="expected a picture with SHA-256"):
        publish_run(copied, run)
    after = {n: d for n, d in files(copied.releases).items() if not n.startswith(".")}
    assert after == before
