"""Splits: train, validation or test, for whole leak groups, by the quotas of their categories.

Records of one leak group share a split for ever: newcomers of a published group go where it is,
whatever the quotas say. All other groups, in the order of a hash of their names, go to the split
that is furthest below the quotas of their categories. In come the newcomers' groups and leaves as
arrays; out goes the split of each group, which the workers look up by its hash.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from runtime.keys import order_hash

SPLITS = ("train", "validation", "test")
SPLIT_CODE = {split: code for code, split in enumerate(SPLITS)}

SMALLEST_TESTED = 3
"""From so many records on a category has one in the test split."""
SMALLEST_VALIDATED = 10
"""From so many on one in the validation split: below that, training needs them more."""

NEWCOMER = np.dtype([("group", "<u8"), ("leaf", "<i8")])
ASSIGNED = np.dtype([("group", "<u8"), ("split", "u1")])
Newcomers = npt.NDArray[np.void]
Assigned = npt.NDArray[np.void]
Counts = tuple[int, int, int]
"""Records in train, validation and test."""

_BLOCK = 16 * 1024
_SALT = "split:"  # the order inside a shard hashes record ids; a split must not follow it


def group_hash(leak_group: str) -> int:
    """The 64-bit hash by which a leak group is known here, and in whose order groups are placed."""
    return order_hash(_SALT + leak_group)


def leaf_key(sub_class_id: int, subsub_class_id: int | None) -> int:
    """A category as one number: its third level where it has one."""
    return sub_class_id << 32 | (subsub_class_id or 0)


def quota(records: int, validation_share: float, test_share: float) -> Counts:
    """How many records of a category the splits should have; shares are 0 to 0.5 each."""
    test = _share(records, test_share, SMALLEST_TESTED)
    validation = min(_share(records, validation_share, SMALLEST_VALIDATED), records - test)
    return records - test - validation, validation, test


def _share(records: int, share: float, smallest: int) -> int:
    least = 1 if share > 0 and records >= smallest else 0
    return max(int(records * share + 0.5), least)


def assign(
    newcomers: Newcomers,
    published_groups: Mapping[int, int],
    published: Mapping[int, Counts],
    validation_share: float,
    test_share: float,
) -> Assigned:
    """The split of every group that has newcomers, sorted by the group's hash.

    `newcomers` has a row for each of them, NEWCOMER[N]; `published_groups` says the split code of
    those of their groups that are published, `published` how many records of each leaf stand in
    which split already.
    """
    newcomers = newcomers[np.lexsort((newcomers["leaf"], newcomers["group"]))]
    names, starts = np.unique(newcomers["group"], return_index=True)
    missing = _below_quota(newcomers["leaf"], published, validation_share, test_share)
    splits = np.empty(len(names), np.uint8)
    # Those that have no choice first: the others make up for them.
    for is_published in (True, False):
        for number, (name, leaves) in enumerate(_groups(names, starts, newcomers["leaf"])):
            if (name in published_groups) is not is_published:
                continue
            short = [missing[leaf] for leaf in leaves]
            split = published_groups[name] if is_published else _furthest_below(short)
            splits[number] = split
            for of_leaf in short:
                of_leaf[split] -= 1
    found = np.empty(len(names), ASSIGNED)
    found["group"], found["split"] = names, splits
    return found


def _groups(
    names: npt.NDArray[np.uint64], starts: npt.NDArray[np.int64], leaves: npt.NDArray[np.int64]
) -> Iterator[tuple[int, list[int]]]:
    """Each group with the leaves of its records; few of them are Python's numbers at a time."""
    bounds = np.append(starts, len(leaves))
    for first in range(0, len(names), _BLOCK):
        of_block = names[first : first + _BLOCK].tolist()
        ends = bounds[first : first + len(of_block) + 1].tolist()
        held = leaves[ends[0] : ends[-1]].tolist()
        for place, name in enumerate(of_block):
            yield name, held[ends[place] - ends[0] : ends[place + 1] - ends[0]]


def _below_quota(
    leaves: npt.NDArray[np.int64],
    published: Mapping[int, Counts],
    validation_share: float,
    test_share: float,
) -> dict[int, list[int]]:
    """By leaf, how many records each split lacks, the newcomers counted in the whole."""
    found = {}
    for leaf, count in zip(
        *(a.tolist() for a in np.unique(leaves, return_counts=True)), strict=True
    ):
        have = published.get(leaf, (0, 0, 0))
        wanted = quota(count + sum(have), validation_share, test_share)
        found[leaf] = [want - held for want, held in zip(wanted, have, strict=True)]
    return found


def _furthest_below(short: list[list[int]]) -> int:
    """The split that the group's records are wanted in most; of equals the smallest one."""
    wanted = [sum(of_split) for of_split in zip(*short, strict=True)]
    return max(range(len(wanted)), key=lambda split: (wanted[split], split))


@dataclass(frozen=True)
class Splitter:
    """Looks splits up; `assigned` is sorted by group, 9 bytes each."""

    assigned: Assigned

    def split(self, leak_group: str) -> str:
        """The group's split; raises KeyError for one that none of the newcomers is of."""
        name = np.uint64(group_hash(leak_group))
        place = int(np.searchsorted(self.assigned["group"], name))
        if place == len(self.assigned) or self.assigned["group"][place] != name:
            raise KeyError(leak_group)
        return SPLITS[int(self.assigned["split"][place])]


def save_assigned(path: Path, assigned: Assigned) -> None:
    """Write the splits for the workers."""
    with path.open("wb") as stream:
        np.save(stream, assigned)


def load_splitter(path: Path) -> Splitter:
    """The splitter over a file of `save_assigned`, memory-mapped."""
    return Splitter(np.load(path, mmap_mode="r"))
