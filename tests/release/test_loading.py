"""A release in other people's libraries: datasets, mlcroissant, the hub's card, DuckDB, Polars."""

from __future__ import annotations

import json
import logging
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars
import pyarrow.parquet as pq
import pytest
from huggingface_hub import DatasetCard
from PIL import Image

from release.changelog import CHANGELOG
from release.croissant import CROISSANT
from release.manifest import read_manifest
from release.publish import publish
from release.schema import COLUMN_NAMES
from runtime.stages import Context
from runtime.workspace import Workspace
from taxonomy.tree import load_tree
from tests.release.finished_run import START, RunWriter, config, products, publish_run, shared_pool
from tests.release.imported_run import take_in, titles, write_copy

HOSTILE = "a | b \"c\" 'd'\n---\n# e: {f} [g](h) <i> & \x07 \u2028 é 中文 `code` \\"


def make(folder: Path, count: int = 40, **site: str) -> Path:
    """A release of two sites; `site` replaces values of the first."""
    workspace = Workspace(folder / "workspace")
    workspace.prepare()
    run = RunWriter(workspace).write(products("shop-a", count) + products("shop-b", 12))
    settings = config(["shop-a", "shop-b"])
    first, *others = settings.site
    sites = [first.model_copy(update=site), *others]
    settings = settings.model_copy(update={"site": sites})
    context = Context(settings, folder, workspace, run, shared_pool(), quiet=True)
    result = publish(context)
    assert result.folder is not None
    return result.folder


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("loading"))


@pytest.fixture(scope="module")
def titles_alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("titles")
    workspace = Workspace(folder / "workspace")
    workspace.prepare()
    result = take_in(workspace, write_copy(folder / "copy", titles(*range(30))), START)
    assert result.folder is not None
    return result.folder


def stored(release: Path) -> dict[str, dict[str, Any]]:
    tables = (pq.read_table(path) for path in sorted((release / "data").iterdir()))
    return {row["record_id"]: row for table in tables for row in table.to_pylist()}


def load(release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    import datasets

    return datasets.load_dataset(str(release), cache_dir=str(tmp_path / "cache"))


def test_load_dataset_gives_three_splits_with_decoded_pictures_and_mep3m_ids(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(release, tmp_path, monkeypatch)
    manifest, tree = read_manifest(release), load_tree()
    assert {name: len(rows) for name, rows in found.items()} == dict(manifest.counts.splits)
    assert set(found) == {"train", "validation", "test"}
    names = {label.sub_class_id: label for label in map(tree.label, tree.leaves())}
    for rows in found.values():
        assert rows.column_names == list(COLUMN_NAMES)
        assert rows.features["class_id"].dtype == "int32"
        for row in rows:
            assert isinstance(row["image"], Image.Image)
            assert row["image"].size == (row["width"], row["height"])
            label = names[row["sub_class_id"]]
            assert (row["class_id"], row["class_name"]) == (label.class_id, label.class_name)


def test_the_card_says_what_datasets_finds(
    release: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = load(release, tmp_path, monkeypatch)
    said = DatasetCard.load(release / "README.md").data.to_dict()
    features = said["dataset_info"]["features"]
    assert features == found["train"].features._to_yaml_list()
    splits = {split["name"]: split for split in said["dataset_info"]["splits"]}
    assert {n: s["num_examples"] for n, s in splits.items()} == {
        n: len(r) for n, r in found.items()
    }
    for name, split in splits.items():
        sizes = [path.stat().st_size for path in (release / "data").glob(f"{name}-*")]
        assert split["num_bytes"] == sum(sizes)


@pytest.mark.parametrize("which", ["release", "titles_alone"])
def test_mlcroissant_validates_and_yields_the_records(
    which: str, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    import mlcroissant

    folder: Path = request.getfixturevalue(which)
    with caplog.at_level(logging.WARNING):
        dataset = mlcroissant.Dataset(jsonld=str(folder / CROISSANT))
    issues = dataset.metadata.ctx.issues
    assert (issues.errors, issues.warnings) == (set(), set())
    assert not caplog.records
    expected = stored(folder)
    splits: Counter[str] = Counter()
    for row in dataset.records("records"):
        values = {name.removeprefix("records/"): value for name, value in row.items()}
        record = expected.pop(values["record_id"].decode())
        splits[values["split"].decode()] += 1
        assert values["title"].decode() == record["title"]
        assert int(values["sub_class_id"]) == record["sub_class_id"]
        if record["image"] is not None:
            assert values["image"].size == (record["width"], record["height"])
    assert expected == {}
    assert dict(splits) == dict(read_manifest(folder).counts.splits)


def test_croissant_names_every_file_with_its_digest(release: Path) -> None:
    value = json.loads((release / CROISSANT).read_text())
    named = {f["@id"]: f["sha256"] for f in value["distribution"] if "sha256" in f}
    files = {entry.path: entry.sha256 for entry in read_manifest(release).files}
    assert named == {path: digest for path, digest in files.items() if path != CROISSANT}
    assert value["prov:wasGeneratedBy"][0]["prov:startedAtTime"].startswith("20")
    assert any(key.startswith("rai:") for key in value)


def test_duckdb_pandas_and_polars_read_it(release: Path) -> None:
    expected = stored(release)
    query = f"SELECT record_id, title, sub_class_id FROM '{release}/data/*.parquet'"
    found = {
        "duckdb": duckdb.sql(query).fetchall(),
        "pandas": list(
            pandas.read_parquet(release / "data")[["record_id", "title", "sub_class_id"]]
            .itertuples(index=False, name=None)
        ),
        "polars": polars.read_parquet(release / "data" / "*.parquet")
        .select("record_id", "title", "sub_class_id")
        .rows(),
    }  # fmt: skip
    wanted = sorted((key, row["title"], row["sub_class_id"]) for key, row in expected.items())
    for reader, rows in found.items():
        assert sorted(rows) == wanted, reader


def test_what_shops_say_breaks_neither_card_nor_croissant(tmp_path: Path) -> None:
    import mlcroissant

    release = make(tmp_path, 12, terms_url=HOSTILE, licence=HOSTILE)
    text = (release / "README.md").read_text()
    data = DatasetCard(text).data.to_dict()
    assert data["license"] == "other"
    assert text.split("\n").count("---") == 2  # the head's own
    mlcroissant.Dataset(jsonld=str(release / CROISSANT))


def test_the_changelog_tells_each_release_newest_first(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.prepare()
    publish_run(workspace, RunWriter(workspace).write(products("shop-a", 8)))
    workspace.runs()[-1].update(status="done")
    more = RunWriter(workspace, START + timedelta(days=1))
    publish_run(workspace, more.write(products("shop-a", 11)))
    text = (workspace.releases / "1.1.0" / CHANGELOG).read_text()
    assert text.index("## 1.1.0") < text.index("## 1.0.0")
    assert "11 records, 1.0.0 had 8" in text and "Added: 3 (shop-a +3)." in text
