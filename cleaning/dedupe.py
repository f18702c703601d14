"""The dedupe stage: copies, placeholders and leak groups over the run and the current release.

Reads the fingerprints that clean stored and those the release keeps, judges all of them together
in one worker, and writes per listings part the survivors and a decision on every mapped record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cleaning import copies
from cleaning.candidates import Candidates, load_candidates, names_of
from cleaning.copies import Verdicts, judge_copies
from cleaning.fingerprints import VERSIONS
from cleaning.neighbours import NeighbourThresholds
from cleaning.placeholders import PlaceholderThresholds
from runtime.config import DedupeConfig
from runtime.parts import run_key
from runtime.progress import progress
from runtime.stages import Context, Counts, StageResult, Unit, add_counts, stale_units
from runtime.storage import sha256_file
from runtime.tables import DECISIONS, SURVIVORS
from runtime.workspace import Run

VERSION = "1"


@dataclass(frozen=True)
class _Rule:
    """What is said of a candidate with a verdict's code."""

    name: str
    verdict: str
    reason: str


RULES: Mapping[int, _Rule] = {
    copies.UNIQUE: _Rule("unique_v1", "kept", "no earlier record shows the same picture"),
    copies.SAME_BYTES: _Rule("same_bytes_v1", "duplicate", "its image file equals another's"),
    copies.SAME_FINGERPRINT: _Rule(
        "same_fingerprint_v1", "duplicate", "its picture has the same perceptual hash and colours"
    ),
    copies.NEAR_FINGERPRINT: _Rule(
        "near_fingerprint_v1", "duplicate", "its picture is within the radius, colours agree"
    ),
    copies.PLACEHOLDER: _Rule(
        "placeholder_image_v1", "rejected", "many unlike titles of the site share its picture"
    ),
    copies.BRIDGES: _Rule(
        "bridges_splits_v1", "rejected", "near copies of it are in two published splits"
    ),
}


@dataclass(frozen=True)
class _Work:
    """The whole stage: its parts, and the fingerprint index of the current release."""

    run: Run
    parts: tuple[str, ...]
    index: Path | None
    key: str
    settings: DedupeConfig


def dedupe(context: Context) -> StageResult:
    """Judge all mapped records; skipped where nothing changed since it last ran."""
    run, settings = context.run, context.config.dedupe
    cleaned, labels = run.cleaned.seals(), run.labels.seals()
    parts = tuple(name for name in run.listings.names() if name in cleaned and name in labels)
    index = _index_of(context.workspace.latest_release())
    inputs = {f"cleaned/{name}": cleaned[name].sha256 for name in parts}
    inputs |= {f"labels/{name}": labels[name].sha256 for name in parts}
    inputs["release"] = "" if index is None else sha256_file(index)
    version = f"{VERSION} {VERSIONS[context.config.clean.fingerprints]}"
    key = run_key("dedupe", version, settings.model_dump(mode="json"), inputs)
    work = _Work(run, parts, index, key, settings)
    outputs = [run.decisions("dedupe"), run.survivors]
    units = [Unit(name, key, work) for name in parts]
    stale = stale_units(outputs, units)
    if stale:
        # All records are judged together, so one unit of work makes every part.
        with progress("dedupe", quiet=context.quiet):
            list(context.pool.map(dedupe_all, [work]))
    return StageResult(add_counts(outputs[-1], units), len(stale))


def _index_of(release: Path | None) -> Path | None:
    path = None if release is None else release / "fingerprints" / "fingerprints.parquet"
    return path if path is not None and path.is_file() else None


def dedupe_all(work: _Work) -> None:
    """Judge all records and write every part."""
    run, settings = work.run, work.settings
    candidates = load_candidates(run, work.parts, work.index)
    verdicts = judge_copies(
        candidates,
        _sites(candidates),
        NeighbourThresholds(
            radius=settings.radius if settings.policy == "near" else 0,
            title_free_radius=settings.title_free_radius,
            min_title_agreement=settings.min_title_agreement,
            max_lightness_difference=settings.max_lightness_difference,
            max_chroma_difference=settings.max_chroma_difference,
            keep_variants=settings.keep_variants,
        ),
        PlaceholderThresholds(settings.placeholder_records, settings.placeholder_similarity),
        lambda rows: _titles(run, candidates, rows),
        _splits(work.index),
        settings.radius,
    )
    names = _peer_names(work, candidates, verdicts)
    starts = np.searchsorted(candidates.part[candidates.published :], range(len(work.parts) + 1))
    for number, name in enumerate(work.parts):
        first, last = (int(bound) + candidates.published for bound in starts[number : number + 2])
        _write_part(work, name, candidates, verdicts, names, range(first, last))


def _sites(candidates: Candidates) -> NDArray[np.int32]:
    """A number per shop: parts are named after theirs."""
    shops = [name.rpartition("-")[0] for name in candidates.parts]
    numbers = np.array([shops.index(shop) for shop in shops] + [-1], np.int32)
    sites: NDArray[np.int32] = numbers[candidates.part]
    return sites


def _titles(run: Run, candidates: Candidates, rows: Sequence[int]) -> list[str]:
    found = []
    wanted = np.sort(np.asarray(rows, np.int64))
    for part in np.unique(candidates.part[wanted]):
        places = candidates.row[wanted[candidates.part[wanted] == part]].tolist()
        for _, table in run.cleaned.take(candidates.parts[part], places, ["title"]):
            found += [title or "" for title in table["title"].to_pylist()]
    return found


def _splits(index: Path | None) -> NDArray[np.int8]:
    """The split of every published record, as a number."""
    if index is None:
        return np.empty(0, np.int8)
    column = pq.read_table(index, columns=["split"])["split"].combine_chunks()
    numbers: NDArray[np.int8] = column.dictionary_encode().indices.to_numpy().astype(np.int8)
    return numbers


def _peer_names(work: _Work, candidates: Candidates, verdicts: Verdicts) -> dict[int, str]:
    """The record_ids that decisions and leak groups name and that are not the record's own."""
    own = np.arange(len(candidates))
    peers = verdicts.peer[verdicts.peer != own]
    unique = verdicts.code == copies.UNIQUE
    groups = verdicts.group[unique & (verdicts.group != own)]
    return dict(names_of(candidates, work.run, work.index, np.union1d(peers, groups).tolist()))


def _write_part(
    work: _Work,
    name: str,
    candidates: Candidates,
    verdicts: Verdicts,
    names: Mapping[int, str],
    rows: range,
) -> None:
    ids = work.run.cleaned.read(name, ["record_id"])["record_id"].to_pylist()
    survivors, decisions = [], []
    counts: Counts = Counter()
    for row in rows:
        place = int(candidates.row[row])
        rule = RULES.get(int(verdicts.code[row]))
        if rule is None:
            continue  # held by the mapper
        counts.update([rule.verdict, f"rule.{rule.name}"])
        peer, group = int(verdicts.peer[row]), int(verdicts.group[row])
        is_copy = rule.verdict == "duplicate"
        decisions.append(
            {
                "record_id": ids[place],
                "stage": "dedupe",
                "rule": rule.name,
                "verdict": rule.verdict,
                "reason": rule.reason,
                "value": str(verdicts.distance[row]) if is_copy else None,
                "threshold": float(work.settings.radius) if is_copy else None,
                "peer_id": names[peer] if is_copy else None,
                "run_id": work.run.run_id,
            }
        )
        if rule.verdict == "kept":
            leader = ids[place] if group == row else names[group]
            survivors.append({"record_id": ids[place], "leak_group": leader, "row": place})
    work.run.decisions("dedupe").write(
        name, pa.Table.from_pylist(decisions, DECISIONS.schema), work.key
    )
    work.run.survivors.write(
        name, pa.Table.from_pylist(survivors, SURVIVORS.schema), work.key, counts
    )
