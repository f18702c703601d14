"""Drift: how far the classes of a site's records moved, as the population stability index.

PSI = Σ (a - e) ln(a / e) over the classes, a and e being the shares now and before; 0.25 is the
usual bound of a large shift. Two samples of one distribution differ by chance as well: then
PSI / (1/n + 1/m) has a chi-squared distribution with one degree of freedom less than there are
classes (Yurdakul and Naranjo, "Statistical properties of the population stability index", 2020).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

SMOOTHING = 0.5
"""Records added to each class, so that one that is empty on a side has a logarithm."""
CHANCE = 0.001
"""How often chance alone may exceed `by_chance`."""


def population_stability(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """The index of two distributions of counts over the same classes; 0 where they are equal."""
    classes = _populated(now, before)
    if not classes:
        return 0.0
    size_now = sum(now.values()) + SMOOTHING * len(classes)
    size_before = sum(before.values()) + SMOOTHING * len(classes)
    total = 0.0
    for name in classes:
        a = (now.get(name, 0) + SMOOTHING) / size_now
        e = (before.get(name, 0) + SMOOTHING) / size_before
        total += (a - e) * math.log(a / e)
    return total


def by_chance(now: Mapping[str, int], before: Mapping[str, int]) -> float:
    """The index that two samples of these sizes from one distribution hardly exceed."""
    from scipy.special import chdtri  # loaded only where a distribution is judged

    sizes = sum(now.values()), sum(before.values())
    freedom = len(_populated(now, before)) - 1
    if freedom < 1 or 0 in sizes:
        return 0.0
    return float(chdtri(freedom, CHANCE)) * sum(1 / size for size in sizes)


def _populated(now: Mapping[str, int], before: Mapping[str, int]) -> list[str]:
    counts = {**before, **{name: count for name, count in now.items() if count}}
    return sorted(name for name, count in counts.items() if count)
