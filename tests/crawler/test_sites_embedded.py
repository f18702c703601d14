"""JSON in scripts: Next.js, state variables, object literals; read with a path, never run."""

from __future__ import annotations

import time
from typing import Any

import pytest

from crawler.sites.sitefile import parse_site_file
from runtime.errors import ConfigError
from tests.crawler.shop_pages import NEXT, PRODUCT_URL, reading, sighting, site

PATHS = {
    "title": "props.pageProps.product.name",
    "image": "props.pageProps.product.media[].src | [0]",
    "category_path": "props.pageProps.product.trail[*].label",
}
LISTING = {
    "items": "props.pageProps.grid.items[]",
    "url": "/p/{slug}",
    "product_id": "id",
    "title": "name",
    "image": "img",
}


def test_a_next_js_product_is_read_with_a_path_for_each_field() -> None:
    found = sighting(NEXT, "/p/shoe", site(embedded=PATHS))
    assert found.title == "跑步鞋 <男款>"
    assert found.image_url == "http://shop.example/cdn/shoe@2x.png"
    assert found.category_path == ("运动", "鞋")
    assert set(found.extracted_by.values()) == {"embedded"}


def test_a_next_js_grid_gives_tiles_whose_urls_are_made_by_a_template() -> None:
    found = reading(NEXT, "/c/1", site(embedded=[{"listing": LISTING}])).sightings
    assert [(s.record_id, s.product_url, s.title) for s in found] == [
        ("shop:77", "http://shop.example/p/shoe", "跑步鞋"),
        ("shop:78", "http://shop.example/p/sock", "袜子"),
    ]
    assert found[0].extracted_by == {"title": "embedded", "image": "embedded"}
    assert found[1].image_url is None


STATE = '{"a": {"name": "N", "pic": "/n.jpg"}, "n": 1}'


@pytest.mark.parametrize(
    "script",
    [
        f"window.__STATE__ = {STATE};",
        f"window.__STATE__={STATE};(function(){{var s;s=document.currentScript}}());",
        f"var x=1;\nwindow.__STATE__\n=\n{STATE}\nwindow.other = {{}}",
        f"if (window.__STATE__ == null) {{}} window.__STATE__ = {STATE}",
        'window.__STATE__ = JSON.parse("{\\"a\\":{\\"name\\":\\"N\\",\\"pic\\":\\"/n.jpg\\"}}");',
        'window.__STATE__ = JSON.parse(\'{"a":{"name":"N","pic":"\\/n.jpg"}}\')',
        "window.__STATE__ = {a: {name: 'N', pic: '/n.jpg', size: undefined, f: !0,}, /* c */ 1: 2}",
        "window.__STATE__ = {\n // a comment\n 'a': {name: `N`, 'pic': '\\x2fn.jpg'}, x: NaN};",
        'window.__STATE__ = {"a": {"name": "N\n", "pic": "/n.jpg"}}',
        f"window.__STATE__ = loading; window.__STATE__ = {STATE}",
    ],
)
def test_a_variable_is_read_whatever_follows_and_however_it_is_spelled(script: str) -> None:
    rules = {"variable": "window.__STATE__", "title": "a.name", "image": "a.pic"}
    found = sighting(f"<script>{script}</script>", at=site(embedded=rules))
    assert (found.title, found.image_url) == ("N", "http://shop.example/n.jpg")


def test_several_places_fill_each_others_gaps() -> None:
    body = (
        '<script id=one type="application/json">{"t": "Title"}</script>'
        '<script type="text/x-init">/* x */ {"i": ["/a.jpg"]}</script><h1>H</h1>'
    )
    rules = [
        {"script": "#one", "title": "t"},
        {"script": "//script[@type='text/x-init']", "title": "t", "image": "i[0]"},
    ]
    found = sighting(body, at=site(extractors=["embedded", "selectors"], embedded=rules))
    assert (found.title, found.image_url) == ("Title", "http://shop.example/a.jpg")


@pytest.mark.parametrize(
    "script",
    [
        "window.__STATE__ = {a: function() { return 1 }}",
        "window.__STATE__ = " + "[" * 100_000,
        "window.__STATE__ = {" * 20_000,
        "window.__STATE__ = '" + "\\" * 200_000,
        "window.__STATE__ = {a: " + '"' * 100_001,
        "window.__STATE__ = /*" * 50_000,
        "window.__STATE__",
        "window.__STATE__ = {a: {name: [[[{}]]]}}",
    ],
)
def test_what_is_no_literal_gives_nothing_and_takes_linear_time(script: str) -> None:
    rules = {"variable": "window.__STATE__", "title": "a.name"}
    started = time.process_time()
    found = sighting(
        f"<h1>H</h1><script>{script}</script>",
        at=site(extractors=["embedded", "selectors"], product={"title": ["h1"]}, embedded=rules),
    )
    assert (found.title, found.extracted_by) == ("H", {"title": "selectors"})
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        ({"title": "a[[["}, ("`embedded.0.title`", "JMESPath")),
        ({"script": "#a", "variable": "b"}, ("`embedded.0`", "both are given")),
        ({"script": "a[["}, ("`embedded.0.script`", "CSS selector")),
        ({"listing": {"items": "a", "url": "/p/{b[}"}}, ("`embedded.0.listing.url`", "JMESPath")),
        ({"listing": {"items": "a"}}, ("`embedded.0.listing.url`", "required")),
        ({"path": "a"}, ("`embedded.0.path`",)),
    ],
)
def test_a_fault_in_the_rules_names_its_key(rules: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_site_file({"url": PRODUCT_URL, "embedded": rules}, "mine.toml")
    for word in ("mine.toml", *words):
        assert word in str(caught.value)
