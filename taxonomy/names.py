"""Category names: brought to one written form, taken apart, and which of them say too little.

Shops write one category in many ways (`洗（烘）衣机` and `洗 (烘) 衣机`, `饼干、蛋糕` and
`饼干/蛋糕`); names are compared in the form `normalise_name` gives. It is for comparison only:
labels carry the tree's own spelling.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

_SEPARATORS = re.compile(r"[/\\、·・•‧∙,，|¦&>›»]+")
# Spaces and the format characters that text copied from web pages carries unseen.
_INVISIBLE = re.compile("[\\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
_OPENING = re.compile(r"[\[{「『【〔〖〈《]")
_CLOSING = re.compile(r"[\]}」』】〕〗〉》]")


class Need(IntEnum):
    """What must stand before a name for it to mean the category of that name."""

    NOTHING = 0
    ANCESTOR = 1  # some category before it that agrees
    PARENT = 2  # its own parent, directly before it


@dataclass(frozen=True)
class WeakName:
    """A name that alone does not say which category is meant, what it needs, and why."""

    name: str
    need: Need
    why: str


_NOTHING_ALONE = "means nothing without its parent"
_PLACE = "also a place: a delivery area or a shop's town"

WEAK_NAMES: tuple[WeakName, ...] = (
    *(
        WeakName(name, Need.PARENT, _NOTHING_ALONE)
        for name in (
            "其他",
            "套装",
            "配件",
            "更多",
            "全部",
            "更多商品",
            "其他商品",
            "其他分类",
            "other",
        )
    ),
    *(
        WeakName(name, Need.ANCESTOR, _PLACE)
        for name in ("新疆", "北京", "山西", "内蒙古", "福建", "湖南", "四川", "云南", "东北")
    ),
    WeakName("苹果", Need.ANCESTOR, "fruit, but also a brand of telephones"),
    WeakName("火锅", Need.ANCESTOR, "a pot, but also food and restaurants"),
    WeakName("贴膜", Need.ANCESTOR, "for cars, but also for telephones and windows"),
    WeakName("拖鞋", Need.ANCESTOR, "for sports, but indoor slippers in most shops"),
)
_NEEDS: Mapping[str, Need] = {row.name: row.need for row in WEAK_NAMES}


def normalise_name(text: str) -> str:
    """The one written form of a category name; empty when nothing visible is left.

    HTML entities are resolved, compatibility forms folded (NFKC: full-width letters and
    punctuation), letter case folded, spaces and invisible characters taken out, separators
    (/ 、 · , | & >) written as one "/", brackets of every kind as "()", 其它 as 其他, and trailing
    dots, colons and separators dropped.
    """
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        text = text.lower()
    else:
        # Case folding can leave a form that NFKC would still change, hence twice.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    text = _INVISIBLE.sub("", text).replace("其它", "其他")
    text = _CLOSING.sub(")", _OPENING.sub("(", text))
    text = _SEPARATORS.sub("/", text).lstrip("/")
    bare = text.rstrip(".:/")
    return text if text == f"{bare}." else bare  # a single dot ends an abbreviation


def parts(name: str) -> tuple[str, ...]:
    """The pieces of a normalised name between its separators: 水饺/馄饨 is 水饺 and 馄饨."""
    return tuple(part for part in name.split("/") if part)


def need_of(name: str) -> Need:
    """What a normalised name needs before it; NOTHING for a name that speaks for itself."""
    return _NEEDS.get(name, Need.NOTHING)
