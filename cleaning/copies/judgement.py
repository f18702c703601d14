"""Judge all records of a run together: load, compare, and write every part.

In comes the work of the dedupe stage; out go its decisions and survivors. Memory is that of the
fingerprint table, some 280 bytes a record at the most, and of one part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cleaning.copies import verdict
from cleaning.copies.barred import RULE, BarredPictures, judge_barred
from cleaning.copies.candidates import Candidates, load_candidates
from cleaning.copies.outcomes import Names, outcome
from cleaning.copies.placeholders import PlaceholderThresholds
from cleaning.copies.published import PublishedIndex
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.copies.titles_alone import RULE as TITLE_ALONE
from cleaning.copies.titles_alone import judge_titles_alone
from cleaning.copies.verdict import PublishedGroups, Verdicts, judge_copies
from runtime.run_ids import start_of
from runtime.tombstones import REMOVED

if TYPE_CHECKING:
    from cleaning.copies.stage import DedupeWork


def judge_all(work: DedupeWork) -> None:
    """Judge all records and write every part."""
    if work.index is None:
        _judge(work, None)
    else:
        with PublishedIndex(work.index) as index:
            _judge(work, index)


def _judge(work: DedupeWork, index: PublishedIndex | None) -> None:
    settings = work.settings
    thresholds = NeighbourThresholds.of(settings)
    barred = BarredPictures.of(work.barred, settings, work.version) if work.barred else None
    candidates = load_candidates(
        work.run, work.parts, index, [_start_of(run_id) for run_id in work.earlier], barred
    )
    verdicts = judge_copies(
        candidates,
        thresholds,
        PlaceholderThresholds(settings.placeholder_records, settings.placeholder_similarity),
        _published_groups(index),
        settings.radius,
    )
    copied = np.isin(verdicts.code, verdict.COPIES) | np.isin(verdicts.flag, verdict.COPIES)
    peers = _names(work, candidates, index, verdicts.peer[copied], "record_id")
    joined = (verdicts.code == verdict.UNIQUE) & (verdicts.group != np.arange(len(candidates)))
    joined[: candidates.published] = False
    groups = _names(work, candidates, index, verdicts.group[joined], "leak_group")
    first = candidates.published
    bounds = np.searchsorted(candidates.part[first:], np.arange(len(work.parts) + 1)) + first
    for number, name in enumerate(work.parts):
        _write_part(
            work, name, verdicts, candidates.row, np.arange(bounds[number], bounds[number + 1]),
            peers, groups, thresholds.radius, barred,
        )  # fmt: skip


def _start_of(run_id: str) -> int:
    """When a run started, as its id says, in microseconds since 1970."""
    moment = start_of(run_id)
    assert moment is not None, "only runs whose names say it are handed over"
    return int(moment.timestamp()) * 1_000_000


def _published_groups(index: PublishedIndex | None) -> PublishedGroups:
    """The leak groups and splits of all published rows, without a string for each."""
    if index is None:
        return PublishedGroups(np.empty(0, np.int64), np.empty(0, np.int8))
    group = np.arange(len(index), dtype=np.int64)
    split = np.empty(len(index), np.int8)
    splits: dict[str, int] = {}
    joined, names, start = [], [], 0
    for batch in index.batches(["record_id", "leak_group", "split"]):
        coded = batch["split"].dictionary_encode()
        numbers = [splits.setdefault(text, len(splits)) for text in coded.dictionary.to_pylist()]
        split[start : start + batch.num_rows] = np.array(numbers, np.int8)[coded.indices.to_numpy()]
        # Most records are alone, and their group has their own name.
        other = pc.not_equal(batch["leak_group"], batch["record_id"])
        joined.append(start + np.flatnonzero(other.to_numpy(zero_copy_only=False)))
        names.append(batch["leak_group"].filter(other))
        start += batch.num_rows
    rows = np.concatenate([np.empty(0, np.int64), *joined])
    coded = pa.chunked_array(names, pa.string()).combine_chunks().dictionary_encode()
    order = pc.array_sort_indices(coded.dictionary)
    leaders = np.empty(len(coded.dictionary), np.int64)
    # The record that a group is named after may have left.
    leaders[order.to_numpy()] = index.rows_of(coded.dictionary.take(order))
    codes = coded.indices.to_numpy()
    smallest = np.full(len(leaders), len(index), np.int64)
    np.minimum.at(smallest, codes, rows)
    smallest = np.where(leaders >= 0, np.minimum(smallest, leaders), smallest)
    group[rows] = smallest[codes]
    group[leaders[leaders >= 0]] = smallest[leaders >= 0]
    return PublishedGroups(group, split)


def _names(
    work: DedupeWork,
    candidates: Candidates,
    index: PublishedIndex | None,
    wanted: NDArray[np.signedinteger[Any]],
    published_name: str,
) -> Names:
    """The record_ids of some candidates; of published ones the column of that name."""
    rows = np.unique(wanted).astype(np.int64)
    old = rows[rows < candidates.published]
    pieces = [index.take(published_name, old)] if index is not None else []
    new = rows[rows >= candidates.published]
    parts, starts = np.unique(candidates.part[new], return_index=True)
    for part, of_part in zip(parts, np.split(new, starts[1:]) if len(new) else (), strict=True):
        places = candidates.row[of_part].tolist()
        for _, table in work.run.cleaned.take(candidates.parts[part], places, ["record_id"]):
            pieces += table["record_id"].chunks
    return Names(rows, pa.chunked_array(pieces, pa.string()).combine_chunks())


def _write_part(
    work: DedupeWork,
    name: str,
    verdicts: Verdicts,
    places: NDArray[np.int32],
    rows: NDArray[np.int64],
    peers: Names,
    groups: Names,
    radius: int,
    barred: BarredPictures | None,
) -> None:
    ids = work.run.cleaned.read(name, ["record_id"])["record_id"].combine_chunks()
    made = outcome(
        verdicts, rows, places[rows], ids, peers, groups, work.run.run_id, radius,
        work.settings.placeholder_records,
    )  # fmt: skip
    decisions, survivors = judge_titles_alone(work.run, name)
    if survivors.num_rows:
        made.counts["kept"] += survivors.num_rows
        made.counts[f"rule.{TITLE_ALONE}"] += survivors.num_rows
    refused = [] if barred is None else [judge_barred(work.run, name, barred)]
    for table in refused:
        made.counts[REMOVED] += table.num_rows
        made.counts[f"rule.{RULE}"] += table.num_rows
    decisions = pa.concat_tables([made.decisions, *refused, decisions])
    survivors = pa.concat_tables([made.survivors, survivors])
    work.run.decisions("dedupe").write(name, decisions, work.key)
    work.run.survivors.write(name, survivors, work.key, made.counts)
