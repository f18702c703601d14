"""Splits by quotas: groups stay whole, published ones stay put, categories get their shares."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.splits import (
    NEWCOMER,
    SPLITS,
    Assigned,
    Splitter,
    assign,
    group_hash,
    leaf_key,
    load_splitter,
    quota,
    save_assigned,
)

LEAF = leaf_key(298, None)


def newcomers(*groups: tuple[str, int]) -> np.ndarray:
    """A row for each (leak group, leaf)."""
    return np.array([(group_hash(name), leaf) for name, leaf in groups], NEWCOMER)


def splits_by_leaf(rows: np.ndarray, assigned: Assigned) -> dict[int, Counter[str]]:
    found: dict[int, Counter[str]] = {}
    for group, leaf in rows.tolist():
        place = int(np.searchsorted(assigned["group"], np.uint64(group)))
        found.setdefault(leaf, Counter())[SPLITS[assigned["split"][place]]] += 1
    return found


@pytest.mark.parametrize(
    ("records", "expected"),
    [
        (1, (1, 0, 0)), (2, (2, 0, 0)), (3, (2, 0, 1)), (9, (8, 0, 1)), (10, (8, 1, 1)),
        (100, (90, 5, 5)), (30, (26, 2, 2)),
    ],
)  # fmt: skip
def test_quotas_follow_the_shares_and_reach_the_test_split_from_three_records_on(
    records: int, expected: tuple[int, int, int]
) -> None:
    assert quota(records, 0.05, 0.05) == expected


@given(st.integers(0, 10_000), st.floats(0, 0.5), st.floats(0, 0.5))
def test_quotas_add_up_and_none_is_negative(
    records: int, validation_share: float, test_share: float
) -> None:
    parts = quota(records, validation_share, test_share)
    assert sum(parts) == records
    assert min(parts) >= 0


def test_a_split_without_a_share_gets_nothing() -> None:
    assert quota(50, 0.0, 0.0) == (50, 0, 0)


def test_every_category_meets_its_quotas_when_groups_are_single_records() -> None:
    sizes = {leaf_key(leaf, None): leaf for leaf in range(1, 60)}
    rows = newcomers(*((f"{leaf}:{i}", leaf) for leaf, size in sizes.items() for i in range(size)))
    found = splits_by_leaf(rows, assign(rows, {}, {}, 0.05, 0.05))
    for leaf, size in sizes.items():
        assert tuple(found[leaf][split] for split in SPLITS) == quota(size, 0.05, 0.05)


def test_a_group_of_several_records_and_categories_goes_as_one() -> None:
    other = leaf_key(298, 602)
    rows = newcomers(*[("a", LEAF)] * 5, *[("a", other)] * 2, *((f"b{i}", LEAF) for i in range(40)))
    assigned = assign(rows, {}, {}, 0.1, 0.1)
    assert len(assigned) == 41
    assert splits_by_leaf(rows, assigned)[other] == {Splitter(assigned).split("a"): 2}


def test_newcomers_of_a_published_group_follow_it_and_others_make_up_for_them() -> None:
    rows = newcomers(*[("old", LEAF)] * 4, *((f"new{i}", LEAF) for i in range(96)))
    assigned = assign(rows, {group_hash("old"): 2}, {LEAF: (80, 10, 10)}, 0.05, 0.05)
    assert Splitter(assigned).split("old") == "test"
    # Of 200 records 180 / 10 / 10 are wanted, and test has more already.
    assert splits_by_leaf(rows, assigned)[LEAF] == {"test": 4, "train": 96}


def test_a_small_category_of_two_groups_reaches_the_test_split_in_either_order() -> None:
    for single in range(20):  # some hash before the other group, some after it
        rows = newcomers(("pair", LEAF), ("pair", LEAF), (f"single{single}", LEAF))
        assert splits_by_leaf(rows, assign(rows, {}, {}, 0.05, 0.05))[LEAF]["test"]


def test_what_is_published_counts_for_the_quota() -> None:
    rows = newcomers(("c", LEAF))
    assert Splitter(assign(rows, {}, {LEAF: (2, 0, 0)}, 0.05, 0.05)).split("c") == "test"
    assert Splitter(assign(rows, {}, {LEAF: (1, 0, 1)}, 0.05, 0.05)).split("c") == "train"


ROWS = st.lists(st.tuples(st.integers(0, 12), st.integers(1, 4)), max_size=40)


@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_records_does_not_matter(
    pairs: list[tuple[int, int]], random: object
) -> None:
    rows = newcomers(*((str(group), leaf) for group, leaf in pairs))
    shuffled = list(rows.tolist())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    again = assign(np.array(shuffled, NEWCOMER), {}, {}, 0.2, 0.2)
    assert again.tolist() == assign(rows, {}, {}, 0.2, 0.2).tolist()


def test_workers_look_splits_up_in_a_file(tmp_path: Path) -> None:
    rows = newcomers(*((f"g{i}", LEAF) for i in range(50)))
    assigned = assign(rows, {}, {}, 0.2, 0.2)
    save_assigned(tmp_path / "splits.npy", assigned)
    splitter = load_splitter(tmp_path / "splits.npy")
    assert [splitter.split(f"g{i}") for i in range(50)] == [
        Splitter(assigned).split(f"g{i}") for i in range(50)
    ]
    with pytest.raises(KeyError):
        splitter.split("unknown")


def test_an_empty_release_has_no_splits(tmp_path: Path) -> None:
    assert len(assign(np.empty(0, NEWCOMER), {}, {}, 0.05, 0.05)) == 0
