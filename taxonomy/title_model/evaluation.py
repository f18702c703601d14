"""How well a model reads titles: accuracy on three levels, macro F1, by how many records taught it.

In come a model and the labelled titles of a split; out go figures, which are the dataset's text
baseline. A leaf that the model never saw counts against it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from taxonomy.title_model.labelled import LabelledTitles
from taxonomy.title_model.model import TitleModel
from taxonomy.tree import Node, Tree

HEAD, MIDDLE = 1_000, 100
"""Training records from which on a leaf is of the head, or of the middle; the rest is the tail."""


def evaluate(
    model: TitleModel,
    records: LabelledTitles,
    leaves: Sequence[Node],
    tree: Tree,
    split: str = "test",
) -> dict[str, Any]:
    """Figures on a split; every share is null where there is nothing to measure."""
    number = {leaf: place for place, leaf in enumerate(leaves)}
    known = np.array([number[leaf] for leaf in model.leaves], np.int64)
    truth, found, sure = [], [], []
    for batch in records.batches(split):
        probable, confidence = model.read(batch.titles)
        truth.append(batch.leaves)
        found.append(known[probable.argmax(axis=1)])
        sure.append(confidence)
    if not truth:
        return {"split": split, "records": 0}
    right, said, confidence = map(np.concatenate, (truth, found, sure))
    taught = np.zeros(len(leaves), np.int64)
    for batch in records.batches("train"):
        taught += np.bincount(batch.leaves, minlength=len(leaves))
    tiers = np.where(taught >= HEAD, 0, np.where(taught >= MIDDLE, 1, 2))
    decided = confidence >= model.decides_at if model.decides_at is not None else right < 0
    figures: dict[str, Any] = {
        "split": split,
        "records": len(right),
        "accuracy": {
            "class": _share(_parents(leaves, tree, 0)[right] == _parents(leaves, tree, 0)[said]),
            "sub_class": _share(
                _parents(leaves, tree, 1)[right] == _parents(leaves, tree, 1)[said]
            ),
            "leaf": _share(right == said),
        },
        "macro_f1": _macro_f1(right, said, len(leaves)),
        "decided": {
            "confidence": model.decides_at,
            "share": _share(decided),
            "precision": _share((right == said)[decided]),
        },
    }
    for tier, name in enumerate(("head", "middle", "tail")):
        of_tier = tiers[right] == tier
        figures[name] = {
            "leaves": int(np.count_nonzero((tiers == tier) & (taught > 0))),
            "records": int(of_tier.sum()),
            "accuracy": _share((right == said)[of_tier]),
            "macro_f1": _macro_f1(right[of_tier], said[of_tier], len(leaves)),
        }
    return figures


def _parents(leaves: Sequence[Node], tree: Tree, depth: int) -> NDArray[np.int64]:
    """Each leaf's ancestor of a level: 0 its class, 1 its sub-class."""
    return np.array([tree.lineage(leaf)[depth].id for leaf in leaves], np.int64)


def _share(right: NDArray[np.bool_]) -> float | None:
    return round(float(right.mean()), 4) if len(right) else None


def _macro_f1(right: NDArray[np.int64], said: NDArray[np.int64], leaves: int) -> float | None:
    """The mean F1 of the leaves that occur among the true ones."""
    if not len(right):
        return None
    hits = np.bincount(right[right == said], minlength=leaves)
    true, told = np.bincount(right, minlength=leaves), np.bincount(said, minlength=leaves)
    occurring = true > 0
    f1 = 2 * hits[occurring] / (true[occurring] + told[occurring])
    return round(float(f1.mean()), 4)
