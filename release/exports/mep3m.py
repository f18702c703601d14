"""Write a release in the layout of MEP-3M: `annotations.json` and `Images/<sub-class>/<n>.<ext>`.

In comes a release's folder; out goes a new folder, whole or not at all. Pictures are the origin
bytes. `records.csv` beside them leads each row back to its record, page and digest, for which
MEP-3M's layout has no place. Shards are read a row group at a time, twice: numbers that are taken
have to be known before others are given.
"""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from release.exports.rows import FileNumbers, annotation, picture_path
from release.manifest import Manifest, read_manifest
from release.schema import as_released
from runtime.console import Outcome
from runtime.errors import ConfigError, WorkspaceError
from runtime.exits import Exit
from runtime.progress import progress
from runtime.stages import utc_text
from runtime.storage import fsync_folder, os_errors_explained

ANNOTATIONS, RECORDS = "annotations.json", "records.csv"
_TOLD = (
    "img_path", "record_id", "provenance", "label_rule", "product_url", "image_url", "fetched_at",
    "sha256",
)  # fmt: skip
_NUMBERED_BY = ("record_id", "provenance", "sub_class_id")
_READ = (
    "record_id", "image", "title_raw", "class_id", "class_name", "sub_class_id", "sub_class_name",
    "subsub_class_id", "subsub_class_name", "label_rule", "width", "height", "product_url",
    "image_url", "fetched_at", "sha256", "provenance", "imported_path", "imported_resolution",
    "ocr",
)  # fmt: skip


def export(release: Path, target: Path, *, quiet: bool) -> Outcome:
    """Write the release to `target`, which must be new or empty.

    Raises ConfigError when it is not, WorkspaceError when a shard cannot be read.
    """
    manifest = read_manifest(release)
    target = target.absolute()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise ConfigError(
            f"{target}: expected a new or an empty folder, found something there; name another "
            "one, or remove it"
        )
    partial = target.with_name(f".{target.name}.partial")
    with os_errors_explained(target):
        if partial.exists():  # a killed export left it
            shutil.rmtree(partial)
        partial.mkdir(parents=True)
        pictures = _write(release, manifest, partial, quiet=quiet)
        fsync_folder(partial)
        partial.replace(target)
        fsync_folder(target.parent)
    records = manifest.counts.records
    values = {
        "release": manifest.version, "folder": str(target), "records": records,
        "pictures": pictures,
    }  # fmt: skip
    text = f"{target}: {records} records and {pictures} pictures of release {manifest.version}"
    return Outcome(Exit.DONE, text, values)


def _write(release: Path, manifest: Manifest, folder: Path, *, quiet: bool) -> int:
    """Write everything; returns how many pictures there are."""
    numbers = FileNumbers()
    for row in _rows(release, manifest, _NUMBERED_BY):
        numbers.take(row)
    pictures, made = 0, set()
    with ExitStack() as files, progress("export", manifest.counts.records, quiet=quiet) as tick:
        annotations = files.enter_context((folder / ANNOTATIONS).open("w", encoding="utf-8"))
        records = files.enter_context((folder / RECORDS).open("w", encoding="utf-8", newline=""))
        told = csv.writer(records, lineterminator="\n")
        told.writerow(_TOLD)
        annotations.write("[\n")
        for done, row in enumerate(_rows(release, manifest, _READ)):
            path = picture_path(row, numbers.stem(row))
            text = json.dumps(annotation(row, path), ensure_ascii=False, indent=0)
            annotations.write(f",\n{text}" if done else text)
            fetched = row["fetched_at"]
            known = {**row, "img_path": path, "fetched_at": fetched and utc_text(fetched)}
            told.writerow([known[name] for name in _TOLD])
            if row["image"]:
                place = folder / path
                if place.parent not in made:
                    place.parent.mkdir(parents=True)
                    made.add(place.parent)
                place.write_bytes(row["image"]["bytes"])
                pictures += 1
            tick(done + 1)
        annotations.write("\n]")
    return pictures


def _rows(release: Path, manifest: Manifest, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Every record in the order of the shards. Raises WorkspaceError."""
    for entry, _ in manifest.shards:
        path = release / entry.path
        try:
            with pq.ParquetFile(path, page_checksum_verification=True) as file:
                had = [name for name in columns if name in file.schema_arrow.names]
                for group in range(file.num_row_groups):
                    rows = as_released(file.read_row_group(group, columns=had))
                    yield from rows.select(list(columns)).to_pylist()
        except (OSError, pa.ArrowException) as error:
            raise WorkspaceError(
                f"{path}: expected a readable shard, got {error}; run `mep3m verify`"
            ) from error
