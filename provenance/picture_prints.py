"""The fingerprints of a shard's rows, made again from its pictures and titles.

Comes in: a shard's rows, row group by row group. Goes out: a file with a `PRINT` a row, which later
checks read in place, so that no more than a row group's pictures are in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cleaning.hashes import Mode
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import fingerprint_batch
from cleaning.titles.sketch import title_sketches
from provenance.failure import Failure
from runtime.keys import order_hash

MAX_HASH_DIFFERENCE = 2
"""In bits: another platform's JPEG decoder may differ by one grey level."""
MAX_COLOUR_DIFFERENCE = 2
"""Of 255, in any cell, for the same reason."""

PRINT = np.dtype(
    [
        ("is_known", "?"), ("phash", "<u8"), ("phash_trim", "<u8"), ("colour", "u1", 48),
        ("colour_trim", "u1", 48), ("sketch", "u1", 32), ("sha256", "S64"),
    ]
)  # fmt: skip
_BATCH_PIXELS = 8_000_000
_SALT = "verify:"


class Prints:
    """Fingerprints of one shard; `mode` None: of a version that cannot be made here."""

    def __init__(self, mode: Mode | None, share: float) -> None:
        self.mode, self.share, self.decoded = mode, share, 0
        self._pieces: list[npt.NDArray[np.void]] = []

    def add(
        self, path: str, rows: pa.Table, first: int, digests: list[str | None]
    ) -> Iterator[Failure]:
        """Some rows of the shard, of which the first is its row `first`.

        Pictures whose `digests` are not those of their rows are told of already.
        """
        found = np.zeros(rows.num_rows, PRINT)
        found["sketch"] = title_sketches([title or "" for title in rows["title"].to_pylist()])
        found["sha256"] = [(sha or "").encode() for sha in rows["sha256"].to_pylist()]
        self._pieces.append(found)
        if self.mode is None:
            return
        batch: list[tuple[int, DecodedImage]] = []
        pixels = 0
        ids, sizes = rows["record_id"].to_pylist(), rows.select(["width", "height"]).to_pylist()
        for row, (record, picture) in enumerate(zip(ids, rows["image"], strict=True)):
            is_own = digests[row] == rows["sha256"][row].as_py()
            if not picture.is_valid or not is_own or not self._chosen(record):
                continue
            decoded = decode(picture["bytes"].as_py() or b"", mode=self.mode)
            if not isinstance(decoded, DecodedImage):
                problem = f"record {record}: its picture cannot be decoded: {decoded.reason}"
                yield Failure(path, first + row, problem)
                continue
            size = {"width": decoded.width, "height": decoded.height}
            if sizes[row] != size:
                problem = f"record {record}: expected a picture of {sizes[row]}, got {size}"
                yield Failure(path, first + row, problem)
            batch.append((row, decoded))
            pixels += decoded.pixels.size
            if pixels > _BATCH_PIXELS:
                self._fill(found, batch)
                batch, pixels = [], 0
        self._fill(found, batch)
        yield from _faults(path, found, rows, first)

    def _chosen(self, record: str) -> bool:
        return self.share >= 1 or order_hash(_SALT + record) < self.share * 2**64

    def _fill(self, found: npt.NDArray[np.void], batch: list[tuple[int, DecodedImage]]) -> None:
        places = [row for row, _ in batch]
        prints = fingerprint_batch([decoded for _, decoded in batch])
        for name in ("phash", "phash_trim", "colour", "colour_trim"):
            found[name][places] = getattr(prints, name)
        found["is_known"][places] = True
        self.decoded += len(batch)

    def save(self, path: Path) -> None:
        """Write the fingerprints for `load_prints`."""
        with path.open("wb") as stream:
            np.save(stream, np.concatenate(self._pieces or [np.empty(0, PRINT)]))


def load_prints(path: Path) -> npt.NDArray[np.void]:
    """The fingerprints of a shard's rows, memory-mapped."""
    found: npt.NDArray[np.void] = np.load(path, mmap_mode="r")
    return found


def _faults(
    path: str, found: npt.NDArray[np.void], rows: pa.Table, first: int
) -> Iterator[Failure]:
    told: list[Any] = rows["phash"].to_pylist()
    for row in np.flatnonzero(found["is_known"]).tolist():
        if told[row] is None:
            continue  # told as a missing value already
        own = int(found["phash"][row])
        bits = (own ^ told[row]).bit_count()
        if bits:
            problem = f"record {rows['record_id'][row]}: expected phash {own}, got {told[row]}"
            is_near = bits <= MAX_HASH_DIFFERENCE
            yield Failure(path, first + row, f"{problem}, {bits} bits off", is_warning=is_near)
