"""Traps: endless URL spaces, told apart from a shop's catalogue by their URLs and contents.

Calendars, session ids, facets and sort orders make pages without end that hold nothing new. The
functions here judge one URL or one page; the frontier counts, and stops what stays fruitless.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import parse_qs, parse_qsl, urlsplit

from runtime.keys import digest

MAX_URL_CHARS = 2048
MAX_SAME_SEGMENTS = 4  # relative links on a page that answers at any depth: /a/b/a/b/a/b/a/b
# So many refinements by the same parameters in a row without a new product, or pages of one shape
# that differ in their query and repeat what others showed, and no more of them are asked for.
FRUITLESS_PAGES = 20
# Below so many pages in a row without any product, a URL pattern of which so many pages showed
# none at all is given up. Departments of departments are seldom deeper than three.
BARREN_HOPS = 4
BARREN_PAGES = 50

REMEMBERED_URLS = 32_768  # the navigation of a shop stands on all its pages

_DIGITS = re.compile(r"\d+")


def endless_url(url: str) -> str | None:
    """Why the URL itself looks like a trap's; None when it does not."""
    if len(url) > MAX_URL_CHARS:
        return f"expected a URL of at most {MAX_URL_CHARS} characters, got {len(url)}"
    if url.count("/") < MAX_SAME_SEGMENTS + 2:
        return None
    segments = Counter(segment for segment in urlsplit(url).path.split("/") if segment)
    name, times = segments.most_common(1)[0] if segments else ("", 0)
    if times >= MAX_SAME_SEGMENTS:
        return f"expected no path that repeats itself, got {name!r} {times} times"
    return None


def added_parameters(url: str, base: str) -> tuple[str, ...]:
    """Names of the query parameters that make `url` a refinement of `base`, sorted.

    A refinement has the same path, some parameters more, and no other value for those it shares
    with the base: a filter, a sort order, a view. Empty when it is none.
    """
    if "?" not in url:
        return ()
    ours, theirs = urlsplit(url), urlsplit(base)
    if (ours.netloc, ours.path) != (theirs.netloc, theirs.path):
        return ()
    mine = parse_qs(ours.query, keep_blank_values=True)
    other = parse_qs(theirs.query, keep_blank_values=True)
    if any(mine[name] != other[name] for name in mine.keys() & other.keys()):
        return ()
    return tuple(sorted(mine.keys() - other.keys()))


@lru_cache(maxsize=REMEMBERED_URLS)
def shape(url: str) -> str:
    """The URL with its numbers and the values of its parameters left out: pages of one kind."""
    parts = urlsplit(url)
    names = sorted({name for name, _ in parse_qsl(parts.query, keep_blank_values=True)})
    return f"{parts.netloc}{_DIGITS.sub('0', parts.path)}?{'&'.join(names)}"


def content_key(products: Iterable[str]) -> str | None:
    """A digest of the set of products that a page shows; None for a page without any."""
    shown = sorted(set(products))
    return digest(*shown) if shown else None
