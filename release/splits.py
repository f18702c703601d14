"""Splits: train, validation or test, by a fixed hash of the leak group.

Records of one leak group share a split for ever: a group that is published keeps its split even
when the configured shares change, so that no picture moves from training into a test set.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from runtime.keys import order_hash

SPLITS = ("train", "validation", "test")
SPLIT_CODE = {split: code for code, split in enumerate(SPLITS)}

_SALT = "split:"  # the order inside a shard hashes record ids; a split must not follow it
_KEPT = np.dtype([("group", "<u8"), ("split", "u1")])


def split_of(leak_group: str, validation_share: float, test_share: float) -> str:
    """The split of a group that is not published yet; shares are of groups, 0 to 0.5 each."""
    point = order_hash(_SALT + leak_group) / 2**64
    if point < test_share:
        return "test"
    return "validation" if point < test_share + validation_share else "train"


@dataclass(frozen=True)
class Splitter:
    """Splits of newcomers, given the published groups that today's shares would split otherwise.

    `kept` is sorted by the 64-bit hash of the group's name, 9 bytes a group; with unchanged
    shares it is empty, so memory does not grow with the release.
    """

    validation_share: float
    test_share: float
    kept: npt.NDArray[np.void]

    def split(self, leak_group: str) -> str:
        """The group's published split, or the one its name hashes to."""
        name = np.uint64(order_hash(leak_group))
        place = int(np.searchsorted(self.kept["group"], name))
        if place < len(self.kept) and self.kept["group"][place] == name:
            return SPLITS[int(self.kept["split"][place])]
        return split_of(leak_group, self.validation_share, self.test_share)


def published_exceptions(
    lineage: Iterable[pa.RecordBatch], validation_share: float, test_share: float
) -> npt.NDArray[np.void]:
    """Published groups whose split is not what `split_of` gives now, for `Splitter.kept`.

    `lineage` streams batches with `leak_group` and `split`.
    """
    found: list[tuple[int, int]] = []
    for batch in lineage:
        groups, splits = batch["leak_group"].to_pylist(), batch["split"].to_pylist()
        found.extend(
            (order_hash(group), SPLIT_CODE[split])
            for group, split in zip(groups, splits, strict=True)
            if split_of(group, validation_share, test_share) != split
        )
    return np.unique(np.array(found, dtype=_KEPT))


def save_exceptions(path: Path, kept: npt.NDArray[np.void]) -> None:
    """Write `kept` for the workers."""
    with path.open("wb") as stream:
        np.save(stream, kept)


def load_splitter(path: Path, validation_share: float, test_share: float) -> Splitter:
    """The splitter over a file of `save_exceptions`, memory-mapped."""
    return Splitter(validation_share, test_share, np.load(path, mmap_mode="r"))
