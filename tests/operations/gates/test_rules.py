"""Each gate fails where its figure is bad, by a line that names figure, bound and history."""

from __future__ import annotations

from typing import Any

import pytest

from operations.gates.figures import SiteFigures
from operations.gates.rules import Finding, judge_emptied, judge_removals, judge_site
from runtime.config import GatesConfig
from tests.operations.gates.figures_of import CLASSES, ordinary

BOUNDS = GatesConfig()
PAST = tuple(
    ordinary(listings=count, filled=dict.fromkeys(("title", "image", "category"), count))
    for count in (200, 210, 190)
)


def judged(
    now: SiteFigures, past: tuple[SiteFigures, ...] = PAST, bounds: GatesConfig = BOUNDS
) -> dict[str, Finding]:
    found = {finding.name: finding for finding in judge_site("s", now, past, bounds)}
    for finding in found.values():
        assert not finding.failed or finding.bound is not None
    return found


def failed(*arguments: Any) -> set[str]:
    return {name for name, finding in judged(*arguments).items() if finding.failed}


def fields(**counts: int) -> dict[str, int]:
    return {**ordinary().filled, **counts}


def test_an_ordinary_day_passes_with_and_without_history() -> None:
    assert failed(ordinary()) == set()
    assert failed(ordinary(), ()) == set()


@pytest.mark.parametrize(
    ("gate", "changed", "told"),
    [
        ("pages", {"pages": {"ok": 480}}, "480 pages read, expected at least 485"),
        ("listings", {"listings": 90, "filled": dict.fromkeys(ordinary().filled, 90)}, "90 list"),
        ("errors", {"pages": {"ok": 600, "timeout": 300}}, "33.3% of the pages ended in an error"),
        ("blocks", {"pages": {"ok": 850, "http_403": 60, "http_429": 60}}, "refused to the crawl"),
        ("fields.title", {"filled": fields(title=150)}, "75.0% of the listings have `title`"),
        ("fields.category", {"filled": fields(category=0)}, "0.0% of the listings have"),
        ("images", {"pictures_failed": 120}, "39.4% of the pictures came"),
        ("rejections", {"rejected": 130}, "65.0% of the listings were rejected"),
        ("duplicates", {"duplicates": 60}, "30.0% of the records were duplicates"),
        ("mapping", {"mapped": 150, "held": 50}, "75.0% of the records were mapped"),
        ("growth", {"new": 120}, "60.0% of the listings were never seen before"),
        ("drift", {"classes": {"Clothing": 20, "Kitchen": 60, "Toys": 120}}, "moved by"),
    ],
)
def test_a_bad_figure_fails_its_gate_alone(gate: str, changed: dict[str, Any], told: str) -> None:
    family, *field = gate.split(".")
    name = ".".join([family, "s", *field])
    found = judged(ordinary(**changed))
    assert {name for name, finding in found.items() if finding.failed} == {name}
    words = found[name].words
    assert told in words and "expected" in words
    assert "the last 3 runs" in words or f"gates.{gate}" in words
    assert len(found[name].history) == 3


def test_a_rate_is_held_against_the_stricter_of_its_bounds() -> None:
    # A shop that always refused a third of its pages stays under its median, not under the bound.
    refused = ordinary(pages={"ok": 650, "http_403": 320})
    assert "gates.blocks" in judged(refused, (refused,) * 3)["blocks.s"].words
    assert failed(refused, (refused,) * 3) == {"blocks.s"}
    # Pictures at 60 % are above the bound of 50 %, yet 39 points under what they always were.
    fewer = judged(ordinary(pictures_failed=79))["images.s"]
    assert fewer.failed and "of the median of the last 3 runs: 99.0%, 99.0%, 99.0%" in fewer.words
    assert fewer.bound == pytest.approx(196 / 198 - 0.2)


def test_without_enough_history_only_fixed_bounds_count() -> None:
    collapsed = ordinary(listings=30, filled=dict.fromkeys(ordinary().filled, 30))
    assert failed(collapsed, PAST[:2]) == set()
    assert failed(collapsed, PAST) == {"listings.s"}
    assert failed(ordinary(rejected=130), ()) == {"rejections.s"}


def test_small_numbers_are_not_judged_but_none_at_all_is() -> None:
    few = ordinary(pages={"ok": 12}, listings=10, filled={"title": 10}, pictures=10, mapped=10)
    now = ordinary(pages={"ok": 5}, listings=4, filled={"title": 0}, pictures=4, mapped=4)
    assert failed(now, (few,) * 3) == set()
    nothing = ordinary(pages={"ok": 5}, listings=0, filled={}, pictures=0, mapped=0, rejected=0)
    assert failed(nothing, (few,) * 3) == {"listings.s"}
    assert judge_emptied("s", nothing, (few,) * 3, BOUNDS).failed


def test_a_median_shrugs_off_one_bad_day_in_the_history() -> None:
    bad = ordinary(listings=0, filled={})
    assert failed(ordinary(), (bad, *PAST[:2])) == set()


def test_drift_allows_what_chance_does_to_small_shops() -> None:
    small = {"Clothing": 14, "Kitchen": 8, "Toys": 3}
    moved = {"Clothing": 9, "Kitchen": 11, "Toys": 5}
    past = (ordinary(mapped=25, classes=small),)
    bounds = GatesConfig(min_history=1)
    found = judged(ordinary(mapped=25, classes=moved), past, bounds)["drift.s"]
    assert found.bound is not None and found.bound > bounds.drift and not found.failed
    large = {name: 100 * count for name, count in small.items()}
    now = {"Clothing": 300, "Kitchen": 1100, "Toys": 1100}
    found = judged(
        ordinary(mapped=2500, classes=now), (ordinary(mapped=2500, classes=large),), bounds
    )["drift.s"]
    assert found.bound == bounds.drift and found.failed


def test_a_new_class_counts_as_drift() -> None:
    assert failed(ordinary(classes={**CLASSES, "Books": 200}, mapped=400)) == {"drift.s"}


def test_removals_are_of_the_release() -> None:
    assert not judge_removals(10, 100, BOUNDS).failed
    found = judge_removals(11, 100, BOUNDS)
    assert found.failed
    assert "11 of the 100 published records would leave (11.0%)" in found.words
    assert judge_removals(19, 19, BOUNDS).bound is None, "too few to judge by"


def test_bounds_are_the_configurations() -> None:
    bounds = GatesConfig(listings=0.4, rejections=0.7)
    now = ordinary(listings=90, filled=dict.fromkeys(ordinary().filled, 90), rejected=60)
    assert failed(now, PAST, bounds) == {"rejections.s"}
    assert failed(now, PAST) == {"listings.s", "rejections.s"}
