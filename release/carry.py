"""Carrying: what a release takes over from its parent, by hard link wherever that works.

A shard is written again only when it loses a record, when its fingerprints get another version, or
when releases have columns that it lacks; decisions of earlier runs never change.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.manifest import FileEntry, Manifest
from release.schema import RELEASE_SCHEMA, schema_digest
from release.shards import RewriteWork, order_text, rewrite_shard, shard_name
from runtime.executor import WorkerPool
from runtime.parts import PartFolder
from runtime.storage import link_or_copy


@dataclass(frozen=True)
class Removals:
    """Records that leave: their sorted ids as an Arrow file and in memory, and their splits."""

    file: Path
    ids: pa.Array
    splits: tuple[str, ...]


@dataclass(frozen=True)
class _Search:
    """Whether a shard holds one of the ids."""

    shard: Path
    ids: tuple[str, ...]


def write_removals(file: Path, removed: dict[str, str]) -> Removals:
    """Write the removed ids (id -> split) for the workers."""
    ids = pa.array(sorted(removed), pa.string())
    table = pa.table({"record_id": ids})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return Removals(file, ids, tuple(removed[record] for record in sorted(removed)))


def carry_shards(
    pool: WorkerPool,
    parent: Path,
    manifest: Manifest,
    folder: Path,
    removals: Removals,
    *,
    version: str,
    first_numbers: dict[str, int],
    row_group_rows: int,
    fingerprint: str | None,
    reprints: PartFolder | None = None,
) -> list[FileEntry]:
    """Link the parent's shards into `folder`, and write those again that lose a record.

    With `reprints`, fingerprints of another version for every shard, all are written again, as they
    are where the parent has another schema. A rewritten shard is named for this version;
    `first_numbers` says by split where its numbers start. Raises PartError where a shard has no
    such fingerprints.
    """
    if reprints is None and manifest.schema_sha256 == schema_digest(RELEASE_SCHEMA):
        affected = _affected(pool, parent, manifest, removals)
    else:
        affected = {entry.path for entry, _ in manifest.shards}
    kept: list[FileEntry] = []
    works: list[RewriteWork] = []
    numbers = dict(first_numbers)
    for entry, facts in manifest.shards:
        if entry.path in affected:
            number = numbers.get(facts.split, 0)
            numbers[facts.split] = number + 1
            target = shard_name(facts.split, version, number)
            works.append(
                RewriteWork(
                    parent / entry.path, facts.split, removals.file, folder, target,
                    row_group_rows, fingerprint,
                    None if reprints is None else reprints.path(Path(entry.path).stem),
                )
            )  # fmt: skip
        else:
            link_or_copy(parent / entry.path, folder / entry.path)
            kept.append(entry)
    kept.extend(entry for entry in pool.map(rewrite_shard, works) if entry is not None)
    return kept


def carry_files(
    parent: Path, manifest: Manifest, folder: Path, below: str, *, skip: str
) -> list[FileEntry]:
    """Link the parent's files below a folder, unchanged, but not those whose path starts `skip`."""
    entries = [
        entry
        for entry in manifest.files
        if entry.path.startswith(f"{below}/") and not entry.path.startswith(skip)
    ]
    for entry in entries:
        link_or_copy(parent / entry.path, folder / entry.path)
    return entries


def _affected(pool: WorkerPool, parent: Path, manifest: Manifest, removals: Removals) -> set[str]:
    """Paths of the shards that hold a removed record."""
    by_split: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for record, split in zip(removals.ids.to_pylist(), removals.splits, strict=True):
        by_split[split].append((order_text(record), record))
    searches: list[tuple[str, _Search]] = []
    for entry, facts in manifest.shards:
        near = [
            record
            for order, record in by_split[facts.split]
            if facts.order_from <= order <= facts.order_to
        ]
        if near:
            searches.append((entry.path, _Search(parent / entry.path, tuple(near))))
    found = pool.map(_holds_any, [search for _, search in searches])
    return {path for (path, _), held in zip(searches, found, strict=True) if held}


def _holds_any(search: _Search) -> bool:
    ids = pq.read_table(search.shard, columns=["record_id"])["record_id"]
    return bool(pc.any(pc.is_in(ids, value_set=pa.array(search.ids))).as_py())
