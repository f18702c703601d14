"""Pictures that were taken down, held against those of a run: their copies must not come in.

In come the tombstones of pictures and rows with fingerprints; out go the bits between each row and
the nearest of them that it is a copy of, -1 where it is none. Titles have no say: a tombstone
keeps none.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cleaning.hashes import is_degenerate
from runtime.columns import numbers
from runtime.config import DedupeConfig
from runtime.decisions import Decisions
from runtime.tombstones import REMOVED, Tombstone
from runtime.workspace import Run

PRINTS = ("phash", "phash_trim", "colour", "colour_trim")
RULE = "tombstone_image_v1"
NO_MATCH = -1


@dataclass(frozen=True)
class BarredPictures:
    """The pictures: SHA-256, and of those whose fingerprints are known two hashes and colours."""

    hashes: frozenset[str]
    prints: NDArray[np.uint64]  # [N, 2]: whole, trimmed
    colours: NDArray[np.int16]  # [N, 2, 48]
    settings: DedupeConfig

    @classmethod
    def of(
        cls, entries: Iterable[Tombstone], settings: DedupeConfig, version: str
    ) -> BarredPictures:
        """From the entries of kind `image`; fingerprints of another version tell nothing here."""
        entries = list(entries)
        known = [e.picture for e in entries if e.picture.get("version") == version]
        prints = [[int(p[name], 16) for name in ("phash", "phash_trim")] for p in known]
        colours = [
            [np.frombuffer(bytes.fromhex(p[name]), np.uint8) for name in ("colour", "colour_trim")]
            for p in known
        ]
        return cls(
            frozenset(entry.value for entry in entries),
            np.array(prints, np.uint64).reshape(-1, 2),
            np.array(colours, np.int16).reshape(-1, 2, 48),
            settings,
        )

    def bits(self, rows: pa.Table) -> NDArray[np.int16]:
        """For each row the bits to the nearest barred picture that it is a copy of, else -1.

        `rows` have sha256 and the fingerprints, without nulls.
        """
        best = np.full(rows.num_rows, 255, np.int16)
        if not rows.num_rows:
            return best
        own = [numbers(rows[name].combine_chunks()) for name in ("phash", "phash_trim")]
        colours = [_colours(rows[name]) for name in ("colour", "colour_trim")]
        radius = self.settings.radius if self.settings.policy == "near" else 0
        for prints, shades in zip(self.prints, self.colours, strict=True):
            for theirs, shade in zip(prints, shades, strict=True):
                for mine, colour in zip(own, colours, strict=True):
                    bits = np.bitwise_count(mine ^ theirs).astype(np.int16)
                    near = (bits <= radius) & ~is_degenerate(mine) & self._agree(colour, shade)
                    if not is_degenerate(np.array([theirs], np.uint64))[0]:
                        best = np.where(near, np.minimum(best, bits), best)
        same = [digest in self.hashes for digest in rows["sha256"].to_pylist()]
        best[np.array(same, np.bool_)] = 0
        return np.where(best == 255, np.int16(NO_MATCH), best)

    def _agree(self, colour: NDArray[np.int16], shade: NDArray[np.int16]) -> NDArray[np.bool_]:
        """Whether colours are within the bounds for copies, lightness and chroma apart."""
        if not self.settings.keep_variants:
            return np.ones(len(colour), np.bool_)
        apart = np.abs(colour - shade).reshape(len(colour), -1, 3)
        light = apart[:, :, 0].max(axis=1) <= self.settings.max_lightness_difference
        agrees: NDArray[np.bool_] = light & (
            apart[:, :, 1:].max(axis=(1, 2)) <= self.settings.max_chroma_difference
        )
        return agrees


def _colours(column: pa.ChunkedArray) -> NDArray[np.int16]:
    joined = b"".join(column.to_pylist())
    return np.frombuffer(joined, np.uint8).reshape(-1, 48).astype(np.int16)


def judge_barred(run: Run, part: str, barred: BarredPictures) -> pa.Table:
    """The decisions on a part's kept records whose picture was taken down."""
    columns = ["record_id", "kept", "sha256", *PRINTS]
    rows = run.cleaned.read(part, columns)
    rows = rows.filter(pc.and_(rows["kept"], pc.is_valid(rows["sha256"])))
    bits = barred.bits(rows)
    decisions = Decisions("dedupe", run.run_id)
    for record_id, measured in zip(rows["record_id"].to_pylist(), bits.tolist(), strict=True):
        if measured != NO_MATCH:
            decisions.add(
                record_id, RULE, REMOVED, "its picture, or one like it, was taken down",
                measured, barred.settings.radius,
            )  # fmt: skip
    return decisions.table()
