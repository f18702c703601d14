"""Carrying: what a release takes over from its parent, by hard link wherever that works.

A shard is written again only when it is topped up or loses a record, when its fingerprints get
another version, or when releases have columns that it lacks; decisions of earlier runs never
change.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.carried_rows import Adopted, CarriedShard
from release.manifest import FileEntry, Manifest, ShardFacts
from release.schema import RELEASE_SCHEMA, schema_digest
from release.shards import ROW_BYTES, order_text
from release.splits import SPLIT_CODE
from runtime.executor import WorkerPool
from runtime.parts import PartFolder


@dataclass(frozen=True)
class Named:
    """Published records that leave, or change: their sorted ids as an Arrow file and in memory, and
    their splits."""

    file: Path
    ids: pa.Array
    splits: tuple[str, ...]


@dataclass(frozen=True)
class Carried:
    """A shard of the parent; `is_changed` tells whether it has to be written again."""

    entry: FileEntry
    facts: ShardFacts
    rows: CarriedShard
    is_changed: bool

    @property
    def size(self) -> int:
        """Its pictures' bytes and what its rows count for beside them."""
        return self.facts.image_bytes + ROW_BYTES * (self.entry.rows or 0)


@dataclass(frozen=True)
class _Search:
    """Whether a shard holds one of the ids in an Arrow file."""

    shard: Path
    named: Path


def write_named(file: Path, splits: Mapping[str, str]) -> Named:
    """Write the ids (id -> split) for the workers."""
    ids = pa.array(sorted(splits), pa.string())
    table = pa.table({"record_id": ids})
    with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return Named(file, ids, tuple(splits[record] for record in sorted(splits)))


def carried_shards(
    pool: WorkerPool,
    parent: Path,
    manifest: Manifest,
    removals: Named,
    *,
    reprints: PartFolder | None = None,
    adopted: Named | None = None,
    adopted_spills: tuple[Path, ...] = (),
) -> list[Carried]:
    """The parent's shards in their order, each with how it goes on.

    With `reprints`, fingerprints of another version for every shard, all are written again, as they
    are where the parent has another schema. The rows of `adopted` records stand in the spills.
    """
    if reprints is None and manifest.schema_sha256 == schema_digest(RELEASE_SCHEMA):
        affected = _affected(pool, parent, manifest, removals)
        affected |= _affected(pool, parent, manifest, adopted) if adopted else set()
    else:
        affected = {entry.path for entry, _ in manifest.shards}
    return [
        Carried(
            entry,
            facts,
            CarriedShard(
                parent / entry.path,
                removals.file,
                facts.without_picture < (entry.rows or 0),
                None if reprints is None else reprints.path(Path(entry.path).stem),
                Adopted(adopted_spills, SPLIT_CODE[facts.split]) if adopted_spills else None,
            ),
            entry.path in affected,
        )
        for entry, facts in manifest.shards
    ]


def short_shards(carried: Iterable[Carried], shard_bytes: int) -> dict[str, Carried]:
    """By split the shard to top up: the smallest one, where a tenth of a shard or more is free.

    So each release leaves one short shard in a split, and one that lost a record counts as full.
    """
    smallest: dict[str, Carried] = {}
    for shard in carried:
        if shard.size * 10 <= shard_bytes * 9:
            known = smallest.get(shard.facts.split)
            if known is None or shard.size < known.size:
                smallest[shard.facts.split] = shard
    return smallest


def _affected(pool: WorkerPool, parent: Path, manifest: Manifest, named: Named) -> set[str]:
    """Paths of the shards that hold one of the records."""
    orders: dict[str, list[str]] = defaultdict(list)
    for record, split in zip(named.ids.to_pylist(), named.splits, strict=True):
        orders[split].append(order_text(record))
    for of_split in orders.values():
        of_split.sort()
    searches = []
    for entry, facts in manifest.shards:
        place = bisect_left(orders[facts.split], facts.order_from)
        if place < len(orders[facts.split]) and orders[facts.split][place] <= facts.order_to:
            searches.append((entry.path, _Search(parent / entry.path, named.file)))
    found = pool.map(_holds_any, [search for _, search in searches])
    return {path for (path, _), held in zip(searches, found, strict=True) if held}


def _holds_any(search: _Search) -> bool:
    with pa.memory_map(str(search.named)) as source:
        named = pa.ipc.open_file(source).read_all()["record_id"]
        ids = pq.read_table(search.shard, columns=["record_id"])["record_id"]
        return bool(pc.any(pc.is_in(ids, value_set=named)).as_py())
