"""Names in the texts of pages, however they are written there."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest

from provenance.takedown.names import Names

BASE = "http://shop.cn/list/1"
URL = "http://shop.cn/%E5%95%86%E5%93%81/a%20b.html?id=400004"
PLAIN = "http://shop.cn/商品/a b.html?id=400004"
NAMES = Names(
    ids=frozenset({"s:商品-77"}), urls=frozenset({URL}), product_ids=frozenset({"商品编号-77"})
)
OTHER = Names(urls=frozenset({"http://shop.cn/p/1.html"}))

WRITTEN = {
    "as it is": URL,
    "decoded": f'<a href="{PLAIN}">x</a>',
    "relative": f'<a href="{PLAIN.removeprefix("http://shop.cn")}">x</a>',
    "encoded": quote(URL, safe=""),
    "encoded twice": quote(quote(URL, safe=""), safe=""),
    "entities": html.escape(f'<a href="{URL}">'),
    "JSON in ASCII": json.dumps({"url": PLAIN}),
    "JSON with slashes escaped": json.dumps({"url": URL}).replace("/", "\\/"),
    "JSON in JSON": json.dumps(json.dumps({"url": PLAIN})),
    "JSON with signs escaped": json.dumps({"url": URL}).replace("=", "\\u003d"),
    "an id in JSON": json.dumps({"sku": "商品编号-77"}),
    "a record in JSON": json.dumps(["s:商品-77"]),
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=list(WRITTEN))
def test_a_name_is_known_however_it_is_written(text: str) -> None:
    assert NAMES.mentioned_in(text, BASE), text
    assert not OTHER.mentioned_in(text, BASE), text


@pytest.mark.parametrize(
    "text",
    ["http://shop.cn/商品/a b.html?id=400005", "/商品/ab.html", '"a b.html"', "400004", "商品编号",
     "%", "%zz%41", "\\u", "\\ud800", "", "http://[bad"],
)  # fmt: skip
def test_other_texts_name_nothing(text: str) -> None:
    assert not NAMES.mentioned_in(text, BASE)
