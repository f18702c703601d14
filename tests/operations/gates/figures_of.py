"""Figures of a shop on an ordinary day, to be varied by a test."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from operations.gates.figures import SiteFigures

CLASSES = {"Clothing": 120, "Kitchen": 60, "Toys": 20}


def ordinary(**changed: Any) -> SiteFigures:
    """1,000 pages, 200 listings that all have every field, nothing wrong but for a few things."""
    usual = SiteFigures(
        pages={"ok": 950, "carried": 20, "http_404": 10, "robots": 10, "http_500": 10},
        sightings=230,
        listings=200,
        new=4,
        filled={"title": 200, "image": 198, "category": 200, "product_id": 200},
        pictures=198,
        pictures_failed=2,
        rejected=6,
        mapped=200,
        held=0,
        duplicates=10,
        classes=CLASSES,
    )
    return replace(usual, **changed)
