"""Checks of single shards: schema, counts, every picture against its digest, every label.

Comes in: a manifest entry and its file. Goes out: the faults found, and the shard's records for
the checks across files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

import imagehash
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cleaning.hashes import VERSIONS, Mode
from cleaning.images.decoding import DecodedImage, decode
from provenance.failure import Failure
from provenance.records import RecordsBuilder
from release.manifest import FileEntry, ShardFacts
from release.schema import COLUMNS, RELEASE_SCHEMA, required_of
from release.shards import ShardSummary
from runtime.origins import IMPORTED, PROVENANCES
from runtime.parts import text_metadata
from runtime.tables import FINGERPRINT
from taxonomy.tree import Label, Tree

MAX_HASH_DIFFERENCE = 2  # bits: another platform's JPEG decoder may differ by one grey level
_LABEL = (
    "class_id", "class_name", "sub_class_id", "sub_class_name", "subsub_class_id",
    "subsub_class_name",
)  # fmt: skip
_OF_CRAWLS = tuple(column.name for column in COLUMNS if column.required == "crawled")


def check_shard(
    folder: Path,
    entry: FileEntry,
    facts: ShardFacts,
    tree: Tree,
    records: RecordsBuilder,
    fingerprint: str | None = None,
) -> Iterator[Failure]:
    """Faults inside one shard; its rows are added to `records` as far as they can be read.

    `fingerprint` is the version of the release's hashes; those made before there were versions
    are exact, and those of a version that is not known here are taken as they are.
    """
    modes: dict[str | None, Mode] = {name: mode for mode, name in VERSIONS.items()}
    mode = {None: "exact", **modes}.get(fingerprint)
    file = PurePosixPath(entry.path)
    if file.name.split("-", 1)[0] != facts.split:
        yield Failure(entry.path, None, f"expected a name that starts with {facts.split!r}")
    records.start_shard(entry.path)
    summary = ShardSummary()
    try:
        with pq.ParquetFile(folder / entry.path, page_checksum_verification=True) as parquet:
            wrong = list(_schema_faults(entry.path, parquet.schema_arrow, fingerprint))
            if wrong:
                yield from wrong
                return
            for group in range(parquet.num_row_groups):
                rows = parquet.read_row_group(group)
                yield from _row_faults(entry.path, rows, summary.rows, tree)
                if mode is not None:
                    yield from _hash_faults(entry.path, rows, summary.rows, mode)
                records.add(rows, facts.split, summary.rows)
                summary.add(rows)
    except (OSError, pa.ArrowException) as error:
        yield Failure(entry.path, summary.rows, f"cannot be read from this row on ({error})")
        return
    if summary.rows != entry.rows:
        yield Failure(entry.path, None, f"expected {entry.rows} rows, got {summary.rows}")
    actual = asdict(summary.seal(facts.split))
    for name, expected in asdict(facts).items():
        if actual[name] != expected:
            yield Failure(
                entry.path, None, f"manifest's `{name}`: expected {expected}, got {actual[name]}"
            )


def _hash_faults(path: str, rows: pa.Table, first: int, mode: Mode) -> Iterator[Failure]:
    """The stored hash of one picture in each row group, held against imagehash's own.

    In the reduced mode imagehash is given the picture as the mode decodes it.
    """
    row = rows.slice(0, 1).select(["record_id", "image", "phash"]).to_pylist()[0]
    decoded = decode(row["image"]["bytes"], mode=mode) if row["image"] else None
    if not isinstance(decoded, DecodedImage) or row["phash"] is None:
        return  # told as a wrong digest or a missing value already
    own = int(str(imagehash.phash(Image.fromarray(decoded.pixels))), 16)
    if (own ^ row["phash"]).bit_count() > MAX_HASH_DIFFERENCE:
        yield Failure(
            path, first, f"record {row['record_id']}: expected phash {own}, got {row['phash']}"
        )


def _schema_faults(path: str, schema: pa.Schema, fingerprint: str | None) -> Iterator[Failure]:
    told = text_metadata(schema).get(FINGERPRINT)
    if told != fingerprint:
        yield Failure(path, None, f"expected fingerprints {fingerprint}, got {told}")
    if schema.names != RELEASE_SCHEMA.names:
        yield Failure(path, None, f"expected columns {RELEASE_SCHEMA.names}, got {schema.names}")
        return
    for expected, actual in zip(RELEASE_SCHEMA, schema, strict=True):
        if expected.type != actual.type:
            yield Failure(
                path, None, f"column {expected.name}: expected {expected.type}, got {actual.type}"
            )


def _row_faults(path: str, rows: pa.Table, first: int, tree: Tree) -> Iterator[Failure]:
    text = rows.drop_columns("image").to_pylist()
    pictures = rows["image"]
    labels: dict[tuple[Any, ...], bool] = {}
    for number, (row, picture) in enumerate(zip(text, pictures, strict=True)):
        record, place = row["record_id"], first + number
        has_picture = row["sha256"] is not None or picture.is_valid
        needed = required_of(row["provenance"] or "", pictured=has_picture)
        missing = [name for name in needed if name != "image" and row[name] is None]
        if missing:
            yield Failure(path, place, f"record {record}: expected a value of {missing}, got none")
            continue
        if row["provenance"] not in PROVENANCES:
            problem = f"expected one of {PROVENANCES} as provenance, got {row['provenance']!r}"
            yield Failure(path, place, f"record {record}: {problem}")
        invented = [name for name in _OF_CRAWLS if row[name] is not None]
        if row["provenance"] == IMPORTED and invented:
            problem = f"it is imported: expected no value of {invented}, got some"
            yield Failure(path, place, f"record {record}: {problem}")
        if not record.startswith(f"{row['site']}:"):
            yield Failure(path, place, f"record {record}: expected one of site {row['site']}")
        data = picture["bytes"].as_buffer() if picture.is_valid else None
        actual = hashlib.sha256(data).hexdigest() if data is not None else None
        if actual != row["sha256"]:
            yield Failure(
                path,
                place,
                f"record {record}: expected image SHA-256 {row['sha256'] or 'of no picture'}, "
                f"got {actual or 'no picture'}",
            )
        first_seen, fetched_at = row["first_seen"], row["fetched_at"]
        if first_seen and fetched_at and first_seen > fetched_at:
            yield Failure(
                path, place,
                f"record {record}: expected first_seen up to its capture at {fetched_at}, "
                f"got {first_seen}",
            )  # fmt: skip
        label = tuple(row[name] for name in _LABEL)
        if label not in labels:
            labels[label] = tree.is_consistent(Label(*label))
        if not labels[label]:
            shown = " > ".join(str(row[name]) for name in _LABEL if row[name] is not None)
            yield Failure(path, place, f"record {record}: label not in the category tree: {shown}")
