"""Training out of core: a linear model over the leaves, its probabilities calibrated on titles that
it has not seen, and the confidence at which it may decide measured on others again.

The train split trains; of the validation split every other record calibrates, the rest measures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.metadata import version
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from sklearn.linear_model import SGDClassifier

from runtime.errors import ConfigError
from taxonomy.title_model.features import FEATURES, vectors
from taxonomy.title_model.labelled import LabelledTitles
from taxonomy.title_model.model import TitleModel
from taxonomy.tree import Node

EPOCHS = 2
SEED = 20_261_123
LEAST_PRECISION = 0.98
LEAST_CONFIDENCE = 0.9
"""Below it no title is decided, however right the sure ones make the whole: each is one record."""

Z = 1.645
"""Standard deviations of the one-sided 95 % bound below the measured precision."""

MAX_CALIBRATED = 50_000


def train(
    records: LabelledTitles,
    leaves: tuple[Node, ...],
    meta: Mapping[str, Any],
    tick: Callable[[int], None],
) -> TitleModel:
    """A model of the leaves that occur in the train split; `tick` is told the titles done.

    Raises ConfigError where fewer than two leaves have records.
    """
    counts = np.zeros(len(leaves), np.int64)
    for batch in records.batches("train"):
        counts += np.bincount(batch.leaves, minlength=len(leaves))
    known = np.flatnonzero(counts)
    if len(known) < 2:
        raise ConfigError(
            f"expected a release with records of two leaves at least, found {len(known)}; "
            "labels that a model gave do not count"
        )
    learner = SGDClassifier(
        loss="log_loss", alpha=1e-6, learning_rate="optimal", random_state=SEED, n_jobs=2
    )
    done = 0
    for epoch in range(EPOCHS):
        for batch in records.batches("train", seed=SEED + epoch):
            learner.partial_fit(vectors(batch.titles), batch.leaves, classes=known)
            done += len(batch.titles)
            tick(done)
    weights, intercepts = _of_classes(learner)
    told = {
        **meta,
        "records": int(counts.sum()),
        "epochs": EPOCHS,
        "features": FEATURES,
        "ngrams": [1, 3],
        "libraries": {name: version(name) for name in ("scikit-learn", "numpy", "scipy")},
    }
    model = TitleModel(
        tuple(leaves[number] for number in known), _stored(weights), intercepts, 1.0, None, told
    )
    return _calibrated(model, records, known)


def _of_classes(learner: SGDClassifier) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Weights [features, classes] and intercepts; of two classes the learner keeps one."""
    weights, intercepts = learner.coef_.T, learner.intercept_
    if weights.shape[1] == 1:
        weights, intercepts = np.hstack((-weights, weights)), np.hstack((-intercepts, intercepts))
    return weights.astype(np.float32), intercepts.astype(np.float32)


def _stored(weights: NDArray[np.float32]) -> NDArray[np.float32]:
    """As the file will have them: what is measured is what will be used."""
    return weights.astype(np.float16).astype(np.float32)


def _calibrated(model: TitleModel, records: LabelledTitles, known: NDArray[np.int64]) -> TitleModel:
    """With the temperature of every other validation record, and a confidence of the rest."""
    places = {number: place for place, number in enumerate(known.tolist())}
    scores: list[NDArray[np.float32]] = []
    truth: list[NDArray[np.int64]] = []
    for batch in records.batches("validation"):
        right = np.array([places.get(number, -1) for number in batch.leaves.tolist()])
        learned = np.flatnonzero(right[::2] >= 0) * 2
        titles = [batch.titles[row] for row in learned.tolist()]
        if titles and sum(map(len, truth)) < MAX_CALIBRATED:
            scores.append(np.asarray(vectors(titles) @ model.weights) + model.intercepts)
            truth.append(right[learned])
    if not truth:
        return model
    model = replace(model, temperature=_temperature(np.vstack(scores), np.concatenate(truth)))
    confidences: list[NDArray[np.float32]] = []
    rights: list[NDArray[np.bool_]] = []
    for batch in records.batches("validation"):
        if len(batch.titles) > 1:
            probable, sure = model.read(batch.titles[1::2])
            confidences.append(sure)
            rights.append(known[probable.argmax(axis=1)] == batch.leaves[1::2])
    if not rights:
        return model
    decides_at = deciding_confidence(np.concatenate(confidences), np.concatenate(rights))
    return replace(model, decides_at=decides_at)


def _temperature(scores: NDArray[np.float32], truth: NDArray[np.int64]) -> float:
    """The factor on scores that makes the true leaves most probable (Guo and others 2017)."""
    rows = np.arange(len(truth))

    def loss(log_factor: float) -> float:
        scaled = scores * np.exp(log_factor)
        top = scaled.max(axis=1)
        total = np.log(np.exp(scaled - top[:, None]).sum(axis=1)) + top
        return float(np.mean(total - scaled[rows, truth]))

    found = minimize_scalar(loss, bounds=(-4.0, 4.0), method="bounded")
    return float(np.exp(found.x))


def deciding_confidence(confidences: NDArray[np.float32], right: NDArray[np.bool_]) -> float | None:
    """The smallest confidence from which on precision is surely at least LEAST_PRECISION.

    Surely: the lower end of its 95 % interval (Wilson 1927) is, so a handful of records is never
    enough. None where there is no such confidence, or none of at least LEAST_CONFIDENCE.
    """
    if not len(confidences):
        return None
    order = np.argsort(-confidences, kind="stable")
    sorted_, hits = confidences[order], np.cumsum(right[order])
    counts = np.arange(1, len(order) + 1)
    share = hits / counts
    centre = share + Z**2 / (2 * counts)
    spread = Z * np.sqrt(share * (1 - share) / counts + Z**2 / (4 * counts**2))
    bound = (centre - spread) / (1 + Z**2 / counts)
    # Only where a confidence ends: records of one confidence are decided together.
    ends = np.append(sorted_[1:] != sorted_[:-1], True)
    good = np.flatnonzero((bound >= LEAST_PRECISION) & ends & (sorted_ >= LEAST_CONFIDENCE))
    return float(sorted_[good[-1]]) if len(good) else None
