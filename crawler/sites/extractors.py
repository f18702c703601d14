"""Extractors: the ways to read a product page, each giving the fields it found.

An extractor is a function of (page, site file) to `Fields`; a site file names the order in which
they are tried, and the first that has a field wins it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import unescape
from typing import Any

from extruct.jsonld import JsonLdExtractor
from parsel import Selector

from crawler.sites.sitefile import SiteFile

# Lazy-loading pages carry a tiny inline picture where the real one will come.
_INLINE = ("data:", "about:", "javascript:")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Fields:
    """What one extractor found; None where it found nothing."""

    title: str | None = None
    image: str | None = None
    category_path: tuple[str, ...] | None = None


def text_of(selector: Selector, queries: Iterable[str]) -> str | None:
    """The first non-empty text that one of the CSS queries selects.

    A query ending in `::text` or `::attr(…)` gives that; any other the element's whole text.
    """
    for query in queries:
        for node in selector.css(query):
            text = node.get() if "::" in query else node.xpath("string()").get()
            text = " ".join((text or "").split())
            if text:
                return text
    return None


def image_of(selector: Selector, queries: Iterable[str]) -> str | None:
    """The first picture address among the queries' results, passing over inline stand-ins."""
    for query in queries:
        for value in selector.css(query).getall():
            value = value.strip()
            if value and not value.lower().startswith(_INLINE):
                return value
    return None


def texts_of(selector: Selector, queries: Iterable[str]) -> tuple[str, ...] | None:
    """All non-empty texts of the first query that selects any."""
    for query in queries:
        found = [
            " ".join(((n.get() if "::" in query else n.xpath("string()").get()) or "").split())
            for n in selector.css(query)
        ]
        if any(found):
            return tuple(text for text in found if text)
    return None


def selectors(page: Selector, site: SiteFile) -> Fields:
    """The site file's CSS selectors."""
    rules = site.product
    return Fields(
        text_of(page, rules.title or ()),
        image_of(page, rules.image or ()),
        texts_of(page, rules.category_path or ()),
    )


def jsonld(page: Selector, site: SiteFile) -> Fields:
    """schema.org Product and BreadcrumbList in JSON-LD scripts."""
    del site
    items: list[Mapping[str, Any]] = []
    for script in page.css('script[type="application/ld+json"]'):
        try:
            # extruct repairs comments and stray control characters before it gives up.
            items.extend(_nodes(JsonLdExtractor().extract_items(script.root)))
        except (ValueError, RecursionError):
            continue  # a broken script must not hide the others; the selectors come after them
    product: Mapping[str, Any] = next((i for i in items if _is_a(i, "Product")), {})
    crumbs: Mapping[str, Any] = next((i for i in items if _is_a(i, "BreadcrumbList")), {})
    return Fields(
        _text(product.get("name")),
        _image(product.get("image")),
        _trail(crumbs.get("itemListElement")),
    )


def _nodes(value: Any) -> Iterable[Mapping[str, Any]]:
    """Every object of a JSON-LD document, `@graph` members included."""
    stack = [value]
    while stack:
        top = stack.pop()
        if isinstance(top, list):
            stack.extend(reversed(top))
        elif isinstance(top, dict):
            yield top
            stack.append(top.get("@graph", []))


def _is_a(node: Mapping[str, Any], kind: str) -> bool:
    types = node.get("@type")
    names = types if isinstance(types, list) else [types]
    return any(
        str(n).removeprefix("http://schema.org/").removeprefix("https://schema.org/") == kind
        for n in names
    )


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        value = value[0] if value else None
    text = " ".join(unescape(_whole(value)).split()) if isinstance(value, str) else ""
    return text or None


def _whole(text: str) -> str:
    """JSON can spell half a surrogate pair, which no encoding can store."""
    return _SURROGATE.sub("\ufffd", text)


def _image(value: Any) -> str | None:
    """An image is a URL, an ImageObject, or a list of either."""
    if isinstance(value, list):
        return next((found for item in value if (found := _image(item))), None)
    if isinstance(value, dict):
        return _image(value.get("contentUrl") or value.get("url"))
    return _whole(value).strip() or None if isinstance(value, str) else None


def _trail(value: Any) -> tuple[str, ...] | None:
    if not isinstance(value, list):
        return None
    placed = [(_position(item, i), _crumb(item)) for i, item in enumerate(value)]
    names = tuple(name for _, name in sorted(placed, key=lambda p: p[0]) if name)
    return names or None


def _position(item: Any, fallback: int) -> float:
    try:
        return float(item["position"])
    except (TypeError, KeyError, ValueError, OverflowError):
        return float(fallback)


def _crumb(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    target = item.get("item")
    return _text(item.get("name")) or (
        _text(target.get("name")) if isinstance(target, dict) else None
    )


EXTRACTORS: Mapping[str, Callable[[Selector, SiteFile], Fields]] = {
    "jsonld": jsonld,
    "selectors": selectors,
}
