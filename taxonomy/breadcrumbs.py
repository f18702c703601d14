"""Category paths as shops show them, brought to what they say: a tuple of normalised names.

Comes in: the elements of a breadcrumb, from the home page down. Goes out: a `Breadcrumb` without
the home page and empty elements, and, where the title is given, without that at its end.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from taxonomy.names import normalise_name

# Some shops put a whole path into one element (schema.org `category`); no name holds these signs.
_STEPS = re.compile(r"[>＞›»]|&gt;")

_HAN = re.compile("[\u4e00-\u9fff]+")

MAX_STEPS = 32  # no shop nests so deep; a hostile page may

LEADING_NOISE = frozenset(
    [
        *("首页", "主页", "网站首页", "商城首页", "返回首页", "home", "homepage", "index"),
        *("全部", "全部分类", "所有分类", "全部商品", "所有商品", "全部产品"),
        *("全部商品分类", "商品分类", "分类", "categories", "catalogue"),
        *("allcategories", "allproducts"),
        *("当前位置", "您的位置", "你的位置", "您现在的位置", "youarehere"),
    ]
)


@dataclass(frozen=True, order=True)
class Breadcrumb:
    """A path of category names, top down: normalised, and as the shop wrote them."""

    names: tuple[str, ...]
    written: tuple[str, ...]

    def __str__(self) -> str:
        return " > ".join(self.written)


def read_breadcrumb(elements: Sequence[str]) -> Breadcrumb:
    """The path without empty elements and without what leads in to it (首页, Home, 全部分类 …)."""
    pieces = [piece.strip() for element in elements for piece in _STEPS.split(element)]
    pairs = [(name, piece) for piece in pieces if (name := normalise_name(piece))]
    start = 0
    while start < len(pairs) and pairs[start][0] in LEADING_NOISE:
        start += 1
    kept = pairs[start : start + MAX_STEPS]
    return Breadcrumb(tuple(name for name, _ in kept), tuple(piece for _, piece in kept))


def without_title(crumb: Breadcrumb, title: str) -> Breadcrumb:
    """The path without its last element when that is the product's (normalised) title."""
    if crumb.names and crumb.names[-1] == title:
        return Breadcrumb(crumb.names[:-1], crumb.written[:-1])
    return crumb


def distinct_breadcrumbs(
    paths: Sequence[Sequence[str]], title: str | None = None
) -> tuple[Breadcrumb, ...]:
    """What a record's paths say, each once, without the (normalised) title at their ends.

    By their names alone, so that two spellings of one path count once, whichever came first.
    """
    crumbs: dict[tuple[str, ...], Breadcrumb] = {}
    for crumb in sorted(map(read_breadcrumb, paths)):
        cut = without_title(crumb, title) if title else crumb
        if cut.names:
            crumbs.setdefault(cut.names, cut)
    return tuple(crumbs.values())


def title_among(names: frozenset[str], title: str) -> str | None:
    """Which of these normalised names the title is, or None.

    Normalising keeps every Han character, so that a title with more of them than the longest name
    is long cannot be one: nearly all titles are settled so, without being normalised.
    """
    longest = max(map(len, names), default=0)
    if len(title) - len(_HAN.sub("", title)) > longest:
        return None
    name = normalise_name(title)
    return name if name in names else None
