"""Markup that would stop the parser is refused before it is parsed; nothing else is."""

from __future__ import annotations

import time

import pytest

from crawler.sites.markup import HARMLESS_CHARS, MAX_ATTRIBUTES, excessive_tag
from crawler.sites.pages import UnreadablePage
from tests.crawler.shop_pages import reading, site

MANY = " ".join(f"a{n}=b" for n in range(200_000))
FILL = "x" * HARMLESS_CHARS


@pytest.mark.parametrize(
    "body",
    [
        f"<h1 {MANY}>T</h1>",
        f"<h1 {MANY}",
        f"</h1 {MANY}>",
        "<h1 " + " ".join(f'a{n}=">"' for n in range(50_000)) + ">",
        "<h1 " + " ".join(f"a{n}='<!--'" for n in range(50_000)) + ">",
        "<h1 " + "/".join(f"a{n}" for n in range(50_000)) + ">",
        '<h1 b=c"d ' + MANY + ">",
        f"<!--><h1 {MANY}>",
        f'<a title="<script>"><h1 {MANY}>',
        f"<textarea><script></textarea><h1 {MANY}>",
        f"<title><!--</title><h1 {MANY}>",
        f"<SCRIPT {MANY}>",
    ],
)
def test_a_tag_of_tens_of_thousands_of_attributes_is_a_named_outcome_at_once(body: str) -> None:
    started = time.process_time()
    with pytest.raises(UnreadablePage, match="attributes of one tag"):
        reading(body)
    assert time.process_time() - started < 1.5


@pytest.mark.parametrize(
    "body",
    [
        "<h1>T</h1>" + FILL,
        f"<h1 title='{MANY}'>T</h1>",
        f'<h1 title="{MANY}">T</h1>',
        f"<h1>T</h1><!-- <h1 {MANY}> -->",
        f"<h1>T</h1><script>if (i<n {MANY}) {{}}</script>",
        f"<h1>T</h1><p>{MANY}</p>",
        f"<h1>T</h1><img src='data:image/png;base64,{FILL}'>",
        "<h1 " + MANY[: 5 * MAX_ATTRIBUTES] + ">T</h1>" + FILL,
    ],
)
def test_long_values_scripts_comments_and_texts_are_none(body: str) -> None:
    assert excessive_tag(body) is None
    assert reading(body).sightings[0].title == "T"


@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<a '", '<a ="', "<!--", "<script", "<title>", "</a", "=", "<a b='", "'>"]
)
def test_the_check_itself_is_linear(piece: str) -> None:
    started = time.process_time()
    excessive_tag(piece * (2_000_000 // len(piece)))
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize(
    "body",
    [
        "<nav class=menu>" * 1_000 + "<a href=/c/1>y</a>" * 30_000,
        "<ul>" * 2_000 + "<li><a href=/p/1>x</a></li>" * 20_000,
    ],
)
def test_deep_nesting_under_many_elements_is_a_named_outcome_at_once(body: str) -> None:
    """One selector over the first took minutes, in one call that no time limit can end."""
    started = time.process_time()
    with pytest.raises(UnreadablePage, match="elements times depth"):
        reading(body, "/c/1", site(links={"category": ["nav a", ".menu li a"]}))
    assert time.process_time() - started < 2.0


def test_deep_pages_and_large_pages_are_read() -> None:
    at = site(links={"category": ["nav li a"]}, product={"title": ["h1"]})
    deep = "<nav>" * 500 + "<li><a href=/c/1>y</a></li>" * 500 + "</nav>" * 500 + "<h1>T</h1>"
    assert len(reading(deep, "/p/1", at).links) == 1
    started = time.process_time()
    large = "<nav>" + "<li><a href=/c/1>y</a></li>" * 100_000 + "</nav><h1>T</h1>"
    assert reading(large, "/p/1", at).sightings[0].title == "T"
    assert time.process_time() - started < 4.0
