"""Label the records of a part together: what is distinct is mapped once, the rest is looked up.

In come columns of category paths and titles; out go the distinct verdicts and, for each record, the
number of its own. Shops have few distinct paths and millions of records, so a record costs the
comparison of some integers. A title counts only where a path ends in it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from runtime.columns import from_numbers, numbers
from taxonomy.mapper import Mapper, MapVerdict

_NOT_HAN = "[^\\x{3400}-\\x{4dbf}\\x{4e00}-\\x{9fff}]+"


@dataclass(frozen=True)
class BatchVerdicts:
    """`verdicts[of[row]]` is the verdict on a row; `of` int64[N]."""

    verdicts: tuple[MapVerdict, ...]
    of: NDArray[np.int64]


def map_batch(mapper: Mapper, paths: pa.ListArray, titles: pa.StringArray) -> BatchVerdicts:
    """What `mapper.map` says of each row's paths (list<list<string>>) and title, row by row.

    Null paths are no paths, a null title is no title.
    """
    groups, firsts = _distinct_paths(paths)
    distinct = [found or [] for found in paths.take(from_numbers(firsts)).to_pylist()]
    verdicts = [mapper.map(found) for found in distinct]
    of = groups.copy()
    places: dict[tuple[int, MapVerdict], int] = {}
    for row, title in _possible_endings(mapper, distinct, groups, titles):
        group = int(groups[row])
        verdict = mapper.map(distinct[group], title)
        if verdict != verdicts[group]:
            place = places.setdefault((group, verdict), len(verdicts))
            if place == len(verdicts):
                verdicts.append(verdict)
            of[row] = place
    return BatchVerdicts(tuple(verdicts), of)


def _possible_endings(
    mapper: Mapper,
    distinct: list[list[list[str]]],
    groups: NDArray[np.int64],
    titles: pa.StringArray,
) -> list[tuple[int, str]]:
    """The rows, with their titles, whose title may be the last name of one of their paths.

    Normalising keeps every Han character, so a title with more of them than the longest of those
    names has characters is none of them: nearly all titles are settled so.
    """
    names = (mapper.last_names(found) for found in distinct)
    longest = np.array([max(map(len, found), default=-1) for found in names], np.int64)
    given = np.flatnonzero(numbers(pc.is_valid(titles)))
    letters = pc.utf8_length(pc.replace_substring_regex(titles, _NOT_HAN, ""))
    few = numbers(letters.take(from_numbers(given))) <= longest[groups[given]]
    rows = given[few]
    return list(zip(rows.tolist(), titles.take(from_numbers(rows)).to_pylist(), strict=True))


def _distinct_paths(paths: pa.ListArray) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The number of each row's set of paths, int64[N], and a row of each number."""
    inner = paths.flatten()
    names = inner.flatten().dictionary_encode(null_encoding="encode")
    in_path, _ = _distinct_lists(
        numbers(names.indices).astype(np.int64), numbers(_lengths(inner)).astype(np.int64)
    )
    return _distinct_lists(in_path, numbers(_lengths(paths)).astype(np.int64))


def _lengths(lists: pa.ListArray) -> pa.Array:
    """How many items each list has; a null one has none."""
    lengths = pc.list_value_length(lists)
    if not lengths.null_count:
        return lengths
    valid = numbers(pc.is_valid(lengths))
    known = np.zeros(len(lists), np.int32)
    known[valid] = numbers(lengths.filter(from_numbers(valid.view(np.uint8)).cast(pa.bool_())))
    return from_numbers(known)


def _distinct_lists(
    items: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Number equal lists alike: numbers int64[N], and a list of each number.

    `items` are all lists' one after the other. Lists are told apart by a 64-bit hash, and each is
    compared with the one that stands for its number; should two differ, all are compared in full.
    """
    starts = np.cumsum(lengths) - lengths
    position = np.arange(len(items)) - np.repeat(starts, lengths)
    mixed = _mixed(items.astype(np.uint64)) * (_mixed(position.astype(np.uint64)) | np.uint64(1))
    hashes = _mixed(lengths.astype(np.uint64))
    filled = np.flatnonzero(lengths)
    if len(filled):
        hashes[filled] += np.add.reduceat(mixed, starts[filled])
    _, firsts, ids = np.unique(hashes, return_index=True, return_inverse=True)
    ids = ids.astype(np.int64).reshape(-1)
    stands = firsts[ids]
    same = np.array_equal(lengths, lengths[stands]) and np.array_equal(
        items, items[np.repeat(starts[stands], lengths) + position]
    )
    return (ids, firsts) if same else _compared_in_full(items, starts, lengths)


def _compared_in_full(
    items: NDArray[np.int64], starts: NDArray[np.int64], lengths: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    known: dict[bytes, int] = {}
    ids = np.empty(len(lengths), np.int64)
    firsts: list[int] = []
    for row, (start, length) in enumerate(zip(starts.tolist(), lengths.tolist(), strict=True)):
        number = known.setdefault(items[start : start + length].tobytes(), len(known))
        if number == len(firsts):
            firsts.append(row)
        ids[row] = number
    return ids, np.array(firsts, np.int64)


def _mixed(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Well-spread 64 bits for each value: the finaliser of SplitMix64 (Steele, Lea, Flood 2014)."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))
