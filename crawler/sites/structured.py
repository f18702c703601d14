"""Structured data in pages: JSON-LD, microdata and OpenGraph, read out of the element tree."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from extruct.jsonld import JsonLdExtractor
from extruct.w3cmicrodata import LxmlMicrodataExtractor
from lxml import etree

from crawler.sites.document import Document, Fields, Tile
from crawler.sites.pictures import is_stand_in
from crawler.sites.queries import Element
from crawler.sites.schema_org import SchemaObjects
from crawler.sites.texts import clean

# A page of a shop has some hundreds; nested ones repeat each other's texts.
MAX_MICRODATA_ELEMENTS = 5_000
_JSONLD_SCRIPTS = etree.XPath("//script[contains(translate(@type, 'LDJSON', 'ldjson'), 'ld+json')]")
_SEPARATORS = " |·:_»–—-"  # between a title and the shop's name
_MICRODATA = etree.XPath("count(//*[@itemscope or @itemprop])")
_METAS = etree.XPath(
    "//meta[@content and (starts-with(@property, 'og:') or starts-with(@name, 'og:')"
    " or starts-with(@property, 'product:'))]"
)


class ExtractorGaveUp(Exception):
    """The page is more than an extractor takes on; the words say what."""


def jsonld_objects(page: Document) -> SchemaObjects:
    """The objects of a page's JSON-LD scripts; a broken script hides no other."""
    items: list[Any] = []
    if "ld+json" in page.text or "LD+JSON" in page.text:
        for script in _JSONLD_SCRIPTS(page.root):
            try:
                items.extend(_json_items(script))
            except (ValueError, RecursionError, IndexError):
                continue
    return SchemaObjects(items, page.url)


def _json_items(script: Element) -> list[Any]:
    text = (script.text or "").strip()
    try:
        value = json.loads(text, strict=False)
    except ValueError:
        # extruct repairs comments, trailing commas and stray control characters.
        script.set("type", "application/ld+json")
        return list(JsonLdExtractor().extract_items(script))
    return value if isinstance(value, list) else [value]


class _Microdata(LxmlMicrodataExtractor):  # type: ignore[misc]  # extruct has no types
    """extruct's reading in linear time, with texts taken as they stand.

    Its own finds an item's properties by the difference of two sets of all elements, seconds in
    one call where items are nested deeply, and lays texts out like a browser's, with a copy of
    the element's tree for each, which is most of its time and says nothing more about a name.
    """

    def _extract_properties(
        self, node: Element, items_seen: Any, base_url: str, itemids: Any
    ) -> Iterator[Any]:
        for prop in _properties(node):
            yield from self._extract_property(
                prop, items_seen=items_seen, base_url=base_url, itemids=itemids
            )

    def _extract_textContent(self, node: Element) -> str:
        return clean("".join(self._xp_clean_text(node)))


def _properties(item: Element) -> Iterator[Element]:
    """An item's own properties in page order: not those of an item inside it."""
    walker = etree.iterwalk(item, events=("start",))
    for _, element in walker:
        if element is item:
            continue
        if element.get("itemprop"):
            yield element
        if element.get("itemscope") is not None:
            walker.skip_subtree()


def microdata_objects(page: Document) -> SchemaObjects:
    """The objects of a page's microdata. Raises ExtractorGaveUp for a page of thousands."""
    items: list[Any] = []
    if "itemscope" in page.text and "schema.org" in page.text:
        count = _MICRODATA(page.root)
        if count > MAX_MICRODATA_ELEMENTS:
            raise ExtractorGaveUp(f"{count:.0f} elements, at most {MAX_MICRODATA_ELEMENTS}")
        found = _Microdata().extract_items(page.root, page.base_url)
        items = [_as_object(item) for item in found]
    return SchemaObjects(items, page.url)


def _as_object(item: Any) -> Any:
    """extruct's microdata item in the form of JSON-LD."""
    if isinstance(item, list):
        return [_as_object(value) for value in item]
    if not isinstance(item, Mapping):
        return item
    inner = item.get("properties")
    values = {name: _as_object(value) for name, value in dict(inner or {}).items()}
    if "itemListElement" in values and not isinstance(values["itemListElement"], list):
        values["itemListElement"] = [values["itemListElement"]]
    return {**values, "@type": item.get("type"), **({"@id": item["id"]} if "id" in item else {})}


def jsonld(page: Document) -> Fields:
    """schema.org Product and BreadcrumbList in JSON-LD scripts."""
    return jsonld_objects(page).fields()


def jsonld_tiles(page: Document) -> list[Tile]:
    """schema.org ItemList and Products in JSON-LD scripts."""
    return jsonld_objects(page).tiles()


def microdata(page: Document) -> Fields:
    """schema.org Product and BreadcrumbList in microdata."""
    return microdata_objects(page).fields()


def microdata_tiles(page: Document) -> list[Tile]:
    """schema.org ItemList and Products in microdata."""
    return microdata_objects(page).tiles()


def opengraph(page: Document) -> Fields:
    """The page's OpenGraph title and picture; a title without the shop's name at its end."""
    found: dict[str, str] = {}
    if "og:" in page.text:
        for meta in _METAS(page.root):
            name = meta.get("property") or meta.get("name")
            value = clean(meta.get("content"))
            if value and not (name.startswith("og:image") and is_stand_in(value)):
                found.setdefault(name, value)
    title = found.get("og:title")
    shop = found.get("og:site_name")
    if title and shop and title.casefold().endswith(shop.casefold()):
        title = title[: -len(shop)].rstrip(_SEPARATORS) or title
    image = found.get("og:image:secure_url") or found.get("og:image") or found.get("og:image:url")
    category = found.get("product:category", "").split(">")
    path = tuple(part for piece in category if (part := piece.strip()))
    return Fields(title, image, path if len(path) > 1 else None)
