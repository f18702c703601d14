"""Which links a page gives: what discovery follows, in page order, never more than the cap."""

from __future__ import annotations

import pytest

from crawler.sites.rules import Discovery
from crawler.sites.sitefile import parse_site_file
from runtime.errors import ConfigError
from tests.crawler.shop_pages import PRODUCT_URL, reading, site

RULES = {
    "links": {"category": ["nav a"], "next": ["a.next"], "product": ["li a"]},
    "listing": {"tile": "li", "url": ["a::attr(href)"], "title": ["a"]},
}
GRID = (
    "<nav><a href=/c/2>Two</a></nav><li><a href=/p/1>One</a></li><a class=next href='?page=2'>n</a>"
)


@pytest.mark.parametrize(
    ("discovery", "kinds"),
    [
        (["navigation"], ["category", "next", "product"]),
        (["categories"], ["next", "product"]),
        (["navigation", "sitemap"], ["category", "next", "product"]),
        (["sitemap"], []),
        (["products"], []),
        (["products", "categories"], ["next", "product"]),
    ],
)
def test_links_are_those_that_the_discovery_follows(discovery: list[str], kinds: list[str]) -> None:
    found = reading(GRID, "/c/1", site(discovery=discovery, **RULES))
    assert [link.kind for link in found.links] == kinds
    assert [s.title for s in found.sightings] == ["One"], "what a page shows is never lost"


def test_products_are_not_linked_where_they_are_not_visited() -> None:
    found = reading(GRID, "/c/1", site(visit_products=False, **RULES))
    assert [link.kind for link in found.links] == ["category", "next"]


def test_discovery_is_one_of_four_words() -> None:
    assert {*Discovery} == {"navigation", "categories", "sitemap", "products"}
    with pytest.raises(ConfigError, match=r"`discovery.0` = 'magic'.*'navigation', 'categories'"):
        parse_site_file({"url": PRODUCT_URL, "discovery": ["magic"]}, "mine")
    with pytest.raises(ConfigError, match="`discovery`"):
        parse_site_file({"url": PRODUCT_URL, "discovery": []}, "mine")


def test_links_beyond_the_cap_are_left_out_in_page_order_and_said() -> None:
    body = "<nav>" + "".join(f"<a href=/c/{n}>x</a>" for n in range(50)) + "</nav>"
    body += (
        "".join(f"<li><a href=/p/{n}>x</a></li>" for n in range(50)) + "<a class=next href=?p=2>"
    )
    found = reading(body, "/c/0", site(max_links=20, **RULES))
    kinds = [link.kind for link in found.links]
    assert (kinds.count("category"), kinds.count("next"), kinds.count("product")) == (20, 1, 20)
    assert [link.target_url for link in found.links if link.kind == "product"] == [
        f"http://shop.example/p/{n}" for n in range(20)
    ]
    assert found.notes == (
        "tiles: only the first 20 products are kept",
        "links: only the first 20 category links are kept",
        "links: only the first 20 product links are kept",
    )
    assert reading(body, "/c/0", site(max_links=51, **RULES)).notes == ()


def test_a_page_of_a_hundred_thousand_links_stays_within_the_default_cap() -> None:
    body = "<nav>" + "".join(f"<a href=/c/{n}>x</a>" for n in range(100_000)) + "</nav>"
    found = reading(body, "/c/0", site(**RULES))
    assert len(found.links) == 5_000
    assert found.notes == ("links: only the first 5000 category links are kept",)


def test_next_pages_that_no_link_names_are_counted_while_there_are_products() -> None:
    rules = {**RULES, "links": {"next_query": {"parameter": "p", "where": "/c/"}}}
    at = site(**rules)

    def following(path: str, body: str = GRID) -> list[str]:
        return [k.target_url for k in reading(body, path, at).links if k.kind == "next"]

    assert following("/c/1") == ["http://shop.example/c/1?p=2"]
    assert following("/c/1?b=x%20y&p=41") == ["http://shop.example/c/1?b=x+y&p=42"]
    assert following("/c/1?p=none") == ["http://shop.example/c/1?p=2"]
    assert following("/c/1?p=" + "9" * 400) == ["http://shop.example/c/1?p=2"]
    assert following("/c/1?p=9", "<p>nothing more</p>") == []
    assert following("/about") == []


def test_xpath_and_css_queries_stand_side_by_side() -> None:
    rules = {
        "links": {"category": ["//nav/a[contains(., 'T')]"], "next": ["(//a[@class])[1]/@href"]},
        "listing": {"tile": "//li", "url": ["./a/@href"], "title": ["string(./a)"]},
    }
    found = reading(GRID, "/c/1", site(**rules))
    assert [(k.kind, k.target_url, k.anchor_text) for k in found.links] == [
        ("category", "http://shop.example/c/2", "Two"),
        ("next", "http://shop.example/c/1?page=2", None),
        ("product", "http://shop.example/p/1", "One"),
    ]
    assert found.sightings[0].title == "One"


def test_the_url_names_categories_where_the_page_names_none() -> None:
    url = {**PRODUCT_URL, "category": r"/c/([^?]+)", "category_split": "/"}
    at = site(url=url, product={"category_path": [".crumbs b"]}, listing=RULES["listing"])
    (found,) = reading(GRID, "/c/shoes/men%20s", at).sightings
    assert (found.category_path, found.extracted_by["category_path"]) == (("shoes", "men s"), "url")
    (named,) = reading("<p class=crumbs><b>Shoes</b></p>" + GRID, "/c/1", at).sightings
    assert (named.category_path, named.extracted_by["category_path"]) == (("Shoes",), "selectors")
