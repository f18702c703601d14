"""The records with the nearest pictures, among those of a run and those of a release.

Comes in: the fingerprints of one record. Goes out: a few candidates, nearest first, then by id.
Only the two columns of hashes are read whole, a part or row group at a time; nothing else is, but
of the few that were found.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from cleaning.copies.pairs import APART, Hashes, Print, distances
from provenance.lookup import Row, part_of, rows_of
from release.lineage import FINGERPRINTS_FILE, read_range, stream_table
from runtime.columns import from_numbers, numbers
from runtime.workspace import Run

_PRINTS = ("phash", "phash_trim", "colour", "colour_trim", "sketch")
_HASHES = ["record_id", "phash", "phash_trim"]


@dataclass(frozen=True)
class Near:
    """One record near by, with its row of the table it was found in."""

    record_id: str
    where: str
    sha256: str
    title: str | None
    print: Print


def print_of(row: Mapping[str, Any]) -> Print | None:
    """The fingerprints in a row of `cleaned` or of a release's fingerprints; None without any."""
    if any(row.get(name) is None for name in _PRINTS):
        return None
    return Print(*(row[name] for name in _PRINTS))


def near_of(run: Run | None, release: Path | None, record_id: str) -> Near | None:
    """One record as the run cleaned it, else as the release holds it; None without fingerprints."""
    row, where = None, ""
    part = part_of(run.cleaned, record_id) if run is not None else None
    if run is not None and part is not None:
        columns = ["title", "sha256", *_PRINTS]
        rows = rows_of(run.cleaned, part, "record_id", record_id, columns)
        row, where = (rows[0] if rows else None), f"run {run.run_id}"
    if row is None and release is not None:
        row, where = row_of_release(release, record_id), f"release {release.name}"
    other = None if row is None else print_of(row)
    if row is None or other is None:
        return None
    return Near(record_id, where, row["sha256"], row.get("title"), other)


def nearest_published(release: Path, one: Print, count: int, but: str = "") -> list[Near]:
    """The `count` nearest published records other than `but`. Raises WorkspaceError."""
    path = release / FINGERPRINTS_FILE
    chosen = _nearest(one, _published(path), count, but)
    found = []
    for _, record_id, _, _ in chosen:
        row = read_range(path, record_id, record_id, ["sha256", *_PRINTS]).to_pylist()[0]
        near = Print(*(row[name] for name in _PRINTS))
        found.append(Near(record_id, f"release {release.name}", row["sha256"], None, near))
    return found


def nearest_in_run(run: Run, one: Print, count: int, but: str) -> list[Near]:
    """The `count` nearest records other than `but` that clean let go on. Raises PartError."""
    chosen = _nearest(one, _kept(run), count, but)
    found = []
    for _, record_id, part, place in chosen:
        columns = ["title", "sha256", *_PRINTS]
        (row,) = [r for _, t in run.cleaned.take(part, [place], columns) for r in t.to_pylist()]
        near = Print(*(row[name] for name in _PRINTS))
        found.append(Near(record_id, f"run {run.run_id}", row["sha256"], row["title"], near))
    return found


@dataclass(frozen=True)
class _Hashes:
    """The ids and hashes of some rows of a part; a hash of 0 says nothing."""

    ids: pa.Array
    hashes: Hashes
    part: str


def _published(path: Path) -> Iterator[_Hashes]:
    for batch in stream_table(path, _HASHES):
        yield _Hashes(batch["record_id"], _numbers(batch), "")


def _kept(run: Run) -> Iterator[_Hashes]:
    for name in run.cleaned.names():
        table = run.cleaned.read(name, ["kept", *_HASHES])
        kept = numbers(table["kept"])
        whole, trimmed = (np.where(kept, hashes, np.uint64(0)) for hashes in _numbers(table))
        yield _Hashes(table["record_id"], (whole, trimmed), name)


def _numbers(rows: pa.Table | pa.RecordBatch) -> Hashes:
    whole, trimmed = (numbers(rows[name].fill_null(0)) for name in _HASHES[1:])
    return whole, trimmed


def _nearest(
    one: Print, batches: Iterable[_Hashes], count: int, but: str
) -> list[tuple[int, str, str, int]]:
    """(bits, record_id, part, row in the part) of the nearest, in that order."""
    found: list[tuple[int, str, str, int]] = []
    for batch in batches:
        bits = distances(one, batch.hashes)
        if not len(bits):
            continue
        # One more than asked for, since the record itself may be among them; ties all count.
        last = min(count, len(bits) - 1)
        places = np.flatnonzero((bits <= np.partition(bits, last)[last]) & (bits < APART))
        ids = batch.ids.take(from_numbers(places)).to_pylist()
        found += [
            (bit, record_id, batch.part, place)
            for bit, record_id, place in zip(
                bits[places].tolist(), ids, places.tolist(), strict=True
            )
            if record_id != but
        ]
        found = nsmallest(count, found)
    return found


def row_of_release(release: Path, record_id: str) -> Row | None:
    """The record's row of a release's fingerprints; None for one without a picture."""
    columns = ["sha256", *_PRINTS]
    rows: list[Row] = read_range(
        release / FINGERPRINTS_FILE, record_id, record_id, columns
    ).to_pylist()
    return rows[0] if rows else None
