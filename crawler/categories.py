"""Category paths that a page only knows from where one came.

A grid page of many shops does not say which category it shows; the navigation that led there
does. From the links of a site this finds, for every listing page, the words on the way to it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

Path = tuple[str, ...]


@dataclass(frozen=True)
class Hop:
    """A category, next or redirect link; `position` is its place on `page_url`."""

    page_url: str
    position: int
    target_url: str
    kind: str
    names: Path


def paths_from_links(starts: Sequence[str], hops: Iterable[Hop]) -> dict[str, Path]:
    """The category path of every page that links lead to from the start pages.

    Breadth first, links in page-and-position order, so the shortest way wins and, among equals,
    the one that a reader meets first. A category link adds its headings and words; a next page
    and a redirect's target have the path of the page before.
    """
    outgoing: dict[str, list[Hop]] = defaultdict(list)
    for hop in hops:
        outgoing[hop.page_url].append(hop)
    paths: dict[str, Path] = dict.fromkeys(starts, ())
    waiting = deque(starts)
    while waiting:
        page = waiting.popleft()
        for hop in sorted(outgoing.get(page, ()), key=lambda h: h.position):
            if hop.target_url not in paths:
                added = hop.names if hop.kind == "category" else ()
                paths[hop.target_url] = paths[page] + added
                waiting.append(hop.target_url)
    return paths
