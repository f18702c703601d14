"""Queries of site files: CSS or XPath over a page's elements, JMESPath over embedded JSON.

A query that starts like XPath (`/`, `./`, `(`, `string(`) or with `xpath:` is that, any other is
CSS, where `::text` and `::attr(…)` give a text or an attribute. Queries are compiled once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lxml import etree
from parsel import Selector
from parsel.csstranslator import HTMLTranslator

from crawler.sites.texts import clean

if TYPE_CHECKING:
    from cssselect.xpath import XPathExpr

Element = Any  # lxml.etree._Element: lxml has no type stubs here
Node = Any  # an Element, or the str of an attribute or a text

_XPATH = re.compile(r"xpath:|/|\./|\(|[a-z-]+\(")
_NAMESPACES = {
    "re": "http://exslt.org/regular-expressions",
    "set": "http://exslt.org/sets",
}


class _Translator(HTMLTranslator):
    """CSS as one step of XPath: `nav a` is an `a` that has a `nav` among its ancestors.

    The usual translation walks down from every `nav`, and libxml2 compares each node that it finds
    with all found before: 30,000 links in 1,000 nested lists take minutes in one call, which
    nothing can interrupt. Within a tile, what lies around it counts as well, as in browsers.
    """

    def xpath_descendant_combinator(self, left: XPathExpr, right: XPathExpr) -> XPathExpr:
        return right.add_condition(f"ancestor::{left}[1]")

    def xpath_child_combinator(self, left: XPathExpr, right: XPathExpr) -> XPathExpr:
        return right.add_condition(f"parent::{left}")

    def xpath_direct_adjacent_combinator(self, left: XPathExpr, right: XPathExpr) -> XPathExpr:
        return right.add_condition(f"preceding-sibling::*[1]/self::{left}")

    def xpath_indirect_adjacent_combinator(self, left: XPathExpr, right: XPathExpr) -> XPathExpr:
        return right.add_condition(f"preceding-sibling::{left}")


@lru_cache(maxsize=4096)
def _compiled(query: str) -> etree.XPath:
    if _XPATH.match(query):
        path = query.removeprefix("xpath:").strip()
    else:
        path = _Translator().css_to_xpath(query)
    return etree.XPath(path, namespaces=_NAMESPACES)


def check_query(query: str) -> str:
    """The query itself; raises ValueError saying what is wrong with it."""
    if _XPATH.match(query):
        return check_xpath(query)
    try:
        _compiled(query)(etree.Element("html"))  # some faults only show when it is run
    except (SyntaxError, RuntimeError, ValueError, etree.XPathError) as error:
        raise ValueError(f"a CSS selector, but {error}") from None
    return query


def check_xpath(query: str) -> str:
    """The XPath expression itself; raises ValueError saying what is wrong with it."""
    try:
        Selector("").xpath(query.removeprefix("xpath:").strip())
    except ValueError as error:
        raise ValueError(f"an XPath expression, but {error}") from None
    return query


def check_jmespath(path: str) -> str:
    """The JMESPath itself; raises ValueError saying what is wrong with it."""
    try:
        Selector(root={}, type="json").jmespath(path)
    except ValueError as error:
        words = " ".join(str(error).split())
        raise ValueError(f"a JMESPath expression, but {words}") from None
    return path


def select(node: Element, query: str) -> Sequence[Node]:
    """What a query selects below an element, in document order."""
    found = _compiled(query)(node)
    if isinstance(found, list):
        return found
    return [found] if isinstance(found, str) else [str(found)]


_STRING = etree.XPath("string()", smart_strings=False)


def node_text(node: Node) -> str:
    """The clean text of what a query selected."""
    return clean(node if isinstance(node, str) else _STRING(node))


def text_of(node: Element, queries: Iterable[str]) -> str | None:
    """The first non-empty text that one of the queries selects.

    A query that selects an element gives its whole text.
    """
    for query in queries:
        for found in select(node, query):
            text = node_text(found)
            if text:
                return text
    return None


def texts_of(node: Element, queries: Iterable[str]) -> tuple[str, ...] | None:
    """All non-empty texts of the first query that selects any."""
    for query in queries:
        texts = tuple(text for found in select(node, query) if (text := node_text(found)))
        if texts:
            return texts
    return None


def values_at(value: Any, path: str) -> list[Any]:
    """What a JMESPath finds in a JSON value; null is nothing, lists are given flat."""
    found = Selector(root=value, type="json").jmespath(path)
    values = [item.root for item in found]
    flat: list[Any] = []
    for item in values:
        flat.extend(item if isinstance(item, list) else [item])
    return [item for item in flat if item is not None]
