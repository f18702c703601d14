"""The figures of a run by which it is judged, as `run.json` keeps them.

They are counts, a few hundred bytes a site, so that history outlives the tables it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

from pydantic import TypeAdapter, ValidationError

FIELDS = {
    "title": "title", "image": "image_url", "category": "category_paths",
    "product_id": "product_id",
}  # fmt: skip
"""What a listing may have or lack, by its column in the listings table."""

READ = ("ok", "carried")
BLOCKED = ("http_401", "http_403", "http_429")
NOT_ASKED = ("robots", "capped", "trap", "queued", "not_captured")
NO_FAULT = (*READ, "redirect", "http_404", "http_410")
"""Outcomes of pages: read, refused by the shop, left out by rule, and answered as shops do."""


@dataclass(frozen=True)
class SiteFigures:
    """Counts of one site of one run.

    `pages` are by outcome, `filled` are the listings that have a field, `new` those that no
    earlier run saw; `pictures` were to be had and `pictures_failed` were not; `duplicates` are of
    the mapped and the held, `classes` of the mapped.
    """

    pages: Mapping[str, int] = field(default_factory=dict)
    sightings: int = 0
    listings: int = 0
    new: int = 0
    filled: Mapping[str, int] = field(default_factory=dict)
    pictures: int = 0
    pictures_failed: int = 0
    rejected: int = 0
    mapped: int = 0
    held: int = 0
    duplicates: int = 0
    classes: Mapping[str, int] = field(default_factory=dict)

    @property
    def pages_read(self) -> int:
        """Pages whose content the run has."""
        return sum(self.pages.get(outcome, 0) for outcome in READ)

    @property
    def pages_asked(self) -> int:
        """Pages that were not left out by a rule of ours or of the shop's."""
        return sum(count for name, count in self.pages.items() if name not in NOT_ASKED)

    @property
    def pages_blocked(self) -> int:
        """Pages that the shop refused to this crawler."""
        return sum(self.pages.get(outcome, 0) for outcome in BLOCKED)

    @property
    def pages_failed(self) -> int:
        """Pages that ended in a fault: no answer, or one that no working shop gives."""
        fine = (*NO_FAULT, *NOT_ASKED, *BLOCKED)
        return sum(count for name, count in self.pages.items() if name not in fine)


@dataclass(frozen=True)
class Figures:
    """The figures of one run, by site; `published` is the size of the release it grew from."""

    sites: Mapping[str, SiteFigures] = field(default_factory=dict)
    removed: int = 0
    published: int = 0

    def to_json(self) -> dict[str, Any]:
        """As `run.json` keeps them."""
        return asdict(self)


def parse_figures(value: object) -> Figures | None:
    """The figures in a run's record; None where they are not what this program writes."""
    try:
        return _adapter().validate_python(value)
    except ValidationError:
        return None


@cache
def _adapter() -> TypeAdapter[Figures]:
    return TypeAdapter(Figures)
