"""The records that deduplication compares, as arrays: published ones first, then a run's parts.

About 180 bytes a record and no strings: a record is its row number, and since parts and their rows
are in record order, the smaller row number is the smaller record_id.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cleaning.copies.barred import NO_MATCH, BarredPictures
from cleaning.copies.neighbours import Fingerprints
from cleaning.copies.published import PublishedIndex
from cleaning.copies.scratch import Columns, map_column
from cleaning.hashes import COLOUR_BYTES
from cleaning.titles.sketch import SKETCH_BYTES
from runtime.columns import from_numbers, numbers
from runtime.errors import PartError
from runtime.optouts import OPTED_OUT_RULE
from runtime.origins import IMPORTED_SITE
from runtime.workspace import Run

SHA_BYTES = 16  # of 32: a collision among 10^9 files has a chance of 10^-21
NO_SITE = -1
LEAVING = "leaving"
"""Beside the columns of candidates: rows of published ones that leave."""
PRINT_COLUMNS = ("sha256", "phash", "phash_trim", "colour", "colour_trim", "sketch")
_FACTS = (
    "record_id", "kept", "width", "height", "content_width", "content_height", "removed_segments",
)  # fmt: skip


COLUMNS: Mapping[str, tuple[Any, ...]] = {
    "sha": (np.uint64, 2),
    "phash": (np.uint64,),
    "phash_trim": (np.uint64,),
    "colour": (np.uint8, COLOUR_BYTES),
    "colour_trim": (np.uint8, COLOUR_BYTES),
    "sketch": (np.uint8, SKETCH_BYTES),
    "site": (np.int16,),
    "mapped": (np.bool_,),
    "content": (np.int16,),
    "border": (np.int8,),
    "pixels": (np.int32,),
    "removed": (np.int16,),
    "first_run": (np.int16,),
    "part": (np.int32,),
    "row": (np.int32,),
}
"""The type of each column that lies in a file, and its width where it has one."""


@dataclass
class Candidates:
    """N records: `published` of a release, then those of `parts` that clean kept.

    `sha` uint64[N, 2] holds the first 16 bytes of the SHA-256; `site` numbers the shop (-1:
    published, of a shop that this run did not crawl); `mapped` tells those that may be published
    from those held for review, and from published ones that leave with the next release;
    `content` (size inside the uniform border, in steps of 5 %), `border` (its share, in
    twentieths), `pixels`, `removed` (promotional segments taken out of the title) and `first_run`
    (by which run it was first seen, in their order) rank representatives; `part` and `row` say
    where a record lies (-1: published); `imported` tells the records of an imported copy, told
    apart only where the run is an import itself.
    """

    published: int
    parts: tuple[str, ...]
    sha: NDArray[np.uint64]
    phash: NDArray[np.uint64]
    phash_trim: NDArray[np.uint64]
    colour: NDArray[np.uint8]
    colour_trim: NDArray[np.uint8]
    sketch: NDArray[np.uint8]
    site: NDArray[np.int16]
    mapped: NDArray[np.bool_]
    content: NDArray[np.int16]
    border: NDArray[np.int8]
    pixels: NDArray[np.int32]
    removed: NDArray[np.int16]
    first_run: NDArray[np.int16]
    part: NDArray[np.int32]
    row: NDArray[np.int32]
    imported: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.mapped)

    def give(self, name: str) -> NDArray[Any]:
        """A column, which leaves the table: its bytes are free as soon as the caller's are."""
        values: NDArray[Any] = getattr(self, name)
        setattr(self, name, np.empty((0, *values.shape[1:]), values.dtype))
        return values

    def hand_over(self, rows: NDArray[np.int32]) -> Fingerprints:
        """The fingerprints of some rows, in that order; colours and sketches leave this table.

        They are most of its bytes, and nothing else needs them once neighbours are searched.
        """
        gone = {name: self.give(name)[rows] for name in ("colour", "colour_trim", "sketch")}
        return Fingerprints(self.phash[rows], self.phash_trim[rows], **gone)


def map_candidates(folder: Path, published: int, parts: Sequence[str]) -> Candidates:
    """The candidates whose columns lie in a folder, mapped, `published` of them of the release."""
    columns = {name: map_column(folder, name) for name in COLUMNS}
    # A published record that opts out in this run leads no more: it leaves with the next release.
    columns["mapped"][map_column(folder, LEAVING)] = False
    imported = columns["site"] == shop_numbers(parts).get(IMPORTED_SITE, NO_SITE - 1)
    return Candidates(published, tuple(parts), **columns, imported=imported)


def published_columns(index: PublishedIndex, parts: Sequence[str]) -> Columns:
    """The columns of every published record."""
    columns, end, shops = _empty_columns(len(index)), 0, shop_numbers(parts)
    for batch in index.batches(["record_id", *PRINT_COLUMNS]):
        end = _fill(columns, end, _published_columns(batch, shops))
    return {**columns, LEAVING: np.empty(0, np.int64)}


def part_columns(
    run: Run,
    parts: Sequence[str],
    numbers_of: range,
    index: PublishedIndex | None,
    run_starts: Sequence[int],
    barred: BarredPictures | None = None,
) -> Columns:
    """The columns of every kept record of some of the `parts` that the release does not hold.

    Records without a picture are left out: they have nothing to compare; and so are those with a
    picture that is `barred`. LEAVING holds the rows of published records that opt out.

    `run_starts` are the instants, in microseconds since 1970 and in order, at which the runs up to
    this one began.
    """
    seals = {number: run.cleaned.seal(parts[number]) for number in numbers_of}
    columns = _empty_columns(sum(seal.rows for seal in seals.values() if seal is not None))
    shops = shop_numbers(parts)
    starts = np.asarray(run_starts, np.int64)
    leaving, end = [np.empty(0, np.int64)], 0
    for number, seal in seals.items():
        if seal is None:
            continue
        name = parts[number]
        table = run.cleaned.read(name, [*_FACTS, *PRINT_COLUMNS])
        known = np.full(table.num_rows, -1, np.int64)
        if index is not None:
            known = index.rows_of(table["record_id"].combine_chunks())
            if f"rule.{OPTED_OUT_RULE}" in seal.counts:
                leaving.append(known[_opted_out(run, name, table["record_id"], known)])
        pictured = numbers(pc.is_valid(table["sha256"]))
        rows = np.flatnonzero(numbers(table["kept"]) & pictured & (known < 0))
        if barred is not None:
            rows = rows[barred.bits(table.take(from_numbers(rows))) == NO_MATCH]
        shop = shops[name.rpartition("-")[0]]
        end = _fill(columns, end, _part_columns(run, name, table, rows, starts, number, shop))
    return {
        **{name: column[:end] for name, column in columns.items()},
        LEAVING: np.concatenate(leaving),
    }


def shop_numbers(parts: Sequence[str]) -> dict[str, int]:
    """A number for each shop, after which its parts are named."""
    shops = dict.fromkeys(name.rpartition("-")[0] for name in parts)
    return {shop: number for number, shop in enumerate(shops)}


def _fill(columns: Columns, start: int, rows: Columns) -> int:
    end = start + len(rows["mapped"])
    for name, values in rows.items():
        columns[name][start:end] = values
    return end


def _opted_out(
    run: Run, name: str, record_ids: pa.ChunkedArray, known: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Which rows are published and now forbid their use."""
    rows = run.decisions("clean").read(name, ["record_id", "rule"])
    leaving = rows.filter(pc.equal(rows["rule"], OPTED_OUT_RULE))["record_id"].combine_chunks()
    mask: NDArray[np.bool_] = pc.is_in(record_ids, value_set=leaving).to_numpy() & (known >= 0)
    return mask


def _empty_columns(rows: int) -> Columns:
    return {name: np.empty((rows, *width), kind) for name, (kind, *width) in COLUMNS.items()}


def _print_columns(table: pa.Table | pa.RecordBatch) -> Columns:
    return {
        "sha": _sha_words(_whole(table["sha256"])),
        "phash": numbers(table["phash"]),
        "phash_trim": numbers(table["phash_trim"]),
        "colour": fixed_width(_whole(table["colour"]), COLOUR_BYTES),
        "colour_trim": fixed_width(_whole(table["colour_trim"]), COLOUR_BYTES),
        "sketch": fixed_width(_whole(table["sketch"]), SKETCH_BYTES),
    }


def _whole(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def fixed_width(array: pa.Array, width: int) -> NDArray[np.uint8]:
    """A column of fixed-width bytes without nulls as uint8[N, width], from its own buffer."""
    data = array.buffers()[1]
    if data is None:
        return np.empty((0, width), np.uint8)
    flat = np.frombuffer(data, np.uint8)[array.offset * width : (array.offset + len(array)) * width]
    return flat.reshape(-1, width)


_HEX = np.full(256, 255, np.uint8)
_HEX[np.frombuffer(b"0123456789abcdef", np.uint8)] = np.arange(16, dtype=np.uint8)


def _sha_words(array: pa.Array) -> NDArray[np.uint64]:
    """The first 16 bytes of hex digests, uint64[N, 2], without a Python object for each.

    Raises ValueError for what is no SHA-256 in lower-case hex.
    """
    rows, width = len(array), 64
    _, offsets, data = array.buffers()
    if not rows or data is None:
        return np.empty((0, 2), np.uint64)
    bounds = np.frombuffer(offsets, np.int32)[array.offset : array.offset + rows + 1]
    if (np.diff(bounds) != width).any():
        raise ValueError(f"expected digests of {width} characters, got another length")
    flat = np.frombuffer(data, np.uint8)[bounds[0] : bounds[-1]].reshape(rows, width)
    digits = _HEX[flat[:, : 2 * SHA_BYTES]]
    if (digits == 255).any():
        raise ValueError("expected digests in lower-case hexadecimal, got other characters")
    words = digits[:, 0::2] << np.uint8(4) | digits[:, 1::2]
    return np.ascontiguousarray(words).view(np.uint64)


def _published_columns(batch: pa.RecordBatch, shops: dict[str, int]) -> Columns:
    rows = batch.num_rows
    return {
        **_print_columns(batch),
        "site": _sites(batch["record_id"], shops),
        "mapped": np.ones(rows, np.bool_),
        "content": np.zeros(rows, np.int16),
        "border": np.zeros(rows, np.int8),
        "pixels": np.zeros(rows, np.int32),
        "removed": np.zeros(rows, np.int16),
        "first_run": np.zeros(rows, np.int16),
        "part": np.full(rows, -1, np.int32),
        "row": np.full(rows, -1, np.int32),
    }


def _sites(ids: pa.Array, shops: dict[str, int]) -> NDArray[np.int16]:
    """The shop of each of some ascending ids `<shop>:…`, NO_SITE for other shops."""
    found = np.full(len(ids), NO_SITE, np.int16)
    low, high = (ids[0].as_py(), ids[-1].as_py()) if len(ids) else ("", "")
    for shop, number in shops.items():
        if f"{shop}:" <= high and low < f"{shop};":  # ";" is the character behind ":"
            found[pc.starts_with(ids, f"{shop}:").to_numpy(zero_copy_only=False)] = number
    return found


def _part_columns(
    run: Run,
    name: str,
    table: pa.Table,
    rows: NDArray[np.int64],
    run_starts: NDArray[np.int64],
    number: int,
    shop: int,
) -> Columns:
    kept_before = np.cumsum(numbers(table["kept"]))[rows] - 1  # labels has the kept rows alone
    mapped = numbers(run.labels.read(name, ["mapped"])["mapped"])
    column = run.listings.read(name, ["first_seen"])["first_seen"]
    # Imported records have no date: none of them was there before another.
    seen = np.zeros(len(column), np.int64) if column.null_count else numbers(column)
    if len(seen) != table.num_rows:
        raise PartError(run.cleaned.path(name), f"expected {len(seen)} rows as its listings part")
    table = table.take(from_numbers(rows))
    area = _area(table["width"], table["height"])
    content = _area(table["content_width"], table["content_height"])
    content = np.where(content > 0, np.minimum(content, area), area)
    removed = numbers(pc.list_value_length(table["removed_segments"]))
    return {
        **_print_columns(table),
        "site": np.full(len(rows), shop, np.int16),
        "mapped": mapped[kept_before].astype(np.bool_),
        "content": np.searchsorted(_STEPS, content, side="right"),
        "border": 20 * (area - content) // np.maximum(area, 1),
        "pixels": area,
        "removed": np.minimum(removed, np.iinfo(np.int16).max),
        "first_run": np.searchsorted(run_starts, seen[rows], side="right"),
        "part": np.full(len(rows), number, np.int32),
        "row": rows.astype(np.int32),
    }


def _steps() -> Iterator[int]:
    """Areas that grow by 5 %: lossy files of one picture differ by 1 % in what is their border."""
    area = 1
    while area < np.iinfo(np.int32).max:
        yield area
        area += max(1, area // 20)


_STEPS = np.fromiter(_steps(), np.int64)


def _area(width: pa.ChunkedArray, height: pa.ChunkedArray) -> NDArray[np.int64]:
    """Pixels; 0 where a side is not known."""
    known = (pc.fill_null(side, 0) if side.null_count else side for side in (width, height))
    sides = (numbers(side).astype(np.int64) for side in known)
    area: NDArray[np.int64] = next(sides) * next(sides)
    return np.minimum(area, np.iinfo(np.int32).max)
