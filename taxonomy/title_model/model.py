"""A trained title model: loaded from one file without pickle, asked for many titles at once.

In come titles, out go a probability for each leaf that the model knows, and the confidence from
which on it may decide. A model speaks of one tree; with another one it is refused.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from runtime.errors import ConfigError
from runtime.keys import digest
from runtime.storage import write_bytes
from taxonomy.tree import Level, Node, Tree

FORMAT = "mep3m-title-model-1"
RULE = "title_model_v1"
"""The rule by which a model decides; such labels never train or score a model."""


@dataclass(frozen=True)
class TitleModel:
    """`weights` float32[features, leaves], `intercepts` float32[leaves]; probabilities are the
    softmax of the scores times `temperature`. `decides_at` is None where it may never decide.
    `meta` says what it was trained on, with what, and how it did."""

    leaves: tuple[Node, ...]
    weights: NDArray[np.float32]
    intercepts: NDArray[np.float32]
    temperature: float
    decides_at: float | None
    meta: Mapping[str, Any]

    def read(self, titles: Sequence[str]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """How probable each leaf is for each title, float32[N, leaves], and how sure the model is
        of the most probable one, float32[N].

        That is its probability; or 0 where the title does not speak for that leaf itself, and is
        only more unlike all others: titles of goods that the model never saw are such.
        """
        from taxonomy.title_model.features import vectors

        scores = np.asarray(vectors(titles) @ self.weights) + self.intercepts
        probable = softmax(scores * np.float32(self.temperature))
        return probable, np.where(scores.max(axis=1) > 0, probable.max(axis=1), np.float32(0))


def softmax(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each row's scores as probabilities."""
    raised = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float32)


def tree_digest(tree: Tree) -> str:
    """What a model has to agree with: ids, names and parents, not aliases or notes."""
    return digest(*(f"{n.level} {n.id} {n.name} {n.parent_id}" for n in tree.nodes))


def save_model(model: TitleModel, path: Path, tree: Tree) -> None:
    """Write a model, whole or not at all; the same model gives the same bytes."""
    told = {
        "format": FORMAT,
        "tree": tree_digest(tree),
        "temperature": model.temperature,
        "decides_at": model.decides_at,
        "meta": dict(model.meta),
    }
    stream = io.BytesIO()
    np.savez(
        stream,
        told=np.frombuffer(json.dumps(told, sort_keys=True).encode(), np.uint8),
        thirds=np.array([leaf.level is Level.SUBSUB_CLASS for leaf in model.leaves], np.bool_),
        ids=np.array([leaf.id for leaf in model.leaves], np.int32),
        weights=model.weights.astype(np.float16),
        intercepts=model.intercepts,
    )
    write_bytes(path, stream.getvalue())


def load_model(path: Path, tree: Tree) -> TitleModel:
    """Read a model. Raises ConfigError when it is missing, damaged, or of another tree."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            told = json.loads(stored["told"].tobytes())
            thirds, ids = stored["thirds"].tolist(), stored["ids"].tolist()
            weights = stored["weights"].astype(np.float32)
            intercepts = stored["intercepts"]
        if told["format"] != FORMAT:
            raise _unusable(path, f"a model of another format ({told['format']!r})")
        if told["tree"] != tree_digest(tree):
            raise _unusable(path, "one that was trained for another category tree")
        levels = [Level.SUBSUB_CLASS if third else Level.SUB_CLASS for third in thirds]
        nodes = [tree.get(level, id) for level, id in zip(levels, ids, strict=True)]
        leaves = tuple(node for node in nodes if node is not None)
        if len(leaves) != len(nodes) or weights.shape[1:] != intercepts.shape != (len(leaves),):
            raise _unusable(path, "one whose parts do not fit together")
        temperature, decides_at = float(told["temperature"]), told["decides_at"]
    except FileNotFoundError as error:
        raise _unusable(path, "none") from error
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise _unusable(path, f"a file that is none or damaged ({error})") from error
    return TitleModel(leaves, weights, intercepts, temperature, decides_at, told["meta"])


def _unusable(path: Path, received: str) -> ConfigError:
    return ConfigError(
        f"title model {path}: expected a file made by `mep3m taxonomy train`, got {received}; "
        "train it again or change `map.model`"
    )
