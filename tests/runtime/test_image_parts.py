"""Names of image parts: unlike over hosts and runs, and in the order of their age."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.image_parts import ImagePartName, next_part
from runtime.workspace import file_key

FIRST, SAME_SECOND, LATER = "20260101T000000Z", "20260101T000000Z-1", "20260101T000001Z"


def test_hosts_whose_names_begin_alike_share_no_part_names() -> None:
    names: list[str] = []
    for host in ("cdn-eu", "cdn", "cdn", "cdn-eu"):
        names.append(next_part(host, FIRST, names))
    assert sorted(names) == [
        f"cdn-{FIRST}-000000", f"cdn-{FIRST}-000001", f"cdn-eu-{FIRST}-000000",
        f"cdn-eu-{FIRST}-000001",
    ]  # fmt: skip


def test_parts_of_earlier_runs_sort_first_and_do_not_count() -> None:
    names: list[str] = []
    for run in (FIRST, FIRST, SAME_SECOND, LATER, LATER):
        names.append(next_part("cdn", run, names))
    assert names == sorted(names)
    assert [ImagePartName.parse(name).number for name in names] == [0, 1, 0, 0, 1]
    assert [ImagePartName.parse(name).run_id for name in names] == [
        FIRST, FIRST, SAME_SECOND, LATER, LATER
    ]  # fmt: skip


@given(host=st.text(min_size=1), run=st.sampled_from([FIRST, SAME_SECOND, LATER]))
def test_a_name_can_be_taken_apart(host: str, run: str) -> None:
    name = next_part(host, run, [])
    assert ImagePartName.parse(name) == ImagePartName(file_key(host), run, 0)
    assert ImagePartName.parse(name).of("another run") == name


@pytest.mark.parametrize(
    ("name", "full"),
    [("cdn-eu-00007", f"cdn-eu-{FIRST}-000007"), ("odd", f"odd-{FIRST}-000000")],
)
def test_a_name_without_its_run_gets_that_of_the_run_it_lies_in(name: str, full: str) -> None:
    assert ImagePartName.parse(name).run_id is None
    assert ImagePartName.parse(name).of(FIRST) == full
