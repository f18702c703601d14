"""Structured data as shops write it: JSON-LD, microdata and OpenGraph, on products and listings."""

from __future__ import annotations

from typing import Any

import pytest

from tests.crawler.shop_pages import (
    SHOPIFY,
    WOOCOMMERCE,
    jsonld,
    reading,
    sighting,
    site,
)


def test_a_shopify_product_is_read_from_its_json_ld() -> None:
    found = sighting(SHOPIFY, "/products/linen-shirt")
    assert found.title == "Linen Shirt & Belt"
    assert found.image_url == "https://shop.example/cdn/shop/files/shirt_1920x.jpg?v=1"
    assert found.extracted_by == {"title": "jsonld", "image": "jsonld"}


def test_a_woocommerce_product_is_read_from_its_microdata() -> None:
    found = sighting(WOOCOMMERCE)
    assert found.title == "Enamel Mug"
    assert found.image_url == "http://shop.example/wp-content/uploads/mug-600x600.jpg"
    assert found.category_path == ("Home", "Mugs & Cups")
    assert set(found.extracted_by.values()) == {"microdata"}


def test_the_declared_order_decides_and_the_winner_is_recorded_per_field() -> None:
    rules = {"product": {"title": ["h1"], "image": [".recommended img::attr(src)"]}}
    first = sighting(SHOPIFY, "/products/x", site(extractors=["selectors", "jsonld"], **rules))
    assert first.title == "Linen Shirt"
    assert first.extracted_by == {"title": "selectors", "image": "selectors"}
    last = sighting(SHOPIFY, "/products/x", site(extractors=["opengraph", "selectors"], **rules))
    assert last.title == "Linen Shirt"
    assert last.image_url == "http://shop.example/cdn/shop/files/shirt.jpg?v=1"
    assert last.extracted_by == {"title": "opengraph", "image": "opengraph"}
    without = sighting(SHOPIFY, "/products/x", site(extractors=["microdata", "selectors"], **rules))
    assert without.extracted_by["title"] == "selectors"


def test_a_picture_that_leads_nowhere_hides_no_other_extractors_picture() -> None:
    body = jsonld({"@type": "Product", "name": "A", "image": "javascript:void(0)"})
    found = sighting(body + '<meta property="og:image" content="/og.jpg">')
    assert found.image_url == "http://shop.example/og.jpg"
    assert found.extracted_by == {"title": "jsonld", "image": "opengraph"}


PRODUCT = {"@type": "Product", "name": "A", "image": "/a.jpg"}


@pytest.mark.parametrize(
    "value",
    [
        PRODUCT,
        {**PRODUCT, "@type": ["Product", "Book"]},
        {**PRODUCT, "@type": "https://schema.org/Product"},
        {**PRODUCT, "@type": "http://www.schema.org/Product/"},
        {**PRODUCT, "@type": "schema:Product"},
        [{"@type": "WebSite", "name": "Shop"}, PRODUCT],
        {"@graph": [{"@type": "WebPage", "name": "Page"}, PRODUCT]},
        {"@type": "WebPage", "name": "Page", "mainEntity": PRODUCT},
        {"@type": "ItemPage", "mainEntity": {"@graph": [[PRODUCT]]}},
        {"@type": "Offer", "itemOffered": PRODUCT},
        {"@type": "ProductGroup", "name": "A", "hasVariant": [{**PRODUCT, "name": "A red"}]},
        {"@type": "ProductGroup", "hasVariant": [{"@type": "Product"}, PRODUCT]},
        {**PRODUCT, "isVariantOf": {"@type": "ProductGroup", "name": "Group"}},
        {**PRODUCT, "name": [{"@value": "A", "@language": "en"}], "image": [{"url": ["/a.jpg"]}]},
        {**PRODUCT, "image": [None, 7, {"@type": "ImageObject", "contentUrl": "/a.jpg"}]},
        {"@graph": [{**PRODUCT, "image": {"@id": "#i"}}, {"@id": "#i", "contentUrl": "/a.jpg"}]},
        [{"@type": "Product", "name": "B", "url": "/p/8"}, {**PRODUCT, "url": "/p/7#reviews"}],
        {**PRODUCT, "isRelatedTo": {"@type": "Product", "name": "B", "url": "/p/7"}},
    ],
)
def test_a_product_is_found_wherever_json_ld_puts_it(value: Any) -> None:
    found = sighting(jsonld(value))
    assert (found.title, found.image_url) == ("A", "http://shop.example/a.jpg")
    assert found.extracted_by["title"] == "jsonld"


@pytest.mark.parametrize(
    "script",
    [
        '<script type="application/ld+json">// a comment\n{"@type":"Product","name":"A",}</script>',
        '<script type="application/LD+JSON; charset=utf-8">{"@type":"Product","name":"A"}</script>',
        '<script type="application/ld+json"><!-- x -->{"@type":"Product","name":"A"}</script>',
        '<script type="application/ld+json">{"@type":"Product","name":"A\nB\t"}</script>',
    ],
)
def test_json_ld_that_is_slightly_wrong_is_mended(script: str) -> None:
    assert (sighting(script).title or "")[:1] == "A"


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("Clothing > Shirts &amp; Tops", ("Clothing", "Shirts & Tops")),
        (["Clothing > Shirts"], ("Clothing", "Shirts")),
        ("Clothing", None),
        (212, None),
    ],
)
def test_a_category_written_as_a_path_is_one(written: Any, path: tuple[str, ...] | None) -> None:
    assert sighting(jsonld({**PRODUCT, "category": written})).category_path == path


ITEMS = [
    {"@type": "ListItem", "position": 2, "url": "http://shop.example/p/2", "name": "Two"},
    {"@type": "ListItem", "position": 1, "item": {
        "@type": "Product", "url": "/p/1?utm_source=x", "name": "One", "image": "/1.jpg"}},
    {"@type": "ListItem", "position": 3, "item": "/p/3"},
    "/p/4",
    {"@type": "Product", "@id": "/p/5", "name": "Five"},
    {"@type": "ListItem", "position": 9, "url": "http://elsewhere.example/p/9"},
    {"@type": "ListItem", "position": 10, "url": "/about"},
    None,
]  # fmt: skip
LIST = {"@type": "CollectionPage", "mainEntity": {"@type": "ItemList", "itemListElement": ITEMS}}
CRUMBS = {
    "@type": "BreadcrumbList",
    "itemListElement": [{"@type": "ListItem", "position": 1, "name": "Mugs"}],
}


def test_an_item_list_gives_sightings_and_product_links() -> None:
    found = reading(jsonld(LIST) + jsonld(CRUMBS), "/c/mugs")
    rows = {s.product_id: (s.title, s.image_url) for s in found.sightings}
    assert rows == {
        "1": ("One", "http://shop.example/1.jpg"),
        "2": ("Two", None),
        "3": (None, None),
        "4": (None, None),
        "5": ("Five", None),
    }
    assert [s.product_id for s in found.sightings][:2] == ["1", "2"], "by position"
    assert all(s.category_path == ("Mugs",) and s.page_kind == "listing" for s in found.sightings)
    assert found.sightings[0].extracted_by == dict.fromkeys(
        ("title", "image", "category_path"), "jsonld"
    )
    links = [link.target_url for link in found.links if link.kind == "product"]
    assert links == [s.product_url for s in found.sightings]


def test_tiles_and_an_item_list_of_one_page_are_joined_by_product() -> None:
    rules = {"listing": {"tile": "li", "url": ["a::attr(href)"], "image": ["img"], "title": ["a"],
                         "product_id": ["::attr(data-id)"]}}  # fmt: skip
    body = jsonld(LIST) + (
        '<li data-id=x2><a href="/p/2">Tile two</a><img src=/2.jpg></li>'
        "<li><a href=/p/6>Six</a></li>"
    )
    found = reading(body, "/c/mugs", site(**rules)).sightings
    assert [s.product_url.rpartition("/")[2] for s in found] == ["1", "2", "3", "4", "5", "6"]
    two, six = found[1], found[5]
    assert (two.record_id, two.title) == ("shop:x2", "Two")
    assert two.image_url == "http://shop.example/2.jpg"
    assert two.extracted_by == {"title": "jsonld", "image": "selectors"}
    assert (six.title, six.extracted_by) == ("Six", {"title": "selectors"})


def test_a_grid_of_microdata_products_is_a_listing() -> None:
    tile = (
        '<li itemscope itemtype="https://schema.org/Product"><a itemprop="url" href="/p/{0}">'
        '<img itemprop="image" src="/{0}.jpg"><span itemprop="name">Name {0}</span></a></li>'
    )
    found = reading("".join(tile.format(n) for n in range(3)), "/c/1").sightings
    assert [(s.product_id, s.title) for s in found] == [
        (str(n), f"Name {n}") for n in range(3)
    ]  # fmt: skip
    assert found[2].image_url == "http://shop.example/2.jpg"


@pytest.mark.parametrize(
    ("title", "shop", "shown"),
    [
        ("Mug | Harbour", "Harbour", "Mug"),
        ("Mug – HARBOUR", "Harbour", "Mug"),
        ("Harbour", "Harbour", "Harbour"),
        ("Mug of the Harbour Town", "Harbour", "Mug of the Harbour Town"),
        ("Tom &amp;amp; Co", "", "Tom & Co"),
    ],
)
def test_opengraph_titles_lose_the_shops_name(title: str, shop: str, shown: str) -> None:
    body = (
        f'<meta property="og:title" content="{title}"><meta property="og:site_name" '
        f'content="{shop}"><meta name="og:image" content="data:,"><h1></h1>'
    )
    found = sighting(body)
    assert (found.title, found.image_url) == (shown, None)
    assert found.extracted_by == {"title": "opengraph"}
