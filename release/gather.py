"""First pass of the shuffle: every newcomer's row and picture into a spill.

The parts are read one after the other and the pictures in the order they lie in, so each byte is
read once and in sequence. From the spill's index the second pass picks its shard.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.newcomers import adopted, fingerprint_rows, newcomers
from release.spills import INDEX, SPILL_SCHEMA, Index, SpillWriter
from release.splits import SPLIT_CODE
from runtime.columns import numbers
from runtime.errors import GateError
from runtime.image_bytes import picture_bytes
from runtime.keys import order_hash
from runtime.storage import os_errors_explained
from runtime.tables import FINGERPRINT
from runtime.workspace import Run

_LINEAGE = ["record_id", "split", "leak_group"]


@dataclass(frozen=True)
class GatherWork:
    """Consecutive listings parts whose newcomers go into one spill file.

    With `parent`, the current release's folder, it is the published records that are adopted
    instead; they have their lineage already.
    """

    run: Run
    parts: tuple[str, ...]
    spill: Path
    fingerprints: Path
    lineage: Path
    fingerprint: str | None
    parent: Path | None = None


def gather(work: GatherWork) -> None:
    """Write the spill, and each part's fingerprints and lineage.

    Raises GateError when a picture is not the one that was cleaned, PartError for damaged parts.
    """
    with os_errors_explained(work.spill), SpillWriter(work.spill) as spill:
        for part in work.parts:
            _require_version(work, part)
            if work.parent is None:
                rows = newcomers(work.run, part)
                pq.write_table(rows.select(_LINEAGE), work.lineage / f"{part}.parquet")
            else:
                rows = adopted(work.run, part, work.parent)
            pq.write_table(fingerprint_rows(rows), work.fingerprints / f"{part}.parquet")
            if rows.num_rows:
                index = _index(rows)
                _spill_pictures(work.run, rows, index, spill)
                columns = [rows[field.name].cast(field.type) for field in SPILL_SCHEMA]
                spill.rows(pa.Table.from_arrays(columns, schema=SPILL_SCHEMA), index)


def _require_version(work: GatherWork, part: str) -> None:
    """A release holds fingerprints of one version: hashes of two cannot be compared."""
    found = work.run.cleaned.metadata(part).get(FINGERPRINT)
    if found != work.fingerprint:
        raise GateError(
            f"part {part}: expected fingerprints {work.fingerprint}, got {found}; nothing was "
            "published, run `mep3m clean` and the stages after it again"
        )


def _index(rows: pa.Table) -> Index:
    """Order hash and split of each row; where it and its picture lie is not known yet."""
    index = np.zeros(rows.num_rows, INDEX)
    index["order"] = [order_hash(record) for record in rows["record_id"].to_pylist()]
    index["split"] = [SPLIT_CODE[split] for split in rows["split"].to_pylist()]
    index["pictured"] = numbers(pc.is_valid(rows["sha256"]))
    return index


def _spill_pictures(run: Run, rows: pa.Table, index: Index, spill: SpillWriter) -> None:
    """Copy the rows' pictures, in the order they lie in, and note where each one went."""
    places = zip(rows["image_part"].to_pylist(), rows["image_row"].to_pylist(), strict=True)
    ids, digests = rows["record_id"].to_pylist(), rows["sha256"].to_pylist()
    ordered = sorted(
        (part, row, number) for number, (part, row) in enumerate(places) if part is not None
    )
    for part, group in groupby(ordered, key=lambda place: place[0]):
        wanted = list(group)
        pictures = picture_bytes(run, part, [row for _, row, _ in wanted])
        for (_, _, number), data in zip(wanted, pictures, strict=True):
            data = _checked(ids[number], digests[number], data)
            index["offset"][number] = spill.picture(data)
            index["size"][number] = data.size


def _checked(record: str, expected: str, data: pa.Buffer | None) -> pa.Buffer:
    """The picture, which is the one whose digest the record carries."""
    actual = hashlib.sha256(data).hexdigest() if data is not None else "no bytes"
    if actual != expected:
        raise GateError(
            f"record {record}: expected a picture with SHA-256 {expected}, got {actual}; "
            "nothing was published, run `mep3m clean` again"
        )
    return data
