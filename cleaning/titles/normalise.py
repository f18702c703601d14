"""Normalise a product title without changing what it says about the product.

In comes the title as extracted; out goes the readable title and the promotional segments that
were taken out of it. The raw title is never edited: callers store it beside the result.
"""

from typing import NamedTuple

from cleaning.titles.plain_text import plain_text
from cleaning.titles.segments import NEVER, take_promotions

MAX_RAW_CHARS = 10_000
"""A longer raw title is cut before it is looked at: the time spent on one title stays bounded."""

_MAX_PASSES = 8
"""Removing a bracket may join what was around it to markup; no real title needs a second pass."""


class NormalisedTitle(NamedTuple):
    """A title ready for rules, and the promotional segments removed from it, in order.

    ``unclosed`` is the place in ``title`` of the first bracket that is never closed, or -1.
    """

    title: str
    removed: tuple[str, ...]
    unclosed: int = NEVER


def normalise_title(raw: str) -> NormalisedTitle:
    """Return the cleaned title of ``raw`` and the promotional segments taken out.

    Wrongly read bytes are mended, entities and HTML tags go, full-width forms become ASCII,
    invisible characters are dropped, white space is collapsed. Normalising a normalised title
    changes nothing.
    """
    title = plain_text(raw if len(raw) <= MAX_RAW_CHARS else raw[:MAX_RAW_CHARS])
    found = take_promotions(title)
    removed = found.removed
    for _ in range(_MAX_PASSES):
        if not found.removed:
            break
        title = plain_text(found.title)
        found = take_promotions(title)
        removed += found.removed
    return NormalisedTitle(title, removed, found.unclosed)
