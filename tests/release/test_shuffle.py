"""The pure parts of publishing: where shards are cut, and the merge of sorted tables."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from release.ledger import site_order
from release.lineage import merge_sorted
from release.manifest import next_version
from release.shards import PLAN, cut
from release.splits import SPLITS


@given(
    st.lists(
        st.tuples(st.integers(0, 2**64 - 1), st.integers(1, 50), st.integers(0, 2)), max_size=60
    ),
    st.integers(1, 200),
)
def test_shards_cover_every_record_once_and_stay_near_the_size(
    records: list[tuple[int, int, int]], size: int
) -> None:
    plan = np.array(records, dtype=PLAN)
    ranges = cut(plan, size)
    held = [
        [r for r in records if SPLITS[r[2]] == shard.split and shard.low <= r[0] <= shard.high]
        for shard in ranges
    ]
    assert sorted(r for shard in held for r in shard) == sorted(records)
    assert all(held)
    orders = [record[0] for record in records]
    if len(set(orders)) == len(orders):
        assert all(sum(r[1] for r in shard) < size + 50 for shard in held)


def test_records_of_one_hash_stay_in_one_shard() -> None:
    plan = np.array([(7, 100, 0), (7, 100, 0), (8, 100, 0)], dtype=PLAN)
    assert [(r.low, r.high) for r in cut(plan, 50)] == [(7, 7), (8, 8)]


IDS = st.sets(st.text("abc:-0", min_size=1, max_size=4))


@given(IDS, IDS, IDS, st.integers(1, 4))
def test_merging_sorted_tables_is_a_set_operation(
    old: set[str], new: set[str], removed: set[str], rows: int
) -> None:
    def stream(ids: set[str]) -> list[pa.RecordBatch]:
        ordered = sorted(ids)
        return [
            pa.RecordBatch.from_pydict({"record_id": ordered[start : start + rows]})
            for start in range(0, len(ordered), rows)
        ]

    merged = merge_sorted(stream(old), stream(new - old), pa.array(sorted(removed), pa.string()))
    found = [record for table in merged for record in table["record_id"].to_pylist()]
    assert found == sorted((old | new) - removed)


def test_a_stream_out_of_order_is_refused() -> None:
    batches = [pa.RecordBatch.from_pydict({"record_id": [i]}) for i in ("b", "a")]
    with pytest.raises(ValueError, match="expected sorted ids"):
        list(merge_sorted(batches, [], pa.array([], pa.string())))


@given(st.lists(st.text("ab-1", min_size=1, max_size=4), min_size=2, max_size=5, unique=True))
def test_parts_of_sites_are_ordered_as_their_record_ids(sites: list[str]) -> None:
    parts = sorted((f"{site}-00000" for site in sites), key=site_order)
    ids = [f"{part.rpartition('-')[0]}:x" for part in parts]
    assert ids == sorted(ids)


@pytest.mark.parametrize(
    ("parent", "newcomers", "version"),
    [(None, True, "1.0.0"), ("1.0.0", True, "1.1.0"), ("1.9.3", False, "1.9.4")],
)
def test_versions(parent: str | None, newcomers: bool, version: str) -> None:
    assert next_version(parent, newcomers=newcomers) == version


@pytest.mark.parametrize(("parent", "version"), [(None, "1.0.0"), ("1.4.2", "2.0.0")])
def test_what_changes_published_rows_is_a_major_version(parent: str | None, version: str) -> None:
    assert next_version(parent, newcomers=True, major=True) == version
    assert next_version(parent, newcomers=False, major=True) == version
