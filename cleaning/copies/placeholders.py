"""Recognise a picture that stands in for missing ones: many unlike titles of a site share it.

In come all candidates; out goes, for each, how many records of its site share such a picture ("no
image yet", a shop's logo), or 0 where it shows a product, be it one in several packings. Titles are
compared by their sketches, so none is read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cleaning.copies.candidates import NO_SITE, Candidates
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.hashes import is_degenerate
from cleaning.titles.sketch import SKETCH_BYTES, title_sketches

MAX_COLOURS = 64  # groups of one hash that are told apart by colour; the rest is left alone
_CHUNK = 64 * 1024
_Keys = Callable[[NDArray[np.int32]], NDArray[np.uint64]]


@dataclass(frozen=True)
class PlaceholderThresholds:
    """From when on a shared picture is none of its products.

    Different titles of one MEP-3M sub-class, which share nouns and attributes, agree in 0.03 of
    their 3-grams on average (99 % of pairs below 0.28), short ones with a common noun in up to
    0.25; packings and flavours of one product agree in 0.4 and more.
    """

    min_records: int = 5
    max_mean_similarity: float = 0.3
    sample: int = 50


def is_placeholder(titles: Sequence[str], thresholds: PlaceholderThresholds | None = None) -> bool:
    """Whether the picture that records with these ``titles`` share is a placeholder."""
    thresholds = thresholds or PlaceholderThresholds()
    ordered = sorted(titles)
    return len(titles) >= thresholds.min_records and _are_unlike(
        title_sketches([ordered[i] for i in _spread(len(ordered), thresholds.sample)]), thresholds
    )


def shared_by(
    candidates: Candidates, thresholds: PlaceholderThresholds, colours: NeighbourThresholds
) -> NDArray[np.int32]:
    """For each row, how many records of its site share its placeholder, int32[N]; 0 for most.

    Equal bytes are one picture, and so are equal hashes whose colours agree, since a shop often
    re-encodes it; where the hash is degenerate, the trimmed picture's has to be equal as well.
    Published records are counted, so that a placeholder shows itself over several runs, but they
    stay: only newcomers get a number, held ones like mapped ones.
    """
    found = np.zeros(len(candidates), np.int32)
    new = np.arange(len(candidates)) >= candidates.published
    counted = (candidates.site != NO_SITE) & (new | candidates.mapped)
    rows: NDArray[np.int32] = np.flatnonzero(counted).astype(np.int32)
    whole, trimmed = candidates.phash, candidates.phash_trim
    degenerate = is_degenerate(whole[rows])
    kinds: tuple[tuple[NDArray[np.int32], _Keys, bool], ...] = (
        (rows, lambda kind: candidates.sha[kind, 0], False),
        (rows[~degenerate], lambda kind: whole[kind], True),
        (rows[degenerate], lambda kind: _mixed(whole[kind], trimmed[kind]), True),
    )
    for kind, keys, by_colour in kinds:
        for members in _groups(candidates.site[kind], keys(kind), thresholds.min_records):
            same_key = kind[members]
            if not new[same_key[-1]]:
                continue  # all are published
            for alike in _in_one_colour(candidates, same_key, colours) if by_colour else [same_key]:
                newcomers = alike[new[alike]]
                if (
                    len(alike) < thresholds.min_records
                    or not len(newcomers)
                    or found[newcomers].all()
                ):
                    continue
                # A bounded sample, spread evenly over a group of any size.
                sample = candidates.sketch[alike[_spread(len(alike), 2 * thresholds.sample)]]
                sample = sample[np.lexsort(sample.T)]
                sample = sample[_spread(len(sample), thresholds.sample)]
                if _are_unlike(sample, thresholds):
                    found[newcomers] = np.maximum(found[newcomers], len(alike))
    return found


def _mixed(whole: NDArray[np.uint64], trimmed: NDArray[np.uint64]) -> NDArray[np.uint64]:
    return whole * np.uint64(0x9E3779B97F4A7C15) + trimmed


def _groups(
    sites: NDArray[np.int16], keys: NDArray[np.uint64], least: int
) -> Iterator[NDArray[np.int64]]:
    """Places with one site and key, ascending, where there are at least so many."""
    order = np.lexsort((keys, sites))
    changes = (keys[order[1:]] != keys[order[:-1]]) | (sites[order[1:]] != sites[order[:-1]])
    bounds = np.concatenate([[0], np.flatnonzero(changes) + 1, [len(order)]])
    for group in np.flatnonzero(np.diff(bounds) >= least):
        yield order[bounds[group] : bounds[group + 1]]


def _in_one_colour(
    candidates: Candidates, rows: NDArray[np.int32], thresholds: NeighbourThresholds
) -> Iterator[NDArray[np.int32]]:
    """Rows of one hash by colour: each group agrees with its first row."""
    allowed = np.tile(
        np.array(
            [
                thresholds.max_lightness_difference,
                thresholds.max_chroma_difference,
                thresholds.max_chroma_difference,
            ],
            np.int16,
        ),
        candidates.colour.shape[1] // 3,
    )
    signatures = [candidates.colour]
    if is_degenerate(candidates.phash[rows[:1]])[0]:
        signatures.append(candidates.colour_trim)
    for _ in range(MAX_COLOURS):
        if not len(rows):
            return
        alike = np.empty(len(rows), np.bool_)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            agrees = candidates.phash_trim[chunk] == candidates.phash_trim[rows[0]]
            agrees |= len(signatures) == 1
            for signature in signatures:
                difference = np.abs(signature[chunk].astype(np.int16) - signature[rows[0]])
                agrees &= (difference <= allowed).all(axis=1)
            alike[start : start + len(chunk)] = agrees
        yield rows[alike]
        rows = rows[~alike]


def _spread(length: int, count: int) -> NDArray[np.int64]:
    """At most ``count`` of so many places, evenly spread."""
    count = min(length, count)
    places: NDArray[np.int64] = np.arange(count, dtype=np.int64) * length // max(1, count)
    return places


def _are_unlike(sketches: NDArray[np.uint8], thresholds: PlaceholderThresholds) -> bool:
    """Whether titles with these sketches are of many products.

    Either their mean similarity is low, or so many of them are unlike one another: two product
    families with many packings each are alike on average.
    """
    equal = (sketches[:, None, :] == sketches[None, :, :]).sum(axis=2) / SKETCH_BYTES
    count = len(sketches)
    if count > 1:
        mean = (equal.sum() - count) / (count * (count - 1))
        if mean <= thresholds.max_mean_similarity:
            return True
    heads: list[int] = []
    for row in range(count):
        if all(equal[row, head] <= thresholds.max_mean_similarity for head in heads):
            heads.append(row)
    return len(heads) >= thresholds.min_records
