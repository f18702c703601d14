"""The fingerprint index of a release against its shards, and against the pictures themselves.

Comes in: rows of `fingerprints.parquet` and what was made again from each shard. Goes out: rows
that differ. What another platform's decoder may change by is a warning, except of records that
this very platform published.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from provenance.failure import Failure
from provenance.picture_prints import MAX_COLOUR_DIFFERENCE, MAX_HASH_DIFFERENCE, load_prints
from provenance.records import Records, record_keys
from release.environment import environment
from release.lineage import FINGERPRINTS_FILE
from release.manifest import Manifest

_FILE = FINGERPRINTS_FILE.as_posix()
INDEX_COLUMNS = ["sha256", "phash", "phash_trim", "colour", "colour_trim", "sketch"]
_DECIDING = ("pillow", "libjpeg", "numpy", "machine", "cpu")


def is_same_platform(manifest: Manifest) -> bool:
    """Whether all the release's fingerprints were made by what runs here."""
    here = environment()
    told = manifest.environment
    return manifest.parent is None and all(told.get(n) == here[n] for n in _DECIDING)


@dataclass(frozen=True)
class IndexCheck:
    """The shards' records, by shard the fingerprints made again, and whether they must be equal."""

    records: Records
    prints: Sequence[Path]
    strict: bool

    def faults(self, batch: pa.RecordBatch, first: int) -> Iterator[Failure]:
        """Rows of the index, the first being its row `first`, that are not as their shards say."""
        ids = batch["record_id"].to_pylist()
        places = self.records.find(record_keys(ids))
        # What no shard holds is told of lineage, what has no picture by its place here.
        held = np.flatnonzero(places >= 0)
        held = held[self.records.rows["pictured"][places[held]]]
        rows = self.records.rows[places[held]]
        told = {name: _column(batch, name)[held] for name in INDEX_COLUMNS}
        for shard in np.unique(rows["shard"]).tolist():
            of_shard = np.flatnonzero(rows["shard"] == shard)
            found = load_prints(self.prints[shard])[rows["row"][of_shard]]
            for name in ("sha256", "sketch"):
                for at in np.flatnonzero(_differ(found[name], told[name][of_shard])).tolist():
                    row = int(held[of_shard[at]])
                    what = "title" if name == "sketch" else "shard's picture"
                    problem = f"record {ids[row]}: `{name}` is not that of its {what}"
                    yield Failure(_FILE, first + row, problem)
            for at, number in enumerate(of_shard.tolist()):
                unlike = self._problem(found[at], rows[number], told, number)
                if unlike is not None:
                    row = int(held[number])
                    text, is_near = unlike
                    fault = f"record {ids[row]}: {text}"
                    yield Failure(_FILE, first + row, fault, is_warning=is_near and not self.strict)

    def _problem(
        self, found: np.void, record: np.void, told: dict[str, npt.NDArray[np.generic]], number: int
    ) -> tuple[str, bool] | None:
        """What is wrong with a row's fingerprints, and whether another decoder may do that."""
        phash = int(told["phash"][number])
        if phash != int(record["phash"]):
            return f"expected phash {record['phash']} as in its shard, got {phash}", False
        if not found["is_known"]:
            return None
        worst: tuple[str, bool] | None = None
        for name in ("phash", "phash_trim"):
            own, said = int(found[name]), int(told[name][number])
            if own != said:
                bits = (own ^ said).bit_count()
                words = f"expected {name} {own} of its picture, got {said}, {bits} bits off"
                worst = _worse(worst, (words, bits <= MAX_HASH_DIFFERENCE))
        for name in ("colour", "colour_trim"):
            apart = np.abs(found[name].astype(np.int16) - told[name][number].astype(np.int16))
            if apart.any():
                words = f"`{name}` is {apart.max()} of 255 off from that of its picture"
                worst = _worse(worst, (words, int(apart.max()) <= MAX_COLOUR_DIFFERENCE))
        return worst


def _worse(one: tuple[str, bool] | None, other: tuple[str, bool]) -> tuple[str, bool]:
    return one if one is not None and (not one[1] or other[1]) else other


def _column(batch: pa.RecordBatch, name: str) -> npt.NDArray[np.generic]:
    values = batch[name]
    if pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy())
    listed: list[Any] = values.to_pylist()
    if name == "sha256":
        return np.array([text.encode() for text in listed], "S64")
    return np.frombuffer(b"".join(listed), np.uint8).reshape(-1, values.type.byte_width)


def _differ(found: npt.NDArray[np.generic], told: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    return np.asarray((found != told).reshape(len(found), -1).any(axis=1))
