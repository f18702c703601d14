"""The population stability index, and what chance does to it."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from operations.gates.drift import CHANCE, by_chance, population_stability

COUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10_000), max_size=6)


def test_it_is_the_formulas_value() -> None:
    now, before = {"a": 5000, "b": 5000}, {"a": 2500, "b": 7500}
    a, b = (5000.5 / 10001, 2500.5 / 10001), (5000.5 / 10001, 7500.5 / 10001)
    expected = sum((x - y) * math.log(x / y) for x, y in (a, b))
    assert population_stability(now, before) == pytest.approx(expected, rel=1e-12)
    assert expected == pytest.approx(0.2746, abs=1e-3)


@given(COUNTS, COUNTS)
def test_it_is_never_negative_and_the_same_both_ways(
    now: dict[str, int], before: dict[str, int]
) -> None:
    index = population_stability(now, before)
    assert index >= 0
    assert index == pytest.approx(population_stability(before, now))
    assert population_stability(now, now) == 0


def test_two_samples_of_one_distribution_hardly_exceed_chance() -> None:
    random.seed(11)
    classes, weights = "abcdefgh", (30, 20, 15, 10, 10, 8, 5, 2)

    def sample(size: int) -> dict[str, int]:
        drawn = random.choices(classes, weights, k=size)
        return {name: drawn.count(name) for name in classes}

    exceeded = 0
    for _ in range(400):
        now, before = sample(60), sample(300)
        exceeded += population_stability(now, before) > by_chance(now, before)
    assert exceeded <= 400 * CHANCE * 10
    assert by_chance({"a": 5}, {"a": 9}) == 0, "one class cannot move"
    assert by_chance({}, {"a": 9}) == 0
