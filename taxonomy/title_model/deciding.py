"""What a title model adds to what the paths said: a label where they say too little, a doubt where
it contradicts them, guesses for review.

In come a part's verdicts and titles, out go verdicts again and, row by row, what the title alone
says. A path that decided keeps its label; a person's word that the tree has no place stays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from taxonomy.batches import BatchVerdicts
from taxonomy.mapper import MapVerdict
from taxonomy.readings import SUGGESTIONS
from taxonomy.rules import NO_COUNTERPART_RULE
from taxonomy.suggestions import Suggestion
from taxonomy.title_model.model import RULE, TitleModel
from taxonomy.tree import Node, Tree

CONTRADICTS_RULE = "title_contradicts_path_v1"
REASON = "the paths say too little, and the title alone is sure enough"
CHUNK = 2_000
"""Titles asked for at once: their probabilities take 5 MB with 688 leaves."""


@dataclass(frozen=True)
class Titled:
    """`found` with the model's decisions; for each row the number of the leaf that its title means
    (in `model.leaves`), how sure that is, and whether that contradicts its label."""

    found: BatchVerdicts
    leaf: NDArray[np.int64]
    confidence: NDArray[np.float64]
    contradicted: NDArray[np.bool_]


def add_titles(
    found: BatchVerdicts, titles: Sequence[str], model: TitleModel, tree: Tree
) -> Titled:
    """Ask the model for every title. The same rows give the same answers, whatever stands beside
    them."""
    rows = len(titles)
    leaf, confidence = np.zeros(rows, np.int64), np.zeros(rows, np.float64)
    of, verdicts = found.of.copy(), list(found.verdicts)
    known: dict[MapVerdict, int] = {}
    for start in range(0, rows, CHUNK):
        probable, sure = model.read(titles[start : start + CHUNK])
        best = probable.argmax(axis=1)
        leaf[start : start + CHUNK] = best
        # To four places: the rest would differ between processors.
        confidence[start : start + CHUNK] = np.round(sure.astype(np.float64), 4)
        for place in range(len(best)):
            row = start + place
            verdict = found.verdicts[found.of[row]]
            if verdict.label is not None or verdict.rule == NO_COUNTERPART_RULE:
                continue
            said = _said(verdict, probable[place], float(confidence[row]), model, tree)
            number = known.setdefault(said, len(verdicts))
            if number == len(verdicts):
                verdicts.append(said)
            of[row] = number
    subs = np.array([tree.label(node).sub_class_id for node in model.leaves], np.int64)
    labels = [verdict.label.sub_class_id if verdict.label else -1 for verdict in verdicts]
    labelled = np.array(labels, np.int64)[of]
    at = model.decides_at
    decides = confidence >= at if at is not None else np.zeros(rows, np.bool_)
    contradicted = decides & (labelled >= 0) & (subs[leaf] != labelled)
    return Titled(BatchVerdicts(tuple(verdicts), of), leaf, confidence, contradicted)


def _said(
    verdict: MapVerdict,
    probable: NDArray[np.float32],
    confidence: float,
    model: TitleModel,
    tree: Tree,
) -> MapVerdict:
    """The verdict on a held record once its title was read."""
    order = np.argsort(-probable, kind="stable")[:SUGGESTIONS]
    best = model.leaves[order[0]]
    sure = model.decides_at is not None and confidence >= model.decides_at
    if sure and _is_among(best, verdict.candidates, tree):
        told = [{"title": str(best), "paths": verdict.rule}, *json.loads(verdict.evidence)]
        return MapVerdict(tree.label(best), RULE, REASON, json.dumps(told, ensure_ascii=False))
    guesses = {guess.node: guess for guess in verdict.suggestions}
    for place in order.tolist():
        guess = Suggestion(model.leaves[place], round(float(probable[place]), 4), RULE)
        known = guesses.get(guess.node)
        if known is None or known.confidence < guess.confidence:
            guesses[guess.node] = guess
    ranked = sorted(guesses.values(), key=lambda guess: (-guess.confidence, guess.node))
    return replace(verdict, suggestions=tuple(ranked[:SUGGESTIONS]))


def _is_among(leaf: Node, candidates: tuple[Node, ...], tree: Tree) -> bool:
    """Whether the paths leave room for the leaf: they name it, what is above it, or nothing."""
    return not candidates or any(node in candidates for node in tree.lineage(leaf))
