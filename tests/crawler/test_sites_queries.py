"""CSS in site files selects what CSS means, in time that grows with the page alone."""

from __future__ import annotations

import time

import pytest
from parsel import Selector

from crawler.sites.document import parse_html
from crawler.sites.queries import node_text, select, text_of, texts_of
from crawler.sites.texts import clean

PAGE = """<html><body class="a b"><nav id=top class="menu"><ul><li class="first on">
<a href=/1>One</a><ul class=menu><li><a href=/2 title=t>Two</a></li><li><b>x</b> y
<a href="/3">Three</a></li></ul></li>
</ul></nav><div><p>p1</p><p class=on>p2 <a href=/4>Four</a></p><p>p3</p></div>
<div class="grid"><div data-id=7><a href=/5></a><span>s</span></div></div></body></html>"""
QUERIES = [
    "a", "nav a", "nav > a", "li > a", "ul li > a", "nav ul ul a", ".menu .menu a", "#top li.on a",
    "p + p", "p ~ p a", "li.first > ul > li:last-child a", "a::attr(href)", "nav li a::text",
    "a[title]", "a[href^='/4'], nav a", "div:not(.grid) > p", "p:nth-child(2) a::attr(href)",
    "ul:has(> li.on) a", "li:first-of-type", "*", "body > div > div::attr(data-id)",
    "p:contains(p3)", "div > p.on + p", ".grid [data-id] > a ~ span", ":is(.grid, nav) a",
    "html body nav",
]  # fmt: skip


@pytest.mark.parametrize("query", QUERIES)
def test_css_selects_what_it_selects_elsewhere(query: str) -> None:
    root = parse_html(PAGE)
    ours = [node if isinstance(node, str) else node.getroottree().getpath(node)
            for node in select(root, query)]  # fmt: skip
    theirs = [
        found.root if isinstance(found.root, str) else found.root.getroottree().getpath(found.root)
        for found in Selector(root=root, type="html").css(query)
    ]
    assert ours == theirs


def test_a_query_within_a_tile_finds_the_tile_itself_and_what_is_in_it() -> None:
    tile = select(parse_html(PAGE), "[data-id]")[0]
    assert select(tile, "::attr(data-id)") == ["7"]
    assert select(tile, "[data-id] > a::attr(href)") == ["/5"]
    assert [node_text(found) for found in select(tile, "span")] == ["s"]
    assert select(tile, "nav a") == []


def test_texts_are_whole_clean_and_never_empty() -> None:
    root = parse_html(PAGE)
    assert text_of(root, ["h1", ".grid a", "ul ul li:last-child"]) == "x y Three"
    assert texts_of(root, ["h2", "div p"]) == ("p1", "p2 Four", "p3")
    assert texts_of(root, ["h2"]) is None


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("  A\n\tB ", "A B"), ("A &amp; B", "A & B"), ("A &amp;amp;amp; B", "A & B"),
        ("R&D, AT&T;", "R&D, AT&T;"), ("?a=1&copy=2", "?a=1&copy=2"),
        ("&#39;&#x4e2d;&nbsp;", "'中"), ("&notanentity; &#xD800;", "&notanentity; \ufffd"),
        ("\ud800x", "\ufffdx"),
    ],
)  # fmt: skip
def test_entities_are_undone_however_often_they_were_escaped(written: str, shown: str) -> None:
    assert clean(written) == shown
    assert clean(clean(written)) == clean(written)


def test_descendants_of_nested_lists_take_time_by_the_page_and_not_by_its_square() -> None:
    body = "<nav class=menu>" * 60 + "<a href=/c/1>y</a>" * 30_000
    root = parse_html(body)
    started = time.process_time()
    assert len(select(root, "nav.menu a")) == 30_000
    assert time.process_time() - started < 4.0
