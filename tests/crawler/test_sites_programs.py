"""The shipped site files of Magento 2 and JD, on pages in the manner of the real ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crawler.sites.pages import PageInput, PageReading, read_page
from crawler.sites.sitefile import Site, load_site
from runtime.config import SiteConfig

UTF8 = (("Content-Type", "text/html; charset=utf-8"),)


def shop(program: str, base_url: str) -> Site:
    return load_site(SiteConfig(key="shop", program=program, base_url=base_url), Path())


def read(at: Site, url: str, body: str, encoding: str = "utf-8") -> PageReading:
    return read_page(PageInput(url, "category", 200, UTF8, body.encode(encoding)), at)


def targets(reading: PageReading, kind: str) -> list[str]:
    return [link.target_url for link in reading.links if link.kind == kind]


MAGENTO = "https://store.example"
CACHE = f"{MAGENTO}/media/catalog/product/cache"
LUMA_NAV = f"""<nav class="navigation" data-action="navigation"><ul><li class="level0 nav-1">
<a href="{MAGENTO}/women.html" class="level-top"><span>Women</span></a><ul class="submenu">
<li class="level1"><a href="{MAGENTO}/women/tops-women.html"><span>Tops</span></a></li></ul></li></ul></nav>"""  # noqa: E501
LUMA_GRID = f"""<html><body class="page-products catalog-category-view categorypath-women-tops">{LUMA_NAV}
<div class="breadcrumbs"><ul class="items"><li class="item home"><a href="{MAGENTO}/">Home</a></li>
<li class="item category20"><a href="{MAGENTO}/women.html">Women</a></li>
<li class="item category21"><strong>Tops</strong></li></ul></div>
<h1 class="page-title"><span class="base">Tops</span></h1>
<div class="block filter"><a href="{MAGENTO}/women/tops-women.html?color=49">Black</a>
<a href="{MAGENTO}/women/tops-women.html?price=20-30&amp;p=2">$20 - $30</a></div>
<ol class="products list items product-items">
<li class="item product product-item"><div class="product-item-info">
<a href="{MAGENTO}/radiant-tee.html" class="product photo product-item-photo">
<span class="product-image-container product-image-container-1556"><span class="product-image-wrapper">
<img class="product-image-photo" src="{CACHE}/7c4c1ed835fbbf2269f24539582c6d44/w/s/ws12-orange_main.jpg"
loading="lazy" width="240" height="300" alt="Radiant Tee"/></span></span></a>
<style>.product-image-container-1556 {{width: 240px;}}</style>
<strong class="product name product-item-name"><a class="product-item-link" href="{MAGENTO}/radiant-tee.html">
 Radiant Tee </a></strong><div class="price-box" data-product-id="1556"></div></div></li>
<li class="item product product-item"><a href="{MAGENTO}/breathe-easy-tank.html?utm_source=x"
class="product photo product-item-photo"><img class="product-image-photo" src="data:image/png;base64,iVBOR"
data-original="{CACHE}/7c4c1/w/t/wt09-white_main.jpg" alt="x"></a>
<strong class="product-item-name"><a class="product-item-link" href="{MAGENTO}/breathe-easy-tank.html">
Breathe-Easy Tank</a></strong></li></ol>
<div class="pages"><ul class="items pages-items"><li class="item pages-item-next">
<a class="action  next" href="{MAGENTO}/women/tops-women.html?p=2&amp;product_list_order=price" title="Next">
<span>Next</span></a></li></ul></div></body></html>"""  # noqa: E501
GALLERY = {
    "[data-gallery-role=gallery-placeholder]": {
        "mage/gallery/gallery": {
            "mixins": ["magnifier/magnify"],
            "data": [
                {"thumb": f"{CACHE}/t/w/s/ws12-back.jpg", "full": f"{CACHE}/f1/w/s/ws12-back.jpg",
                 "isMain": False, "type": "image"},
                {"thumb": f"{CACHE}/t/w/s/ws12-main.jpg", "full": f"{CACHE}/f1/w/s/ws12-main.jpg",
                 "isMain": True, "type": "image"},
            ],
        }
    }
}  # fmt: skip
LUMA_PRODUCT = f"""<html><body class="catalog-product-view product-radiant-tee page-layout-1column">
{LUMA_NAV}<div class="breadcrumbs"></div><div class="product-info-main"><div class="page-title-wrapper product">
<h1 class="page-title"><span class="base" data-ui-id="page-title-wrapper" itemprop="name">Radiant Tee</span></h1>
</div><form id="product_addtocart_form" action="{MAGENTO}/checkout/cart/add/"></form></div>
<div class="product media"><div class="gallery-placeholder" data-gallery-role="gallery-placeholder">
<img alt="main product photo" class="gallery-placeholder__image" src="{CACHE}/207e/w/s/ws12-main.jpg"></div>
<script type="text/x-magento-init">{{"*": {{"Magento_Ui/js/core/app": {{}}}}}}</script>
<script type="text/x-magento-init">{{}}</script>
<div class="block upsell"><li class="product-item"><a class="product-item-link" href="{MAGENTO}/other.html">O</a>
</li></div></body></html>"""  # noqa: E501


def luma_product(gallery: object) -> str:
    text = json.dumps(gallery).replace("/", "\\/")
    return LUMA_PRODUCT.replace('init">{}</script>', f'init">{text}</script>')


def test_a_luma_grid_gives_tiles_categories_and_one_next_page_without_facets() -> None:
    at = shop("magento2", MAGENTO)
    found = read(at, f"{MAGENTO}/women/tops-women.html", LUMA_GRID)
    first, second = found.sightings
    assert (first.record_id, first.title) == ("shop:radiant-tee", "Radiant Tee")
    assert first.image_url == f"{MAGENTO}/media/catalog/product/w/s/ws12-orange_main.jpg"
    assert first.category_path == ("Home", "Women", "Tops")
    assert (second.product_url, second.title) == (
        f"{MAGENTO}/breathe-easy-tank.html", "Breathe-Easy Tank",
    )  # fmt: skip
    assert second.image_url == f"{MAGENTO}/media/catalog/product/w/t/wt09-white_main.jpg"
    assert targets(found, "next") == [f"{MAGENTO}/women/tops-women.html?p=2"]
    assert targets(found, "category") == [f"{MAGENTO}/women.html"], "facets lead to the page itself"
    assert targets(found, "product") == [s.product_url for s in found.sightings]
    assert at.canonical(f"{MAGENTO}/a.html?color=49&p=2&SID=x&style=1") == f"{MAGENTO}/a.html?p=2"


def test_a_luma_product_has_its_picture_from_the_gallery_script_in_full_size() -> None:
    at = shop("magento2", MAGENTO)
    (found,) = read(
        at, f"{MAGENTO}/women/tops-women/radiant-tee.html", luma_product(GALLERY)
    ).sightings
    assert found.page_kind == "product"
    assert (found.record_id, found.title) == ("shop:radiant-tee", "Radiant Tee")
    assert found.image_url == f"{MAGENTO}/media/catalog/product/w/s/ws12-main.jpg"
    assert found.extracted_by == {"title": "selectors", "image": "embedded"}


@pytest.mark.parametrize("gallery", [{}, {"[data-gallery-role=gallery-placeholder]": 7}])
def test_a_luma_product_without_a_gallery_script_has_its_placeholder_picture(
    gallery: object,
) -> None:
    at = shop("magento2", MAGENTO)
    (found,) = read(at, f"{MAGENTO}/radiant-tee.html", luma_product(gallery)).sightings
    assert found.image_url == f"{MAGENTO}/media/catalog/product/w/s/ws12-main.jpg"
    assert found.extracted_by["image"] == "selectors"


def test_the_first_picture_is_taken_where_the_gallery_marks_none() -> None:
    gallery = json.loads(json.dumps(GALLERY).replace("true", "false"))
    at = shop("magento2", MAGENTO)
    (found,) = read(at, f"{MAGENTO}/radiant-tee.html", luma_product(gallery)).sightings
    assert found.image_url == f"{MAGENTO}/media/catalog/product/w/s/ws12-back.jpg"


def test_magento_products_and_categories_are_told_apart_by_the_page() -> None:
    at = shop("magento2", MAGENTO)
    grid = read(at, f"{MAGENTO}/radiant-tee.html", LUMA_GRID).sightings
    assert {s.page_kind for s in grid} == {"listing"}
    for system in (
        "checkout/cart/",
        "customer/account/login",
        "catalogsearch/result",
        "",
        "media/a.jpg",
    ):
        assert not at.is_product(f"{MAGENTO}/{system}")
    assert at.is_product(f"{MAGENTO}/radiant-tee")


JD = "https://list.jd.com"


def jd_tile(sku: int, image: str) -> str:
    return f"""<li class="gl-item" data-sku="{sku}"><div class="gl-i-wrap j-sku-item"><div class="p-img">
<a target="_blank" title="赠品" href="//item.jd.com/{sku}.html"><img width="220" height="220" {image}></a></div>
<div class="p-price"><strong><em>￥</em><i>59.00</i></strong></div>
<div class="p-name p-name-type-3"><a target="_blank" href="//item.jd.com/{sku}.html"><em>
<span class="p-tag">京东超市</span> 爱仕达 炒锅 {sku}</em><i class="promo-words"></i></a></div></div></li>"""  # noqa: E501


JD_LIST = (
    '<html><head><meta charset="gbk"></head><body><div id="J_crumbsBar"></div>'
    '<a href="//list.jd.com/list.html?cat=6196,6197,6198&amp;ev=exbrand_1">品牌</a>'
    '<a href="//list.jd.com/list.html?cat=6196,6197,6199">煎锅</a><ul class="gl-warp clearfix">'
    + jd_tile(100, 'src="//img11.360buyimg.com/n7/jfs/t1/1/2/a.jpg"')
    + jd_tile(
        101, 'src="data:," data-lazy-img="//img12.360buyimg.com/n7/jfs/t1/1/2/b.jpg!q70.jpg.webp"'
    )
    + jd_tile(102, 'data-lazy-img="done" src="//img13.360buyimg.com/n1/s220x220_jfs/t1/c.jpg"')
    + '<li class="gl-item"><a href="//ad.jd.com/1.html">广告</a></li></ul>{pager}</body></html>'
)
PAGER = '<div class="page"><a class="pn-next" href="{href}">下一页</a></div>'


def jd_list(href: str | None = None) -> str:
    return JD_LIST.replace("{pager}", "" if href is None else PAGER.format(href=href))


@pytest.mark.parametrize("encoding", ["gbk", "utf-8"])
def test_a_jd_grid_is_read_in_the_encoding_that_it_is_in(encoding: str) -> None:
    at = shop("jd", JD)
    found = read(at, f"{JD}/list.html?cat=6196,6197,6198", jd_list(), encoding)
    assert [s.record_id for s in found.sightings] == ["shop:100", "shop:101", "shop:102"]
    first = found.sightings[0]
    assert first.title == "京东超市 爱仕达 炒锅 100"
    assert first.product_url == "https://item.jd.com/100.html"
    assert [s.image_url for s in found.sightings] == [
        "https://img11.360buyimg.com/n0/jfs/t1/1/2/a.jpg",
        "https://img12.360buyimg.com/n0/jfs/t1/1/2/b.jpg",
        "https://img13.360buyimg.com/n0/jfs/t1/c.jpg",
    ]
    assert first.category_path == ("6196", "6197", "6198")
    assert first.extracted_by["category_path"] == "url"


def test_jd_pages_go_in_odd_steps_whether_or_not_a_link_says_so() -> None:
    at = shop("jd", JD)
    first = f"{JD}/list.html?cat=6196%2C6197%2C6198"

    def following(url: str, body: str) -> list[str]:
        return targets(read(at, url, body), "next")

    assert following(first, jd_list()) == [f"{first}&page=3"]
    assert following(f"{first}&page=3", jd_list("javascript:;")) == [f"{first}&page=5"]
    linked = "/list.html?cat=6196,6197,6198&amp;page=7&amp;s=181&amp;click=0"
    assert following(f"{first}&page=5", jd_list(linked)) == [f"{first}&page=7"]
    assert following(f"{first}&page=9", "<ul class=gl-warp></ul>") == [], "no tiles, no more pages"
    assert following(f"{JD}/allSort.aspx", jd_list()) == [], "only lists have pages"


def test_jd_categories_are_followed_and_filters_and_product_hosts_are_not() -> None:
    found = read(shop("jd", JD), f"{JD}/list.html?cat=6196,6197,6198", jd_list())
    assert targets(found, "category") == [f"{JD}/list.html?cat=6196%2C6197%2C6199"]
    assert targets(found, "product") == []
    config = SiteConfig(key="jd", program="jd", base_url=JD, hosts=["item.jd.com"])
    found = read(load_site(config, Path()), f"{JD}/list.html?cat=1", jd_list())
    assert targets(found, "product") == [f"https://item.jd.com/{n}.html" for n in (100, 101, 102)]


def test_a_jd_item_page() -> None:
    config = SiteConfig(key="jd", program="jd", base_url=JD, hosts=["item.jd.com"])
    at = load_site(config, Path())
    body = """<html><script>var pageConfig = {compatible: true, product: {skuid: 100, name: '爱仕达 炒锅',
cat: [6196,6197,6198], /* c */ src: 'jfs/t1/1/2/a.jpg',}};</script><div class="crumb-wrap" id="crumb-wrap">
<div class="crumb fl clearfix"><div class="item first"><a href="//channel.jd.com/kitchenware.html">厨具</a></div>
<div class="item sep">&gt;</div><div class="item"><a href="//list.jd.com/list.html?cat=6196,6197">烹饪锅具</a></div>
</div></div><div class="sku-name">{}</div><img id="spec-img" width="450" data-origin=
"//img10.360buyimg.com/n1/s450x450_jfs/t1/1/2/a.jpg.avif" alt=""></html>"""  # noqa: E501
    named = read(
        at, "https://item.jd.com/100.html", body.replace("{}", "爱仕达 ASD 炒锅")
    ).sightings[0]
    assert (named.record_id, named.title) == ("jd:100", "爱仕达 ASD 炒锅")
    assert named.image_url == "https://img10.360buyimg.com/n0/jfs/t1/1/2/a.jpg"
    assert named.category_path == ("厨具", "烹饪锅具")
    unnamed = read(at, "https://item.jd.com/100.html", body.replace("{}", "")).sightings[0]
    assert (unnamed.title, unnamed.extracted_by["title"]) == ("爱仕达 炒锅", "embedded")


def test_a_jd_breadcrumb_ends_before_the_brands() -> None:
    config = SiteConfig(key="jd", program="jd", base_url=JD, hosts=["item.jd.com"])
    body = """<html><div id="crumb-wrap"><div class="crumb"><div class="item first"><a href="/a">厨具</a></div>
<div class="item sep">&gt;</div><div class="item"><a href="/b">烹饪锅具</a></div><div class="item sep">&gt;</div>
<div class="item"><a href="/c">炒锅</a></div><div class="item sep">&gt;</div><div class="item">
<div class="J-crumb-br"><div class="head"><a href="/d">爱仕达</a></div><ul class="br-list"><li><a href="/e">苹果</a></li>
<li><a href="/f">小米</a></li></ul></div></div><div class="item ellipsis">爱仕达 炒锅</div></div></div>
<div class="sku-name">爱仕达 炒锅</div><img id="spec-img" data-origin="//img10.360buyimg.com/n1/a.jpg"></html>"""  # noqa: E501
    (sighting,) = read(load_site(config, Path()), "https://item.jd.com/100.html", body).sightings
    assert sighting.category_path == ("厨具", "烹饪锅具", "炒锅")
