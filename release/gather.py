"""First pass of the shuffle: every newcomer's row and picture into a spill file.

The parts are read one after the other and the pictures in the order they lie in, so each byte is
read once and in sequence. From the spill's index the second pass picks its shard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from release.newcomers import adopted, fingerprint_rows, newcomers
from release.schema import COLUMN_NAMES, PICTURE, RELEASE_SCHEMA
from release.spills import INDEX, index_path
from release.splits import SPLIT_CODE
from runtime.errors import GateError
from runtime.keys import order_hash
from runtime.storage import os_errors_explained
from runtime.tables import FINGERPRINT
from runtime.workspace import Run

ROW_BYTES = 2048
"""What a record counts for beside its picture: a shard of titles alone is bounded by its rows."""
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
    """Write the spill file, its index, and each part's fingerprints and lineage.

    Raises GateError when a picture is not the one that was cleaned, PartError for damaged parts.
    """
    index: list[tuple[int, int, bool, int, int, int]] = []
    batches = 0
    with os_errors_explained(work.spill):
        with (
            pa.OSFile(str(work.spill), "wb") as sink,
            pa.ipc.new_file(sink, RELEASE_SCHEMA) as writer,
        ):
            for part in work.parts:
                _require_version(work, part)
                if work.parent is None:
                    rows = newcomers(work.run, part)
                    pq.write_table(rows.select(_LINEAGE), work.lineage / f"{part}.parquet")
                else:
                    rows = adopted(work.run, part, work.parent)
                pq.write_table(fingerprint_rows(rows), work.fingerprints / f"{part}.parquet")
                for chunk in _with_pictures(work.run, rows):
                    splits = chunk["split"].to_pylist()
                    for batch in chunk.select(COLUMN_NAMES).combine_chunks().to_batches():
                        writer.write_batch(batch)
                        index.extend(_index_rows(batch, splits[: batch.num_rows], batches))
                        splits = splits[batch.num_rows :]
                        batches += 1
        with index_path(work.spill).open("wb") as stream:
            np.save(stream, np.array(index, dtype=INDEX))


def _require_version(work: GatherWork, part: str) -> None:
    """A release holds fingerprints of one version: hashes of two cannot be compared."""
    found = work.run.cleaned.metadata(part).get(FINGERPRINT)
    if found != work.fingerprint:
        raise GateError(
            f"part {part}: expected fingerprints {work.fingerprint}, got {found}; nothing was "
            "published, run `mep3m clean` and the stages after it again"
        )


def _index_rows(
    batch: pa.RecordBatch, splits: list[str], number: int
) -> Iterator[tuple[int, int, bool, int, int, int]]:
    sizes = pc.binary_length(batch["image"].field("bytes")).to_pylist()
    for row, record in enumerate(batch["record_id"].to_pylist()):
        size, pictured = ROW_BYTES + (sizes[row] or 0), sizes[row] is not None
        yield order_hash(record), size, pictured, SPLIT_CODE[splits[row]], number, row


def _with_pictures(run: Run, rows: pa.Table) -> Iterator[pa.Table]:
    """The rows with their `image`, some at a time, in the order the pictures lie in.

    Those that have none come first, all of a part together.
    """
    alone = rows.filter(pc.is_null(rows["sha256"]))
    if alone.num_rows:
        yield _as_released(alone.append_column("image", pa.nulls(alone.num_rows, PICTURE)))
    places = zip(rows["image_part"].to_pylist(), rows["image_row"].to_pylist(), strict=True)
    ordered = sorted(
        (part, row, number) for number, (part, row) in enumerate(places) if part is not None
    )
    for part, group in groupby(ordered, key=lambda place: place[0]):
        wanted = list(group)
        image_rows = [row for _, row, _ in wanted]
        for start, found in run.images.take(part, image_rows, ["image"]):
            numbers = [number for _, _, number in wanted[start : start + found.num_rows]]
            chunk = rows.take(pa.array(numbers, pa.int64()))
            pictures = found["image"].combine_chunks()
            _check_pictures(chunk, pictures)
            struct = pa.StructArray.from_arrays(
                [pictures, chunk["path"].combine_chunks()], fields=list(PICTURE)
            )
            yield _as_released(chunk.append_column("image", struct))


def _as_released(chunk: pa.Table) -> pa.Table:
    """The release's columns cast to its schema, and `split` behind them."""
    released = pa.Table.from_arrays(
        [chunk[field.name].cast(field.type) for field in RELEASE_SCHEMA], schema=RELEASE_SCHEMA
    )
    return released.append_column("split", chunk["split"])


def _check_pictures(chunk: pa.Table, pictures: pa.Array) -> None:
    """Every published picture is the one whose digest the record carries."""
    ids, digests = chunk["record_id"].to_pylist(), chunk["sha256"].to_pylist()
    for record, expected, picture in zip(ids, digests, pictures, strict=True):
        buffer = picture.as_buffer()
        actual = hashlib.sha256(buffer).hexdigest() if buffer is not None else "no bytes"
        if actual != expected:
            raise GateError(
                f"record {record}: expected a picture with SHA-256 {expected}, got {actual}; "
                "nothing was published, run `mep3m clean` again"
            )
