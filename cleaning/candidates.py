"""The records that deduplication compares, as arrays: published ones first, then a run's parts.

About 190 bytes a record and no strings: a record is its row number, and since parts and their rows
are in record order, the smaller row number is the smaller record_id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cleaning.fingerprints import COLOUR_BYTES
from cleaning.neighbours import Fingerprints
from cleaning.sketch import SKETCH_BYTES
from runtime.workspace import Run

SHA_BYTES = 16  # of 32: a collision among 10^9 files has a chance of 10^-21
BATCH_ROWS = 64 * 1024
OPTED_OUT = "opted_out_v1"  # the rule of the clean stage
Columns = dict[str, NDArray[Any]]
PRINT_COLUMNS = ("sha256", "phash", "phash_trim", "colour", "colour_trim", "sketch")


@dataclass(frozen=True)
class Candidates:
    """N records: `published` of a release, then those of `parts` that clean kept.

    `sha` uint64[N, 2] holds the first 16 bytes of the SHA-256; `mapped` tells those that may be
    published from those held for review; `pixels` and `removed` (promotional segments taken out
    of the title) rank representatives; `part` and `row` say where a record lies (-1: published).
    """

    published: int
    parts: tuple[str, ...]
    prints: Fingerprints
    sha: NDArray[np.uint64]
    mapped: NDArray[np.bool_]
    pixels: NDArray[np.int64]
    removed: NDArray[np.int32]
    part: NDArray[np.int32]
    row: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.mapped)

    def take(self, rows: NDArray[np.int64]) -> Fingerprints:
        """The fingerprints of some rows, in that order."""
        prints = self.prints
        return Fingerprints(
            prints.phash[rows],
            prints.phash_trim[rows],
            prints.colour[rows],
            prints.colour_trim[rows],
            prints.sketch[rows],
        )


def load_candidates(run: Run, parts: Sequence[str], index: Path | None) -> Candidates:
    """Every kept record of the run that the release with that fingerprint index does not hold.

    A published record that opts out in this run leads no more: it leaves with the next release.
    """
    old = 0 if index is None else pq.read_metadata(index).num_rows
    seals = (run.cleaned.seal(name) for name in parts)
    columns = _empty_columns(old + sum(seal.rows for seal in seals if seal is not None))
    end = 0
    if index is not None:
        opted_out = _opted_out(run, parts)
        with pq.ParquetFile(index) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=["record_id", *PRINT_COLUMNS]):
                end = _fill(columns, end, _published_columns(batch, opted_out, end))
    for number, name in enumerate(parts):
        end = _fill(columns, end, _part_columns(run, name, number, index))
    filled = {name: column[:end] for name, column in columns.items()}
    prints = Fingerprints(*(filled.pop(name) for name in PRINT_COLUMNS[1:]))
    return Candidates(old, tuple(parts), prints, **filled)


def _fill(columns: Columns, start: int, rows: Columns) -> int:
    end = start + len(rows["mapped"])
    for name, values in rows.items():
        columns[name][start:end] = values
    return end


def _opted_out(run: Run, parts: Sequence[str]) -> pa.Array:
    """Records whose pages or pictures forbid their use in this run."""
    decisions = run.decisions("clean")
    found = []
    for name in parts:
        if decisions.seal(name) is not None:
            rows = decisions.read(name, ["record_id", "rule"])
            found.append(rows.filter(pc.equal(rows["rule"], OPTED_OUT))["record_id"])
    chunks = [chunk for column in found for chunk in column.chunks]
    return pa.chunked_array(chunks, pa.string()).combine_chunks()


def published_ids(index: Path, low: str, high: str) -> pa.Array:
    """Published record_ids between two, by the index's row-group statistics."""
    within = (pc.field("record_id") >= low) & (pc.field("record_id") <= high)
    found = pq.read_table(index, columns=["record_id"], filters=within)
    return found["record_id"].combine_chunks()


def names_of(
    candidates: Candidates, run: Run, index: Path | None, rows: Sequence[int]
) -> Iterator[tuple[int, str]]:
    """(row, record_id) of some candidates, which ascend."""
    wanted = np.asarray(rows, dtype=np.int64)
    old = wanted[wanted < candidates.published]
    if len(old) and index is not None:
        start = 0
        with pq.ParquetFile(index) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=["record_id"]):
                here = old[(old >= start) & (old < start + batch.num_rows)]
                ids = batch["record_id"].take(pa.array(here - start)).to_pylist()
                yield from zip(here.tolist(), ids, strict=True)
                start += batch.num_rows
    new = wanted[wanted >= candidates.published]
    for part in np.unique(candidates.part[new]):
        of_part = new[candidates.part[new] == part]
        places = candidates.row[of_part].tolist()
        for first, table in run.cleaned.take(candidates.parts[part], places, ["record_id"]):
            for offset, record_id in enumerate(table["record_id"].to_pylist()):
                yield int(of_part[first + offset]), record_id


def _empty_columns(rows: int) -> Columns:
    return {
        "sha": np.empty((rows, 2), np.uint64),
        "phash": np.empty(rows, np.uint64),
        "phash_trim": np.empty(rows, np.uint64),
        "colour": np.empty((rows, COLOUR_BYTES), np.uint8),
        "colour_trim": np.empty((rows, COLOUR_BYTES), np.uint8),
        "sketch": np.empty((rows, SKETCH_BYTES), np.uint8),
        "mapped": np.empty(rows, np.bool_),
        "pixels": np.empty(rows, np.int64),
        "removed": np.empty(rows, np.int32),
        "part": np.empty(rows, np.int32),
        "row": np.empty(rows, np.int32),
    }


def _print_columns(table: pa.Table | pa.RecordBatch) -> Columns:
    hexes = table["sha256"].to_pylist()
    sha = bytes.fromhex("".join(text[: 2 * SHA_BYTES] for text in hexes))
    return {
        "sha": np.frombuffer(sha, np.uint64).reshape(-1, 2),
        "phash": np.asarray(table["phash"]),
        "phash_trim": np.asarray(table["phash_trim"]),
        "colour": _fixed(table["colour"], COLOUR_BYTES),
        "colour_trim": _fixed(table["colour_trim"], COLOUR_BYTES),
        "sketch": _fixed(table["sketch"], SKETCH_BYTES),
    }


def _fixed(column: pa.ChunkedArray | pa.Array, width: int) -> NDArray[np.uint8]:
    """A column of fixed-width bytes without nulls as uint8[N, width], from its own buffer."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    start = array.offset * width
    data = array.buffers()[1]
    if data is None:
        return np.empty((0, width), np.uint8)
    flat = np.frombuffer(data, np.uint8)[start : start + len(array) * width]
    return flat.reshape(-1, width)


def _published_columns(batch: pa.RecordBatch, opted_out: pa.Array, start: int) -> Columns:
    rows = batch.num_rows
    leaving = pc.is_in(batch["record_id"], value_set=opted_out).to_numpy(zero_copy_only=False)
    return {
        **_print_columns(batch),
        "mapped": ~leaving,
        "pixels": np.zeros(rows, np.int64),
        "removed": np.zeros(rows, np.int32),
        "part": np.full(rows, -1, np.int32),
        "row": np.arange(start, start + rows, dtype=np.int32),
    }


def _part_columns(run: Run, name: str, number: int, index: Path | None) -> Columns:
    facts = ["record_id", "kept", "width", "height", "removed_segments"]
    table = run.cleaned.read(name, [*facts, *PRINT_COLUMNS])
    labels = run.labels.read(name, ["mapped"])["mapped"].to_numpy()
    kept = np.flatnonzero(table["kept"].to_numpy())
    table = table.take(pa.array(kept))
    new = np.ones(len(kept), np.bool_)
    if index is not None and len(kept):
        ids = table["record_id"]
        known = published_ids(index, ids[0].as_py(), ids[-1].as_py())
        new = ~pc.is_in(ids, value_set=known).to_numpy()
        table = table.take(pa.array(np.flatnonzero(new)))
    size = table["width"].to_numpy().astype(np.int64) * table["height"].to_numpy()
    return {
        **_print_columns(table),
        "mapped": labels[new].astype(np.bool_),
        "pixels": size.astype(np.int64),
        "removed": pc.list_value_length(table["removed_segments"]).to_numpy().astype(np.int32),
        "part": np.full(table.num_rows, number, np.int32),
        "row": kept[new].astype(np.int32),
    }
