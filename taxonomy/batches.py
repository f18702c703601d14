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

from runtime.columns import column, from_numbers, numbers
from taxonomy.mapper import Mapper, MapVerdict

_NOT_HAN = "[^\\x{3400}-\\x{4dbf}\\x{4e00}-\\x{9fff}]+"

# Without "&", which begins entities, and without signs that normalising makes letters of (Ａ, ㈱).
_PLAIN = "^[\\x00-%'-~\\x{4e00}-\\x{9fff}、。（），！：；？【】「」《》·—…\\x{3000}]*$"


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
    rows = _possible_endings(mapper, distinct, groups, titles)
    given = titles.take(from_numbers(rows)).dictionary_encode()
    words = given.dictionary.to_pylist()
    # Shops repeat titles too: what a title says of a set of paths is asked once.
    pairs = groups[rows] * max(len(words), 1) + numbers(given.indices)
    asked, which = np.unique(pairs, return_inverse=True)
    answers = np.empty(len(asked), np.int64)
    for number, pair in enumerate(asked.tolist()):
        group, word = divmod(pair, len(words))
        verdict = mapper.map(distinct[group], words[word])
        answers[number] = group
        if verdict != verdicts[group]:
            answers[number] = len(verdicts)
            verdicts.append(verdict)
    of[rows] = answers[which.reshape(-1)]
    return BatchVerdicts(tuple(verdicts), of)


def _possible_endings(
    mapper: Mapper,
    distinct: list[list[list[str]]],
    groups: NDArray[np.int64],
    titles: pa.StringArray,
) -> NDArray[np.int64]:
    """The rows whose title may be the last name of one of their paths, int64.

    Normalising keeps every Han character, so a title with more of them than the longest of those
    names has characters is none of them: nearly all Chinese titles are settled so, the others by
    their letters.
    """
    names = [mapper.last_names(found) for found in distinct]
    longest = np.array([max(map(len, found), default=-1) for found in names], np.int64)
    given = np.flatnonzero(numbers(pc.is_valid(titles)))
    letters = pc.utf8_length(pc.replace_substring_regex(titles, _NOT_HAN, ""))
    rows = given[numbers(letters.take(from_numbers(given))) <= longest[groups[given]]]
    left = titles.take(from_numbers(rows))
    last = column(sorted(frozenset().union(*names)), pa.string())
    like_a_name = numbers(pc.is_in(_letters(left), value_set=_letters(last)))
    plain = numbers(pc.match_substring_regex(left, _PLAIN))
    possible: NDArray[np.int64] = rows[like_a_name | ~plain]
    return possible


def _letters(texts: pa.StringArray) -> pa.StringArray:
    """Small Latin letters and digits, and one sign for any Han character, without the rest.

    Of a plain text, normalising changes nothing of this: it folds case, replaces Han characters by
    others one for one, and takes out or replaces what is no letter.
    """
    bare = pc.replace_substring_regex(pc.ascii_lower(texts), "[^a-z0-9\\p{Han}]+", "")
    return pc.replace_substring_regex(bare, "\\p{Han}", "汉")


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
