"""Published records whose picture is another one now, and those that may not take it.

A published record keeps its split for ever, so a major release may show a new picture of it only
where that is near no other record's: neither a leak into another split nor a copy comes of it. In
come a run and the fingerprints of a release, of the same version; out go the ids of the records
that have to keep the picture they have.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cleaning.copies.groups import connected_groups
from cleaning.copies.published import PublishedIndex
from runtime.columns import from_numbers, numbers
from runtime.workspace import Run

_PRINTS = ["phash", "phash_trim"]


@dataclass(frozen=True)
class ReplacedWork:
    """A run's parts, the release's fingerprints, the radius in which a picture is near another."""

    run: Run
    parts: tuple[str, ...]
    index: Path
    radius: int
    target: Path


@dataclass(frozen=True)
class _Part:
    """Of a part: the ids and own published rows of changed pictures, and their fingerprints before
    those of the newcomers."""

    ids: list[str]
    rows: NDArray[np.int64]
    prints: tuple[NDArray[np.uint64], NDArray[np.uint64]]


def write_bound(work: ReplacedWork) -> None:
    """Write the ids that keep their published picture, sorted, as an Arrow file of one column.

    Memory is that of the fingerprints' hashes, some 60 bytes a record.
    """
    with PublishedIndex(work.index) as index:
        parts = [part for name in work.parts for part in _parts(work.run, name, index)]
        ids = [record for part in parts for record in part.ids]
        bound = _bound(index, parts, work.radius) if ids else np.zeros(0, np.bool_)
    names = pa.array(sorted(record for record, held in zip(ids, bound, strict=True) if held))
    table = pa.table({"record_id": names.cast(pa.string())})
    with pa.OSFile(str(work.target), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)


def _parts(run: Run, name: str, index: PublishedIndex) -> Iterator[_Part]:
    columns = ["record_id", "kept", "sha256", *_PRINTS]
    table = run.cleaned.read(name, columns)
    table = table.filter(pc.and_(table["kept"], pc.is_valid(table["sha256"])))
    if not table.num_rows:
        return
    ids = table["record_id"].combine_chunks()
    known = index.rows_of(ids)
    changed = known >= 0
    published = index.take("sha256", known[changed])
    changed[changed] = ~numbers(pc.equal(table["sha256"].combine_chunks().filter(
        pa.array(changed)), published))  # fmt: skip
    new = numbers(pc.is_in(ids, value_set=run.survivors.read(name, ["record_id"])["record_id"]))
    order = np.concatenate([np.flatnonzero(changed), np.flatnonzero(new & (known < 0))])
    whole, trimmed = (numbers(table[column].combine_chunks())[order] for column in _PRINTS)
    chosen = ids.take(from_numbers(np.flatnonzero(changed))).to_pylist()
    yield _Part(chosen, known[changed], (whole, trimmed))


def _bound(index: PublishedIndex, parts: Sequence[_Part], radius: int) -> NDArray[np.bool_]:
    """Which changed pictures are near another record's, or near one that is."""
    old = list(index.batches(_PRINTS))
    prints = []
    for number, column in enumerate(_PRINTS):
        published = [numbers(batch[column]) for batch in old]
        prints.append(np.concatenate([*published, *(part.prints[number] for part in parts)]))
    groups = connected_groups(prints[0], prints[1], radius)
    sizes = np.bincount(groups, minlength=len(groups))
    own, changed, start = [], [], len(index)
    for part in parts:
        own.append(part.rows)
        changed.append(np.arange(start, start + len(part.rows)))
        start += len(part.prints[0])
    mine, before = np.concatenate(changed), np.concatenate(own)
    others = sizes[groups[mine]] - 1 - (groups[mine] == groups[before])
    return np.asarray(others > 0)
