"""Judge all records of a run together: load, join, compare, and write every part.

In come the units of the dedupe stage; out go columns in its scratch folder, at the end decisions
and survivors. Shares of the parts and bands of the join are units of their own, and all of them map
the one table of fingerprints. Memory is that of this table, some 280 bytes a record at the most, of
which what is only mapped is shared, and of one part.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from cleaning.copies import verdict
from cleaning.copies.barred import RULE, BarredPictures, judge_barred
from cleaning.copies.candidates import (
    COLUMNS,
    LEAVING,
    Candidates,
    map_candidates,
    part_columns,
    published_columns,
)
from cleaning.copies.outcomes import Names, outcome
from cleaning.copies.placeholders import PlaceholderThresholds
from cleaning.copies.published import PublishedIndex
from cleaning.copies.reach import rows_in_reach, usable_hashes
from cleaning.copies.scratch import join_columns, map_column, save_columns
from cleaning.copies.thresholds import NeighbourThresholds
from cleaning.copies.titles_alone import RULE as TITLE_ALONE
from cleaning.copies.titles_alone import judge_titles_alone
from cleaning.copies.verdict import PublishedGroups, Verdicts, judge_copies
from runtime.run_ids import start_of
from runtime.tombstones import REMOVED

if TYPE_CHECKING:
    from cleaning.copies.stage import Band, DedupeWork, Share


PIECE, TABLE, VERDICTS = "piece", "table", "verdicts"
REACH, PEERS, GROUPS = "reach", "peers", "groups"
_VERDICTS = fields(Verdicts)


def load_share(share: Share) -> None:
    """The columns of a share's candidates; of share 0 those of what is published."""
    work = share.work
    barred = None
    if work.barred:
        barred = BarredPictures.of(work.barred, work.settings, work.version)
    starts = [_start_of(run_id) for run_id in work.earlier]
    with _published(work) as index:
        if share.number:
            made = part_columns(work.run, work.parts, share.parts, index, starts, barred)
        elif index is not None:
            made = published_columns(index, work.parts)
        else:
            made = part_columns(work.run, work.parts, range(0), None, starts)
    save_columns(work.scratch / f"{PIECE}-{share.number}", made)


def join_shares(work: DedupeWork) -> None:
    """One table of all shares' columns."""
    pieces = [work.scratch / f"{PIECE}-{share.number}" for share in work.shares()]
    join_columns(work.scratch / TABLE, pieces, [*COLUMNS, LEAVING])


def join_band(band: Band) -> None:
    """Which rows have a neighbour that this band of the hashes finds."""
    work = band.work
    table = work.scratch / TABLE
    hashes = (map_column(table, "phash"), map_column(table, "phash_trim"))
    with _published(work) as index:
        old = 0 if index is None else len(index)
    # Hashes with 32 one-bits differ in an even number of bits.
    radius = work.settings.radius & ~1
    found = rows_in_reach(hashes, usable_hashes(hashes), old, radius, [band.number])
    save_columns(work.scratch / REACH, {f"{band.number}": found})


def judge(work: DedupeWork) -> None:
    """The verdicts on all candidates, one after the other, and the names that they point to."""
    settings = work.settings
    bands = [map_column(work.scratch / REACH, f"{band.number}") for band in work.bands()]
    with _published(work) as index:
        old = 0 if index is None else len(index)
        candidates = map_candidates(work.scratch / TABLE, old, work.parts)
        verdicts = judge_copies(
            candidates,
            NeighbourThresholds.of(settings),
            PlaceholderThresholds(settings.placeholder_records, settings.placeholder_similarity),
            _published_groups(index),
            settings.radius,
            np.logical_or.reduce(bands),
        )
        copied = np.isin(verdicts.code, verdict.COPIES) | np.isin(verdicts.flag, verdict.COPIES)
        joined = (verdicts.code == verdict.UNIQUE) & (verdicts.group != np.arange(len(candidates)))
        joined[:old] = False
        for kind, wanted, name in (
            (PEERS, verdicts.peer[copied], "record_id"),
            (GROUPS, verdicts.group[joined], "leak_group"),
        ):
            _names(work, candidates, index, wanted, name).save(work.scratch / kind)
    save_columns(work.scratch / VERDICTS, vars(verdicts))


def write_share(share: Share) -> None:
    """The decisions on the records of a share's parts, and its survivors."""
    work = share.work
    if not share.number:
        return  # what is published stays as it is
    columns = {field.name: map_column(work.scratch / VERDICTS, field.name) for field in _VERDICTS}
    verdicts = Verdicts(**columns)
    part, row = (map_column(work.scratch / TABLE, name) for name in ("part", "row"))
    peers, groups = (Names.load(work.scratch / kind) for kind in (PEERS, GROUPS))
    radius = NeighbourThresholds.of(work.settings).radius
    barred = None
    if work.barred:
        barred = BarredPictures.of(work.barred, work.settings, work.version)
    # Published rows are of no part, -1, and come first.
    bounds = np.searchsorted(part, [share.parts.start, *(n + 1 for n in share.parts)])
    for number, first, last in zip(share.parts, bounds, bounds[1:], strict=False):
        rows = np.arange(first, last)
        _write_part(work, work.parts[number], verdicts, row, rows, peers, groups, radius, barred)


@contextmanager
def _published(work: DedupeWork) -> Iterator[PublishedIndex | None]:
    if work.index is None:
        yield None
        return
    with PublishedIndex(work.index) as index:
        yield index


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
