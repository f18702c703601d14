"""Take a release's fingerprints anew: of each shard's pictures, then in the order of its index.

In come shards and the old index; out go a part of fingerprints for each shard, in the order of its
rows, and an index as the old one with the new fingerprints. A picture that does not decode any more
gets degenerate ones: it stays published, and its bytes still tell its copies.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cleaning.copies.candidates import fixed_width
from cleaning.copies.published import BATCH_ROWS, PublishedIndex
from cleaning.hashes import COLOUR_BYTES, Mode
from cleaning.images.decoding import DecodedImage, ImageFailure, ImageLimits, decode
from cleaning.images.fingerprints import fingerprint_batch
from release.reversion import INDEX, OF
from runtime.allowance import Allowance, is_expendable
from runtime.apart import Death, judged_apart
from runtime.errors import WorkspaceError
from runtime.storage import sha256_file
from runtime.tables import FINGERPRINT, FINGERPRINTS, REPRINTS

if TYPE_CHECKING:
    from cleaning.copies.reindex import IndexWork, ShardWork

BATCH_IMAGES = 64
BATCH_PIXELS = 32_000_000
# As much as any configuration can have admitted.
LIMITS = ImageLimits(max_pixels=89_000_000)
MEMORY = 1024**3 + 48 * LIMITS.max_pixels + LIMITS.max_bytes

_PRINTS = ("phash", "phash_trim", "colour", "colour_trim")
Prints = dict[str, NDArray[Any]]


def reprint_shard(work: ShardWork) -> None:
    """Fingerprint every picture of a shard. Raises WorkspaceError where it cannot be read."""
    shard = Shard(work.shard, work.mode, work.max_seconds)
    try:
        _write(work, shard, careful(shard) if work.careful else quick(shard))
    except MemoryError:  # the allowance's, which does not say of which picture
        _write(work, shard, careful(shard))


def _write(work: ShardWork, shard: Shard, prints: Iterator[Prints]) -> None:
    batches = (_batch(ids, found) for ids, found in zip(shard.ids(), prints, strict=True))
    work.run.reprints.write(work.name, batches, work.key, metadata={FINGERPRINT: work.version})


@dataclass(frozen=True)
class Shard:
    """The pictures of a shard, some at a time; rows without one are passed over."""

    path: Path
    mode: Mode
    max_seconds: float

    def ids(self) -> Iterator[pa.Array]:
        """Record ids, as many at a time as there are pictures in `batches`."""
        for rows in self._rows(["record_id", "sha256"]):
            yield rows["record_id"]

    def batches(self) -> Iterator[pa.Array]:
        """Origin bytes."""
        for rows in self._rows(["image", "sha256"]):
            yield rows["image"].field("bytes")

    def read(self, rows: Sequence[int]) -> Iterator[bytes]:
        """Origin bytes of some rows, which ascend."""
        wanted, row = set(rows), 0
        for pictures in self.batches():
            for value in pictures:
                if row in wanted:
                    yield value.as_py()
                row += 1

    def judge(self, data: bytes) -> Prints:
        """The fingerprints of one picture, as arrays of one row."""
        return prints_of([self.decoded(data)], 1)

    def decoded(self, data: bytes) -> DecodedImage | ImageFailure:
        """One picture, within an allowance where this process may end."""
        allowance = Allowance(self.max_seconds, MEMORY)
        kept: AbstractContextManager[None] = allowance.kept() if is_expendable() else nullcontext()
        with kept:
            return decode(data, LIMITS, self.mode)

    def _rows(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        try:
            with pq.ParquetFile(self.path, page_checksum_verification=True) as file:
                for group in range(file.num_row_groups):
                    table = file.read_row_group(group, columns=columns)
                    table = table.filter(pc.is_valid(table["sha256"])).combine_chunks()
                    for start in range(0, table.num_rows, BATCH_IMAGES):
                        yield from table.slice(start, BATCH_IMAGES).to_batches()
        except (OSError, pa.ArrowException) as error:
            raise WorkspaceError(
                f"{self.path}: expected a readable shard, got {error}; run `mep3m verify`"
            ) from error


def quick(shard: Shard) -> Iterator[Prints]:
    """The fingerprints of a shard, as many at a time as its `ids`."""
    for pictures in shard.batches():
        yield prints_of((shard.decoded(value.as_py()) for value in pictures), len(pictures))


def careful(shard: Shard) -> Iterator[Prints]:
    """The same in a process apart, which hostile bytes may end."""
    sizes = [len(ids) for ids in shard.ids()]
    judged = judged_apart(shard, range(sum(sizes)))
    for size in sizes:
        found = _no_prints(size)
        for place, (_, prints) in enumerate(islice(judged, size)):
            if not isinstance(prints, Death):
                for name, values in prints.items():
                    found[name][place] = values[0]
        yield found


def prints_of(decoded: Iterable[DecodedImage | ImageFailure], rows: int) -> Prints:
    """Fingerprints row by row, zeros for what did not decode. Few pictures are held at a time."""
    found = _no_prints(rows)
    held: dict[int, DecodedImage] = {}
    pixels = 0
    for row, image in enumerate(decoded):
        if isinstance(image, DecodedImage):
            held[row] = image
            pixels += image.pixels.size // 3
        if held and (pixels >= BATCH_PIXELS or row == rows - 1):
            prints = fingerprint_batch(list(held.values()))
            for name in _PRINTS:
                found[name][list(held)] = getattr(prints, name)
            held, pixels = {}, 0
    return found


def _no_prints(rows: int) -> Prints:
    return {
        "phash": np.zeros(rows, np.uint64),
        "phash_trim": np.zeros(rows, np.uint64),
        "colour": np.zeros((rows, COLOUR_BYTES), np.uint8),
        "colour_trim": np.zeros((rows, COLOUR_BYTES), np.uint8),
    }


def _batch(record_ids: pa.Array, prints: Prints) -> pa.RecordBatch:
    arrays = [record_ids, *(_column(prints[name]) for name in _PRINTS)]
    return pa.RecordBatch.from_arrays(arrays, schema=REPRINTS.schema)


def _column(values: NDArray[Any]) -> pa.Array:
    kind = pa.uint64() if values.ndim == 1 else pa.binary(values.shape[1])
    data = pa.py_buffer(np.ascontiguousarray(values).tobytes())
    return pa.Array.from_buffers(kind, len(values), [None, data])


def index_all(work: IndexWork) -> None:
    """Write the old index with the new fingerprints, which take 112 bytes a record in memory.

    Raises WorkspaceError unless the shards hold the records of the index and no others.
    """
    with PublishedIndex(work.old) as index:
        prints = _no_prints(len(index))
        covered = np.zeros(len(index), np.bool_)
        for shard in work.shards:
            _lay(index, work.run.reprints.read(shard), prints, covered)
        if not covered.all():
            raise WorkspaceError(
                f"{work.old}: expected a picture in the shards for each of {len(index)} rows, "
                f"found {int(covered.sum())}; run `mep3m verify`"
            )
        work.run.fingerprints.write(
            INDEX, _indexed(index, prints), work.key, row_group_rows=BATCH_ROWS,
            metadata={FINGERPRINT: work.version, OF: sha256_file(work.old)},
        )  # fmt: skip


def _lay(index: PublishedIndex, rows: pa.Table, prints: Prints, covered: NDArray[np.bool_]) -> None:
    rows = rows.sort_by("record_id").combine_chunks()
    places = index.rows_of(rows["record_id"].combine_chunks())
    if (places < 0).any():
        stranger = rows["record_id"][int(np.flatnonzero(places < 0)[0])]
        raise WorkspaceError(
            f"{index.path}: expected record {stranger}, which a shard holds, found none; "
            "run `mep3m verify`"
        )
    for name in ("phash", "phash_trim"):
        prints[name][places] = rows[name].to_numpy()
    for name in ("colour", "colour_trim"):
        prints[name][places] = fixed_width(rows[name].combine_chunks(), COLOUR_BYTES)
    covered[places] = True


def _indexed(index: PublishedIndex, prints: Prints) -> Iterator[pa.RecordBatch]:
    start = 0
    for batch in index.batches(FINGERPRINTS.schema.names):
        end = start + batch.num_rows
        columns = {name: batch[name] for name in FINGERPRINTS.schema.names}
        columns |= {name: _column(values[start:end]) for name, values in prints.items()}
        yield pa.RecordBatch.from_arrays(list(columns.values()), schema=FINGERPRINTS.schema)
        start = end
