"""Recognise a picture that stands in for missing ones: many unlike titles share it.

In come the titles of one site's records that show the same picture; out goes whether that picture
is a placeholder ("no image yet", a shop's logo) rather than a product in several packings.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from cleaning.sketch import agreement, title_sketches


@dataclass(frozen=True)
class PlaceholderThresholds:
    """From when on a shared picture is none of its products.

    Different titles of one MEP-3M sub-class, which share nouns and attributes, agree in 0.03 of
    their 3-grams on average (99 % of pairs below 0.28), short ones with a common noun in up to
    0.25; packings and flavours of one product agree in 0.4 and more.
    """

    min_records: int = 5
    max_mean_similarity: float = 0.3
    sample: int = 50


def mean_similarity(titles: Sequence[str], sample: int) -> float:
    """Mean estimated Jaccard similarity of the 3-grams of all pairs of at most ``sample`` titles.

    The sample is spread evenly over the sorted titles, so it does not depend on their order.
    """
    ordered = sorted(titles)
    count = min(len(ordered), sample)
    sketches = title_sketches([ordered[i * len(ordered) // count] for i in range(count)])
    shares = [agreement(a, b) / len(a) for a, b in combinations(sketches, 2)]
    return sum(shares) / len(shares) if shares else 1.0


def is_placeholder(titles: Sequence[str], thresholds: PlaceholderThresholds | None = None) -> bool:
    """Whether the picture that records with these ``titles`` share is a placeholder."""
    thresholds = thresholds or PlaceholderThresholds()
    if len(titles) < thresholds.min_records:
        return False
    return mean_similarity(titles, thresholds.sample) <= thresholds.max_mean_similarity
