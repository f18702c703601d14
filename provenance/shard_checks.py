"""Checks of single shards: schema, counts, every picture against its digest, every label.

Comes in: a manifest entry and its file. Goes out: the faults found, and the shard's records for
the checks across files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import imagehash
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cleaning.hashes import VERSIONS, Mode
from cleaning.images.decoding import DecodedImage, decode
from provenance.failure import Failure
from provenance.picture_prints import MAX_HASH_DIFFERENCE, Prints
from provenance.records import RecordsBuilder
from release.manifest import FileEntry, ShardFacts
from release.schema import (
    COLUMN_NAMES,
    COLUMNS,
    RELEASE_SCHEMA,
    as_released,
    required_of,
    schema_digest,
)
from release.shards import ShardSummary
from runtime.origins import IMPORTED, PROVENANCES
from runtime.parts import text_metadata
from runtime.tables import FINGERPRINT
from taxonomy.tree import Label, Tree

_LABEL = (
    "class_id", "class_name", "sub_class_id", "sub_class_name", "subsub_class_id",
    "subsub_class_name",
)  # fmt: skip
_OF_CRAWLS = tuple(column.name for column in COLUMNS if column.required == "crawled")


@dataclass(frozen=True)
class ShardWork:
    """One shard to check; what its pictures' fingerprints are goes to the file `prints`.

    `share` of the records (0 to 1) have their pictures decoded; `fingerprint` is the version of
    the release's hashes: those made before there were versions are exact, and those of a version
    that is not known here are taken as they are.
    """

    folder: Path
    entry: FileEntry
    facts: ShardFacts
    tree: Tree
    fingerprint: str | None
    schema_sha256: str
    share: float
    prints: Path


@dataclass(frozen=True)
class ShardFindings:
    """What was found in one shard, its records, and how many pictures were decoded."""

    faults: list[Failure]
    records: RecordsBuilder
    pictures: int


def check_shard(work: ShardWork) -> ShardFindings:
    """Faults inside one shard; its records are those that can be read."""
    records = RecordsBuilder()
    records.start_shard(work.entry.path)
    prints = Prints(modes().get(work.fingerprint), work.share)
    faults = list(_shard_faults(work, records, prints))
    prints.save(work.prints)
    return ShardFindings(faults, records, prints.decoded)


def modes() -> dict[str | None, Mode]:
    """How the pictures behind fingerprints of each version were decoded."""
    return {None: "exact", **{name: mode for mode, name in VERSIONS.items()}}


def _shard_faults(work: ShardWork, records: RecordsBuilder, prints: Prints) -> Iterator[Failure]:
    entry, facts, mode = work.entry, work.facts, prints.mode
    file = PurePosixPath(entry.path)
    if file.name.split("-", 1)[0] != facts.split:
        yield Failure(entry.path, None, f"expected a name that starts with {facts.split!r}")
    summary = ShardSummary()
    try:
        with pq.ParquetFile(work.folder / entry.path, page_checksum_verification=True) as parquet:
            wrong = list(_schema_faults(work, parquet.schema_arrow))
            if wrong:
                yield from wrong
                return
            for group in range(parquet.num_row_groups):
                rows = as_released(parquet.read_row_group(group)).select(COLUMN_NAMES)
                if rows["record_id"].null_count:
                    place = summary.rows + rows["record_id"].is_null().to_pylist().index(True)
                    yield Failure(entry.path, place, "expected a record_id, got none")
                    return
                digests = _digests(rows)
                yield from _row_faults(entry.path, rows, summary.rows, work.tree, digests)
                yield from prints.add(entry.path, rows, summary.rows, digests)
                if mode is not None:
                    yield from _hash_faults(entry.path, rows, summary.rows, mode)
                records.add(rows, facts.split, summary.rows)
                summary.add(rows)
    except (OSError, pa.ArrowException, ValueError, OverflowError) as error:
        line = str(error).partition("\n")[0]
        yield Failure(entry.path, summary.rows, f"cannot be read from this row on ({line})")
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


def _schema_faults(work: ShardWork, schema: pa.Schema) -> Iterator[Failure]:
    """The shard has the schema that its release recorded, of columns that are known.

    An earlier release has fewer columns; what it has is of the type that it is today.
    """
    path = work.entry.path
    told = text_metadata(schema).get(FINGERPRINT)
    if told != work.fingerprint:
        yield Failure(path, None, f"expected fingerprints {work.fingerprint}, got {told}")
    known = [name for name in RELEASE_SCHEMA.names if name in schema.names]
    if schema.names != known:
        yield Failure(path, None, f"expected columns {RELEASE_SCHEMA.names}, got {schema.names}")
        return
    for actual in schema:
        expected = RELEASE_SCHEMA.field(actual.name)
        if expected.type != actual.type:
            yield Failure(
                path, None, f"column {expected.name}: expected {expected.type}, got {actual.type}"
            )
    # By the fields as they are written: files name the elements of lists otherwise.
    digest = schema_digest(pa.schema([RELEASE_SCHEMA.field(name) for name in known]))
    if digest != work.schema_sha256:
        yield Failure(path, None, f"expected schema {work.schema_sha256}, got {digest}")


def _digests(rows: pa.Table) -> list[str | None]:
    """SHA-256 of each row's picture, None where it has none."""
    pictures = (one["bytes"].as_buffer() or b"" if one.is_valid else None for one in rows["image"])
    return [None if data is None else hashlib.sha256(data).hexdigest() for data in pictures]


def _row_faults(
    path: str, rows: pa.Table, first: int, tree: Tree, digests: list[str | None]
) -> Iterator[Failure]:
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
        actual = digests[number]
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
