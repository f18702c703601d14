"""Texts like titles, for property tests: words of real ones beside everything else."""

import re
import string
from functools import cache

from hypothesis import strategies as st

FRAGMENTS = (
    *(
        "奶粉",
        "900g",
        "飞鹤(Friso)",
        "【包邮】",
        "(",
        "】",
        "{{",
        "&lt;",
        "<b>",
        " ",
        "  ",
        "（",
        "Ａ",
    ),
    *("微信", "加V", "QQ", "1", "38", "12345678", "13812345678", ":", "shop8.com", "/", "@", "vx"),
    *(
        "补差价",
        "勿拍",
        "测试",
        "商品",
        "运费",
        "专用",
        "链接",
        "请",
        "test product",
        "定金",
        "null",
    ),
    *("元", "99", "¥", "…", "“", "の", "ニス", "无線", "Ã©", "\u200b", "e\u0301", "×", "²", "①"),
)
TITLES = st.lists(
    st.one_of(st.sampled_from(FRAGMENTS), st.text(st.characters(codec="utf-8"), max_size=3)),
    max_size=12,
).map("".join)
"""Anything, and often what the rules look for."""


@cache
def matching(pattern: str | re.Pattern[str]) -> st.SearchStrategy[str]:
    """Texts with single spaces that ``pattern`` is found in.

    They are of its own characters, ASCII's and a few others: "ſhipping", equal to "shipping" only
    by case folding, is no concern of shops.
    """
    compiled = re.compile(pattern)
    alphabet = sorted({*string.printable[:-5], *"中文あé①", *compiled.pattern} - set("ıİſK"))
    drawn = st.from_regex(compiled, fullmatch=True, alphabet="".join(alphabet))
    spaced = drawn.map(lambda text: " ".join(text.split()))
    return spaced.filter(lambda text: compiled.search(text) is not None)
