"""Category names: brought to one written form, taken apart, and which of them say too little.

Shops write one category in many ways (`洗（烘）衣机` and `洗 (烘) 衣机`, `饼干、蛋糕` and
`饼干/蛋糕`; 「燈具」 and 灯具); names are compared in the form `normalise_name` gives. It is for
comparison only: labels carry the tree's own spelling.
"""

from __future__ import annotations

import html
import re
import unicodedata

from runtime.han_forms import simplified

_SEPARATORS = re.compile(r"[/\\、·・•‧∙,，|¦&>›»]+")
# Spaces and the format characters that text copied from web pages carries unseen.
_INVISIBLE = re.compile("[\\s\u00ad\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]+")
_OPENING = re.compile(r"[\[{「『【〔〖〈《]")
_CLOSING = re.compile(r"[\]}」』】〕〗〉》]")


NOTHING_ALONE = frozenset(
    [
        *("其他", "套装", "配件", "更多", "全部", "更多商品", "其他商品", "其他分类", "其他配件"),
        *("other", "others", "accessories", "more", "misc", "miscellaneous", "general", "sets"),
    ]
)
"""Names, normalised, that mean nothing without their parent, in any tree."""


_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_ADVERTISING = re.compile(
    "新品|新款|上新|热卖|热销|爆款|促销|特价|折扣|清仓|优惠|秒杀|推荐|精选|人气|专区|专场"
    "|春季|夏季|秋季|冬季|全部|更多|其他"
)


def normalise_name(text: str) -> str:
    """The one written form of a category name; empty when nothing visible is left.

    HTML entities are resolved, compatibility forms folded (NFKC: full-width letters and
    punctuation), letter case folded, traditional characters made simplified ones, spaces and
    invisible characters taken out, separators (/ 、 · , | & >) written as one "/", brackets of any
    kind as "()", 其它 as 其他, and trailing dots, colons and separators dropped.
    """
    if "&" in text:
        text = html.unescape(text)
    if text.isascii():
        text = text.lower()
    else:
        # Case folding can leave a form that NFKC would still change, hence twice.
        text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
        text = simplified(text)
    text = _INVISIBLE.sub("", text).replace("其它", "其他")
    text = _CLOSING.sub(")", _OPENING.sub("(", text))
    text = _SEPARATORS.sub("/", text).lstrip("/")
    bare = text.rstrip(".:/")
    return text if text == f"{bare}." else bare  # a single dot ends an abbreviation


def parts(name: str) -> tuple[str, ...]:
    """The pieces of a normalised name between its separators: 水饺/馄饨 is 水饺 and 馄饨."""
    return tuple(part for part in name.split("/") if part)


def joined(name: str) -> str:
    """A normalised name without its separators: 水壶/水杯 and 水壶水杯 are one."""
    return name.replace("/", "")


def says_a_kind(name: str) -> bool:
    """Whether a normalised name may say what a thing is: not one of a brand's Latin letters or of
    numbers alone, and not one of advertising (新品, 热卖专区)."""
    return name not in NOTHING_ALONE and bool(_HAN.search(_ADVERTISING.sub("", name)))
