"""Labelled titles of a release, a few thousand at a time, in an order that repeats exactly.

In comes a release's folder, out go batches of titles and leaves of one split. Labels that a model
gave are left out: a model neither learns from itself nor is measured by itself.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from taxonomy.title_model.model import RULE
from taxonomy.tree import Level, Node, Tree

BATCH = 20_000
_COLUMNS = ["title", "sub_class_id", "subsub_class_id", "label_rule"]
_BY_MODEL = RULE.rpartition("_v")[0]


@dataclass(frozen=True)
class Batch:
    """Titles, and for each the number of its leaf."""

    titles: list[str]
    leaves: NDArray[np.int64]


@dataclass(frozen=True)
class LabelledTitles:
    """The records of a release by split: its shards are named after theirs."""

    shards: Mapping[str, tuple[Path, ...]]
    numbers: Mapping[tuple[int, int | None], int]

    def batches(self, split: str, seed: int | None = None) -> Iterator[Batch]:
        """All of a split. With a seed the shards, and the records of a batch, come shuffled."""
        draw = None if seed is None else random.Random(seed)
        shards = list(self.shards.get(split, ()))
        if draw is not None:
            draw.shuffle(shards)
        titles: list[str] = []
        leaves: list[int] = []
        for shard in shards:
            for rows in pq.ParquetFile(shard).iter_batches(BATCH, columns=_COLUMNS):
                for title, sub, third, rule in zip(
                    *(column.to_pylist() for column in rows.columns), strict=True
                ):
                    number = self.numbers.get((sub, third))
                    if title and number is not None and rule.rpartition("_v")[0] != _BY_MODEL:
                        titles.append(title)
                        leaves.append(number)
                while len(titles) >= BATCH:
                    yield _batch(titles[:BATCH], leaves[:BATCH], draw)
                    del titles[:BATCH], leaves[:BATCH]
        if titles:
            yield _batch(titles, leaves, draw)


def labelled_titles(release: Path, leaves: Sequence[Node], tree: Tree) -> LabelledTitles:
    """The records of a release whose leaf is one of `leaves`, numbered in their order."""
    numbers: dict[tuple[int, int | None], int] = {}
    for number, leaf in enumerate(leaves):
        label = tree.label(leaf)
        third = label.subsub_class_id if leaf.level is Level.SUBSUB_CLASS else None
        numbers[label.sub_class_id, third] = number
    shards: dict[str, list[Path]] = {}
    for path in sorted((release / "data").glob("*.parquet")):
        shards.setdefault(path.name.partition("-")[0], []).append(path)
    return LabelledTitles({split: tuple(paths) for split, paths in shards.items()}, numbers)


def _batch(titles: list[str], leaves: list[int], draw: random.Random | None) -> Batch:
    order = list(range(len(titles)))
    if draw is not None:
        draw.shuffle(order)
    return Batch([titles[i] for i in order], np.array([leaves[i] for i in order], np.int64))
