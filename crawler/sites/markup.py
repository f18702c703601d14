"""Markup that would stop a parser or a selector: refused by its measure, before it does.

libxml2 compares every attribute of a tag with all before it (19 s for 100,000 of them in 0.9 MB),
and a selector asks every element about all around it. Both are single calls that nothing can
interrupt; a page made for that would stop a crawl for hours.
"""

from __future__ import annotations

import re
from typing import Any

from lxml import etree

# Elements times depth: what one selector may have to look at. A large shop page has 200,000.
MAX_NESTING = 4_000_000
SHALLOW_ELEMENTS = 5_000  # fewer cannot be too many at any depth that the parser allows, 2,048
MAX_ATTRIBUTES = 10_000  # of one tag; a tenth of a second
# A page that is shorter cannot hold enough of them to take more than about a second.
HARMLESS_CHARS = 128 * 1024
_SHORTEST = 4  # characters of an attribute that differs from ten thousand others, with its space

# Tags as the HTML standard divides them (13.2.5): a quote opens a value only after "=".
_INSIDE = r"""(?>[^>"'=]++|=[\s]*+(?:"[^"]*+"?|'[^']*+'?)?|["'])*+"""
_MARKUP = re.compile(
    r"<!--(?>-?>|.*?(?:--!?>|\Z))"
    rf"|<(script|style|textarea|title|xmp|iframe|noembed|noframes)\b{_INSIDE}(?:>.*?(?:</\1|\Z))?"
    rf"|</?[a-z]{_INSIDE}",
    re.DOTALL | re.IGNORECASE,
)
_VALUE = re.compile(r"""=\s*(?:"[^"]*+"?|'[^']*+'?)""")
_ATTRIBUTE = re.compile(r"""[\s/"'][^\s/>="']""")


def excessive_tag(text: str) -> str | None:
    """What is wrong with a page's markup, in words; None for nearly every page. Linear."""
    if len(text) <= HARMLESS_CHARS:
        return None
    for match in _MARKUP.finditer(text):
        if match.end() - match.start() > _SHORTEST * MAX_ATTRIBUTES:
            tag = match[0] if match[1] is None else match[0].partition(">")[0]
            if tag.startswith("<!"):
                continue
            count = sum(1 for _ in _ATTRIBUTE.finditer(_VALUE.sub("=", tag)))
            if count > MAX_ATTRIBUTES:
                return f"expected at most {MAX_ATTRIBUTES} attributes of one tag, got {count}"
    return None


_COUNT = etree.XPath("count(//*)")


def excessive_nesting(root: Any) -> str | None:
    """What is wrong with a page's tree, in words; None for nearly every page. Linear."""
    elements = int(_COUNT(root))
    if elements <= SHALLOW_ELEMENTS:
        return None
    depth = deepest = 0
    for event, _ in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        deepest = max(deepest, depth)
    if elements * deepest <= MAX_NESTING:
        return None
    return (
        f"expected elements times depth of at most {MAX_NESTING}, got {elements} elements "
        f"in {deepest} levels"
    )
