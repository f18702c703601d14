"""What a release shows of its records, side by side with what a run saw of them now.

Published rows stay as they are; where a title or a picture differs from what was published, the
run says so in a decision that carries both. Comes in: the current release's shards, once a
publish, as a scratch table by record_id, and a part's cleaned rows. Goes out: `Change`s.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from release.manifest import Manifest
from runtime.errors import WorkspaceError

Row = dict[str, Any]
COLUMNS = ("title", "title_raw", "image_url", "sha256", "label")
LEVELS = ("class_name", "sub_class_name", "subsub_class_name")
_READ = ("record_id", "title", "title_raw", "image_url", "sha256", *LEVELS)
# rule, column of the release, what it is; the first one of `title` and `title_raw` that differs
# is told, since a normalised title changes with the raw one.
RULES = (
    ("title_changed_v1", "title", "title"),
    ("raw_title_changed_v1", "title_raw", "raw title"),
    ("image_url_changed_v1", "image_url", "image URL"),
    ("image_changed_v1", "sha256", "picture"),
    ("label_changed_v1", "label", "label"),
)
_INSERT = "INSERT OR REPLACE INTO published VALUES (?, ?, ?, ?, ?, ?)"


@dataclass(frozen=True)
class Change:
    """One thing that a run saw otherwise than it was published."""

    rule: str
    what: str
    published: str
    now: str


def write_published(path: Path, release: Path, manifest: Manifest, sites: set[str]) -> None:
    """The sites' published titles, labels and digests by record_id; no picture is read.

    Raises WorkspaceError when a shard cannot be read.
    """
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = OFF")
        db.execute("PRAGMA synchronous = OFF")
        db.execute(
            "CREATE TABLE published(record_id TEXT PRIMARY KEY, title TEXT, title_raw TEXT,"
            " image_url TEXT, sha256 TEXT, label TEXT) WITHOUT ROWID"
        )
        db.execute("BEGIN")
        for entry, facts in manifest.shards:
            if not sites.isdisjoint(facts.sites):
                for batch in _stream(release / entry.path):
                    columns = (batch[name].to_pylist() for name in _READ)
                    rows = zip(*columns, strict=True)
                    labelled = (
                        (*row[: -len(LEVELS)], label_text(row[-len(LEVELS) :])) for row in rows
                    )
                    db.executemany(_INSERT, labelled)
        db.execute("COMMIT")


def _stream(shard: Path) -> Iterator[pa.RecordBatch]:
    try:
        with pq.ParquetFile(shard) as file:
            yield from file.iter_batches(4096, columns=list(_READ))
    except (OSError, pa.ArrowException) as error:
        raise WorkspaceError(
            f"{shard}: expected a readable shard, got {error}; run `mep3m verify`"
        ) from error


def label_text(names: Sequence[str | None]) -> str:
    """A label as its names, class first; those of levels that it lacks are None."""
    return " > ".join(name for name in names if name is not None)


def read_published(path: Path, low: str, high: str) -> dict[str, Row]:
    """Published values by record id, of the ids in [low, high]."""
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
        rows = db.execute(
            f"SELECT record_id, {', '.join(COLUMNS)} FROM published"
            " WHERE record_id BETWEEN ? AND ?",
            (low, high),
        )
        return {record: dict(zip(COLUMNS, values, strict=True)) for record, *values in rows}


def changes(published: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """What differs; a value that either side lacks tells nothing (the picture was not fetched)."""
    found: list[Change] = []
    for rule, column, what in RULES:
        before, after = published.get(column), now.get(column)
        if before is None or after is None or before == after:
            continue
        if column == "title_raw" and any(change.rule == RULES[0][0] for change in found):
            continue
        found.append(Change(rule, what, before, after))
    return found
