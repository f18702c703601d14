"""Replacing a sealed part so that a kill leaves the old one with its seal, or the new one.

The new file and its new seal are written beside the old ones and then take their places, file
first; what a kill left standing is finished from the new seal. Parts that several runs share by
hard link stay one file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from runtime.parts import Seal
from runtime.storage import fsync_folder, link_or_copy, read_json, sha256_file, write_json

NEW = ".purged"


def sealed_parts(run: Path) -> Iterator[Path]:
    """The Parquet file of every sealed part below a run's folder, in order."""
    for path in sorted(run.rglob("*.parquet")):
        if not path.name.startswith(".") and path.with_suffix(".json").is_file():
            yield path


def unsealed_parts(run: Path) -> Iterator[Path]:
    """Parquet files that are no part: what a killed process was writing."""
    for path in sorted(run.rglob("*.parquet")):
        if not path.with_suffix(".json").is_file():
            yield path


def _staged(path: Path) -> Path:
    return path.with_name(f".{path.name}{NEW}")


def finish_replacements(run: Path) -> None:
    """Finish what a killed process was replacing."""
    for seal in sorted(run.rglob(f".*.json{NEW}")):
        _swap(seal.with_name(seal.name[1:].removesuffix(NEW)).with_suffix(".parquet"))
    for orphan in sorted(run.rglob(f".*.parquet{NEW}")):
        orphan.unlink()


def read_seal(path: Path) -> Seal:
    """The seal of a part, by its Parquet file."""
    return Seal(**read_json(path.with_suffix(".json")))


def replace_part(
    path: Path, schema: pa.Schema, groups: Iterable[pa.Table], siblings: Iterable[Path],
    counts: dict[str, int] | None = None,
) -> None:  # fmt: skip
    """Put a part of these row groups in the place of `path`; its run key stays.

    Where one of `siblings` (the same part in other runs) has the same bytes already, the two become
    one file. `counts` is added to the seal's.
    """
    staged, old = _staged(path), read_seal(path)
    rows = 0
    with pq.ParquetWriter(
        staged, schema, compression="zstd", write_page_checksum=True, store_schema=True
    ) as writer:
        for group in groups:
            writer.write_table(group.cast(schema), max(1, group.num_rows))
            rows += group.num_rows
    with staged.open("rb") as stream:
        os.fsync(stream.fileno())
    added = {name: old.counts.get(name, 0) + count for name, count in (counts or {}).items()}
    seal = replace(old, sha256=sha256_file(staged), rows=rows, counts={**old.counts, **added})
    for other in siblings:
        if other != path and other.is_file() and sha256_file(other) == seal.sha256:
            link_or_copy(other, staged)
            break
    write_json(_staged(path.with_suffix(".json")), asdict(seal))
    _swap(path)


def share_part(source: Path, path: Path) -> None:
    """Put the part at `source` and its seal in the place of `path`, as one file with it."""
    link_or_copy(source, _staged(path))
    write_json(_staged(path.with_suffix(".json")), read_json(source.with_suffix(".json")))
    _swap(path)


def _swap(path: Path) -> None:
    staged, seal = _staged(path), _staged(path.with_suffix(".json"))
    if staged.is_file():
        staged.replace(path)
    fsync_folder(path.parent)
    # Renaming a link over another link of the same file does nothing, so the name may still stand.
    staged.unlink(missing_ok=True)
    seal.replace(path.with_suffix(".json"))
    fsync_folder(path.parent)


def row_groups(path: Path) -> Iterator[pa.Table]:
    """The row groups of a part, one in memory at a time."""
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        for number in range(file.num_row_groups):
            yield file.read_row_group(number)
