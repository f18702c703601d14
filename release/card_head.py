"""The card's YAML head: what the Hugging Face hub and `datasets.load_dataset` read of a release.

Only names that this project gives stand in it; what shops say stays in the text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

import pyarrow as pa

from release.manifest import Manifest
from release.schema import COLUMNS, PICTURE

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))
_LARGER = ((10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))


def size_category(records: int) -> str:
    """The hub's name for a number of records."""
    return next((name for bound, name in (*_SIZES, *_LARGER) if records < bound), "n>100M")


def head(manifest: Manifest, languages: Sequence[str]) -> str:
    """The YAML between its two rules."""
    counts = manifest.counts
    pictured = counts.records > counts.without_picture
    lines = [f"pretty_name: {json.dumps(f'{manifest.name} {manifest.version}')}", "language:"]
    lines += [f"- {json.dumps(language)}" for language in languages]  # `no` is a truth value
    lines += ["license: other", "license_name: terms-of-each-shop", "size_categories:"]
    lines += [f"- {size_category(counts.records)}", "task_categories:"]
    lines += ["- image-classification"] if pictured else []
    lines += ["- text-classification", "tags:", "- e-commerce"]
    lines += ["- product-images"] if pictured else []
    lines += ["- product-titles", "- mep-3m", "- croissant", "configs:"]
    lines += ["- config_name: default", "  data_files:"]
    for split in counts.splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    return "\n".join(["---", *lines, *_info(manifest), "---"])


def _info(manifest: Manifest) -> Iterator[str]:
    """`dataset_info`: features, and bytes and examples of each split, as they lie on disk."""
    yield "dataset_info:"
    yield "  features:"
    for column in COLUMNS:
        yield f"  - name: {column.name}"
        yield f"    {_feature(column.type)}"
    yield "  splits:"
    sizes = dict.fromkeys(manifest.counts.splits, 0)
    for entry, facts in manifest.shards:
        sizes[facts.split] += entry.bytes
    for split, rows in manifest.counts.splits.items():
        yield f"  - name: {split}"
        yield f"    num_bytes: {sizes[split]}"
        yield f"    num_examples: {rows}"
    total = sum(sizes.values())
    yield f"  download_size: {total}"
    yield f"  dataset_size: {total}"


def _feature(type_: pa.DataType) -> str:
    """A column's type as `datasets` names it in YAML."""
    if type_ == PICTURE:
        return "dtype: image"
    if pa.types.is_list(type_):
        inner = type_.value_type
        return f"list: {{{_feature(inner)}}}" if pa.types.is_list(inner) else f"list: {inner}"
    return f"dtype: {type_}"
