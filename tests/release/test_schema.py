"""The release schema: the columns in their order, and feature types as `datasets` writes them."""

import json

import pytest

from release.schema import COLUMNS, RELEASE_SCHEMA, leaf_paths


def test_columns_stand_in_the_published_order() -> None:
    assert RELEASE_SCHEMA.names[:10] == [
        "record_id", "image", "title", "title_raw", "class_id", "class_name", "sub_class_id",
        "sub_class_name", "subsub_class_id", "subsub_class_name",
    ]  # fmt: skip
    assert RELEASE_SCHEMA.names[10:] == [
        "label_rule", "width", "height", "site", "product_id", "product_url", "image_url",
        "category_paths", "sha256", "phash", "fetched_at", "first_seen", "run_id",
        "capture_file", "capture_offset", "provenance", "imported_path", "imported_resolution",
        "ocr",
    ]  # fmt: skip


def test_every_column_is_described_with_an_example() -> None:
    assert all(column.description and column.example for column in COLUMNS)


def test_features_are_what_datasets_writes_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    features = datasets.Features.from_arrow_schema(RELEASE_SCHEMA)
    assert isinstance(features["image"], datasets.Image)
    assert not any(isinstance(f, datasets.ClassLabel) for f in features.values())
    written = json.loads(features.arrow_schema.metadata[b"huggingface"])
    assert json.loads(RELEASE_SCHEMA.metadata[b"huggingface"]) == written
    assert features.arrow_schema.types == RELEASE_SCHEMA.types


def test_leaf_paths_name_nested_columns() -> None:
    paths = leaf_paths(RELEASE_SCHEMA)
    assert "image.bytes" in paths and "category_paths.list.element.list.element" in paths
