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
    """Every kept record of the run that the release with that fingerprint index does not hold."""
    tables = [] if index is None else [_published_columns(index)]
    published = tables[0]["mapped"].shape[0] if tables else 0
    for number, name in enumerate(parts):
        tables.append(_part_columns(run, name, number, index))
    columns = {
        name: np.concatenate([table[name] for table in tables]) if tables else empty
        for name, empty in _empty_columns().items()
    }
    prints = Fingerprints(*(columns.pop(name) for name in PRINT_COLUMNS[1:]))
    return Candidates(published, tuple(parts), prints, **columns)


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
        ids = pq.read_table(index, columns=["record_id"])["record_id"].take(pa.array(old))
        yield from zip(old.tolist(), ids.to_pylist(), strict=True)
    new = wanted[wanted >= candidates.published]
    for part in np.unique(candidates.part[new]):
        of_part = new[candidates.part[new] == part]
        places = candidates.row[of_part].tolist()
        for first, table in run.cleaned.take(candidates.parts[part], places, ["record_id"]):
            for offset, record_id in enumerate(table["record_id"].to_pylist()):
                yield int(of_part[first + offset]), record_id


def _empty_columns() -> dict[str, NDArray[Any]]:
    return {
        "sha": np.empty((0, 2), np.uint64),
        "phash": np.empty(0, np.uint64),
        "phash_trim": np.empty(0, np.uint64),
        "colour": np.empty((0, COLOUR_BYTES), np.uint8),
        "colour_trim": np.empty((0, COLOUR_BYTES), np.uint8),
        "sketch": np.empty((0, SKETCH_BYTES), np.uint8),
        "mapped": np.empty(0, np.bool_),
        "pixels": np.empty(0, np.int64),
        "removed": np.empty(0, np.int32),
        "part": np.empty(0, np.int32),
        "row": np.empty(0, np.int32),
    }


def _print_columns(table: pa.Table) -> dict[str, NDArray[Any]]:
    hexes = table["sha256"].to_pylist()
    sha = b"".join(bytes.fromhex(text[: 2 * SHA_BYTES]) for text in hexes)
    return {
        "sha": np.frombuffer(sha, np.uint64).reshape(-1, 2),
        "phash": table["phash"].to_numpy(),
        "phash_trim": table["phash_trim"].to_numpy(),
        "colour": _fixed(table["colour"], COLOUR_BYTES),
        "colour_trim": _fixed(table["colour_trim"], COLOUR_BYTES),
        "sketch": _fixed(table["sketch"], SKETCH_BYTES),
    }


def _fixed(column: pa.ChunkedArray, width: int) -> NDArray[np.uint8]:
    data = b"".join(value.as_py() for value in column)
    return np.frombuffer(data, np.uint8).reshape(-1, width)


def _published_columns(index: Path) -> dict[str, NDArray[Any]]:
    table = pq.read_table(index, columns=list(PRINT_COLUMNS))
    rows = table.num_rows
    return {
        **_print_columns(table),
        "mapped": np.ones(rows, np.bool_),
        "pixels": np.zeros(rows, np.int64),
        "removed": np.zeros(rows, np.int32),
        "part": np.full(rows, -1, np.int32),
        "row": np.arange(rows, dtype=np.int32),
    }


def _part_columns(run: Run, name: str, number: int, index: Path | None) -> dict[str, NDArray[Any]]:
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
