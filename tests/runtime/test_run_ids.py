from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.run_ids import next_run_id, start_of

START = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("run_id", "expected"),
    [
        ("20260101T000000Z", START),
        ("20260101T000000Z-12", START),
        ("20261399T000000Z", None),
        ("backup", None),
    ],
)
def test_a_runs_start_is_in_its_name(run_id: str, expected: datetime | None) -> None:
    assert start_of(run_id) == expected


def test_the_name_is_the_second_in_utc() -> None:
    beijing = timezone(timedelta(hours=8))
    assert next_run_id(START.astimezone(beijing), None) == "20260101T000000Z"


def test_after_a_clock_set_back_runs_go_on_behind_the_newest() -> None:
    newest = "20260301T000000Z"
    first = next_run_id(START, newest)
    assert (first, next_run_id(START, first)) == (f"{newest}-0001", f"{newest}-0002")
    assert start_of(first) == start_of(newest)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40))
def test_names_ascend_whatever_the_clock_does(steps: list[int]) -> None:
    now, names = START, [next_run_id(START, None)]
    for step in steps:
        now += timedelta(seconds=step)
        names.append(next_run_id(now, names[-1]))
    assert names == sorted(set(names))


def test_numbers_of_one_second_ascend_beyond_ten_and_after_older_forms() -> None:
    assert next_run_id(START, "20260101T000000Z-1") > "20260101T000000Z-1"
    assert next_run_id(START, "20260101T000000Z-0010") == "20260101T000000Z-0011"
