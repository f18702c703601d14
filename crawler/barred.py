"""What a page says of records and URLs that were taken down is left out before it is stored.

In comes a page's reading and the tombstones; out goes the reading without them, and how many
sightings stay away: a count is all that may be kept of them.
"""

from __future__ import annotations

from dataclasses import replace

from crawler.sites.pages import PageReading
from runtime.tombstones import Tombstones


def without_barred(reading: PageReading, tombstones: Tombstones) -> tuple[PageReading, int]:
    """The reading as it may be stored, and the number of its sightings that were taken down."""
    if not tombstones:
        return reading, 0
    sightings = tuple(
        s for s in reading.sightings if not tombstones.bars(s.record_id, s.product_url, s.image_url)
    )
    links = tuple(link for link in reading.links if tombstones.on_url(link.target_url) is None)
    removed = len(reading.sightings) - len(sightings)
    return replace(reading, sightings=sightings, links=links), removed
