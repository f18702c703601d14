"""Extractors by name: the ways to read a page, tried in the order that a site file declares.

Each gives the fields of a product's page, or the tiles of a listing page; the first that has a
field wins it. One that takes too long, or gives up, loses only what it would have found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from crawler.sites.document import Document, Fields, Tile
from crawler.sites.embedded import embedded, embedded_tiles
from crawler.sites.generic import generic
from crawler.sites.pictures import picture_of
from crawler.sites.queries import select, text_of, texts_of
from crawler.sites.rules import SiteFile
from crawler.sites.structured import (
    ExtractorGaveUp,
    jsonld,
    jsonld_tiles,
    microdata,
    microdata_tiles,
    opengraph,
)
from crawler.sites.timelimit import ReadingTime, TimeLimitReached


@dataclass(frozen=True)
class Extractor:
    """One way to read a page; `label` is what its fields are marked with in `extracted_by`."""

    label: str
    fields: Callable[[Document, SiteFile], Fields]
    tiles: Callable[[Document, SiteFile], list[Tile]] = lambda page, site: []


def selectors(page: Document, site: SiteFile) -> Fields:
    """The site file's selectors for a product's page."""
    rules = site.product
    return Fields(
        text_of(page.root, rules.title or ()),
        picture_of(page.root, rules.image or ()),
        texts_of(page.root, rules.category_path or ()),
    )


def selector_tiles(page: Document, site: SiteFile) -> list[Tile]:
    """The site file's selectors for tiles; a tile without a link is none."""
    rules = site.listing
    if rules is None:
        return []
    tiles = []
    for tile in select(page.root, rules.tile):
        if not isinstance(tile, str) and (url := text_of(tile, rules.url)) is not None:
            tiles.append(
                Tile(
                    url,
                    text_of(tile, rules.product_id or ()),
                    text_of(tile, rules.title or ()),
                    picture_of(tile, rules.image or ()),
                )
            )
    return tiles


EXTRACTORS: Mapping[str, Extractor] = {
    "jsonld": Extractor(
        "jsonld", lambda page, site: jsonld(page), lambda page, site: jsonld_tiles(page)
    ),
    "microdata": Extractor(
        "microdata", lambda page, site: microdata(page), lambda page, site: microdata_tiles(page)
    ),
    "selectors": Extractor("selectors", selectors, selector_tiles),
    "embedded": Extractor("embedded", embedded, embedded_tiles),
    "opengraph": Extractor("opengraph", lambda page, site: opengraph(page)),
    "generic": Extractor("generic-low", lambda page, site: generic(page)),
}

# What parsers raise on broken input beyond ValueError; the next extractor comes after it.
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_FAULTS = (ValueError, LookupError, TypeError, AttributeError, RecursionError, ExtractorGaveUp)


@dataclass
class Reading:
    """Runs extractors over one page, each at most once, and notes what was lost.

    `notes` says which extractor was ended or gave up, and why.
    """

    page: Document
    site: SiteFile
    time: ReadingTime
    notes: list[str]

    def fields(self, name: str) -> Fields:
        """What one extractor finds on a product's page."""
        found = self._run(name, EXTRACTORS[name].fields)
        return found if isinstance(found, Fields) else Fields()

    def tiles(self, name: str) -> list[Tile]:
        """What one extractor finds on a listing page."""
        found = self._run(name, EXTRACTORS[name].tiles)
        return found if isinstance(found, list) else []

    def _run(
        self, name: str, work: Callable[[Document, SiteFile], Fields | list[Tile]]
    ) -> Fields | list[Tile] | None:
        try:
            with self.time.step():
                return work(self.page, self.site)
        except TimeLimitReached:
            self.notes.append(f"{name}: ended, it took too much processor time")
        except _FAULTS as fault:
            words = f"{type(fault).__name__}: {fault}" if str(fault) else type(fault).__name__
            # Where an object lay in memory is no part of what the page says.
            self.notes.append(f"{name}: gave up, {_ADDRESS.sub('', words)}"[:200])
        return None
