"""Which newcomers a release has, of which leak groups and categories, and so where each group goes.

Comes in: a run whose records were deduplicated, and the release before it. Goes out: a file with
the split of every group that has newcomers. Parts are looked through in parallel; 16 bytes a
newcomer and 9 a group are in memory at once.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.lineage import LINEAGE_FILE, read_range, stream_table
from release.manifest import Manifest
from release.splits import (
    NEWCOMER,
    SPLIT_CODE,
    SPLITS,
    Counts,
    Newcomers,
    assign,
    group_hash,
    leaf_key,
    save_assigned,
)
from runtime.errors import PartError, WorkspaceError
from runtime.stages import Context
from runtime.workspace import Run

_LEAF = ["sub_class_id", "subsub_class_id"]


@dataclass(frozen=True)
class PartOfRun:
    """A listings part, beside the current release's folder."""

    run: Run
    part: str
    parent: Path | None


def plan_splits(
    context: Context, parent: Path | None, manifest: Manifest | None, target: Path
) -> None:
    """Write the splits of the newcomers' groups to `target`, for `splits.load_splitter`.

    `parent` is the current release's folder, `manifest` its manifest. Raises PartError when dedupe
    has not finished a part, WorkspaceError when the release cannot be read.
    """
    works = [PartOfRun(context.run, part, parent) for part in context.run.listings.names()]
    found = [*context.pool.map(newcomers_of_part, works), np.empty(0, NEWCOMER)]
    newcomers = np.concatenate(found)
    groups: dict[int, int] = {}
    published: dict[int, Counts] = {}
    if parent is not None and manifest is not None and len(newcomers):
        groups = _published_groups(parent, newcomers)
        published = _published_leaves(parent, manifest)
    settings = context.config.release
    shares = settings.validation_share, settings.test_share
    save_assigned(target, assign(newcomers, groups, published, *shares))


def newcomers_of_part(work: PartOfRun) -> Newcomers:
    """Group and leaf of each survivor of the part that is not published."""
    run = work.run
    if run.survivors.seal(work.part) is None:
        raise PartError(run.survivors.path(work.part), "expected the dedupe stage to finish it")
    survivors = run.survivors.read(work.part, ["record_id", "leak_group"])
    published = splits_of(work.parent, survivors["record_id"])
    chosen = [
        (record, group_hash(group))
        for record, group in zip(
            survivors["record_id"].to_pylist(), survivors["leak_group"].to_pylist(), strict=True
        )
        if record not in published
    ]
    if not chosen:
        return np.empty(0, NEWCOMER)
    labels = run.labels.read(work.part, ["record_id", *_LEAF])
    leaves = {
        record: leaf_key(sub, subsub)
        for record, sub, subsub in zip(*(labels[name].to_pylist() for name in labels.schema.names),
                                       strict=True)
        if sub is not None
    }  # fmt: skip
    missing = next((record for record, _ in chosen if record not in leaves), None)
    if missing is not None:
        raise PartError(run.labels.path(work.part), f"expected a label of {missing}, found none")
    return np.array([(group, leaves[record]) for record, group in chosen], NEWCOMER)


def splits_of(release: Path | None, record_ids: pa.ChunkedArray) -> dict[str, str]:
    """Split by record id, of those of the ids that the release holds."""
    if release is None or not len(record_ids):
        return {}
    span = pc.min_max(record_ids).as_py()
    held = read_range(release / LINEAGE_FILE, span["min"], span["max"], ["record_id", "split"])
    held = held.filter(pc.is_in(held["record_id"], value_set=record_ids))
    return dict(zip(held["record_id"].to_pylist(), held["split"].to_pylist(), strict=True))


def _published_groups(parent: Path, newcomers: Newcomers) -> dict[int, int]:
    """The split code of each group that has newcomers and published records."""
    wanted = np.unique(newcomers["group"])
    found: dict[int, int] = {}
    for batch in stream_table(parent / LINEAGE_FILE, ["leak_group", "split"]):
        names = [group_hash(group) for group in batch["leak_group"].to_pylist()]
        hashes = np.array(names, np.uint64)
        places = np.minimum(np.searchsorted(wanted, hashes), len(wanted) - 1)
        near = np.flatnonzero(wanted[places] == hashes).tolist()
        splits = batch["split"].to_pylist()
        found.update((names[row], SPLIT_CODE[splits[row]]) for row in near)
    return found


def _published_leaves(parent: Path, manifest: Manifest) -> dict[int, Counts]:
    """How many published records of each leaf are in which split."""
    counts: Counter[tuple[int, str]] = Counter()
    for entry, facts in manifest.shards:
        try:
            table = pq.read_table(parent / entry.path, columns=_LEAF)
        except (OSError, pa.ArrowException) as error:
            raise WorkspaceError(
                f"{parent / entry.path}: expected a readable shard, got {error}; run `mep3m verify`"
            ) from error
        grouped = table.group_by(_LEAF, use_threads=False).aggregate([([], "count_all")])
        for row in grouped.to_pylist():
            leaf = leaf_key(row["sub_class_id"], row["subsub_class_id"])
            counts[leaf, facts.split] += row["count_all"]
    leaves = {leaf for leaf, _ in counts}
    return {leaf: _counts(counts, leaf) for leaf in leaves}


def _counts(counts: Counter[tuple[int, str]], leaf: int) -> Counts:
    train, validation, test = (counts[leaf, split] for split in SPLITS)
    return train, validation, test
