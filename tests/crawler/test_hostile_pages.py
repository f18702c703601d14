"""Hostile input is normal input: any page is read or named, and what is read can be stored."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from pathlib import Path

import pytest

from crawler.addresses import host_of
from crawler.captures import CapturePlace
from crawler.frontier import Frontier
from crawler.sites.pages import PageInput, PageReading, UnreadablePage, read_page
from crawler.sites.sitefile import Site, load_site, parse_site_file
from runtime.config import SiteConfig
from tests.crawler import shop_pages
from tests.crawler.test_sites_programs import GALLERY, JD, LUMA_GRID, MAGENTO, jd_list, luma_product

BASE = "http://shop.example"
HTML = ("Content-Type", "text/html; charset=utf-8")
RULES = {
    "discovery": ["navigation", "sitemap"],
    "url": {"product": r"/p/\d+\.html$", "product_id": r"/p/(\d+)\.html$"},
    "links": {"category": ["nav a"], "category_trail": "ancestor::dl[1]/dt", "next": ["a.next"],
              "product": [".t a"]},
    "listing": {"tile": ".t", "url": ["a::attr(href)"], "product_id": ["::attr(data-sku)"],
                "title": ["a"], "image": ["img::attr(data-lazy)", "img::attr(src)"]},
    "product": {"title": ["h1"], "image": ["img.main::attr(src)"],
                "category_path": [".crumbs li"]},
    "image_rewrite": [{"pattern": "/n7/", "replace": "/n0/"}],
}  # fmt: skip
SHOP = Site(
    SiteConfig(key="shop", program="own.toml", base_url=BASE), parse_site_file(RULES, "own.toml")
)
PRODUCT = """<html><head><meta charset=utf-8><meta name=robots content="index, follow">
<script type="application/ld+json">{"@context": "https://schema.org", "@graph": [
{"@type": "Product", "name": "\u6de1\u6c34\u73cd\u73e0 &amp; \u94f6", "image": [{"@type": "ImageObject", "url": "//img/n7/1.jpg"}]},
{"@type": "BreadcrumbList", "itemListElement": [{"position": 1, "name": "\u9996\u9875"}, {"position": 2, "item": {"name": "\u9970\u54c1"}}]}]}
</script></head><body><ul class=crumbs><li>\u9996\u9875<li>\u9970\u54c1</ul><h1>\u6de1\u6c34\u73cd\u73e0</h1>
<img class=main src="/n7/1.jpg"></body></html>"""  # noqa: E501
GRID = """<html><base href="/list/"><nav><dl><dt>\u670d\u88c5<dd><a href="/c/1">\u7537\u88c5</a></dl></nav><ul>
<li class=t data-sku=11><a href="../p/11.html?utm_source=x">\u886c\u886b</a><img src="data:," data-lazy="//img/n7/11.jpg">
<li class=t data-sku=12><a href="/p/12.html#top">\u88e4\u5b50</a><img src=/n7/12.jpg>
<li class=t><a href="http://other.example/p/13.html">\u522b\u5bb6</a></ul><a class=next href="?page=2">\u4e0b\u4e00\u9875</a></html>"""  # noqa: E501
SITEMAP = (
    '<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">'
    f"<url><loc>{BASE}/p/1.html</loc></url><url><loc>{BASE}/p/2.html?utm_source=s</loc></url></urlset>"
)  # fmt: skip


def read(
    body: str | bytes, path: str = "/p/7.html", kind: str = "product", *headers: tuple[str, str]
) -> PageReading:
    data = body.encode() if isinstance(body, str) else body
    return read_page(PageInput(BASE + path, kind, 200, headers or (HTML,), data), SHOP)


def script(text: str) -> str:
    return f'<script type="application/ld+json">{text}</script>'


@pytest.fixture
def frontier(tmp_path: Path) -> Frontier:
    return Frontier(tmp_path / "shop.sqlite", tmp_path / "captures", "shop")


def store(frontier: Frontier, number: int, reading: PageReading) -> None:
    """Commit a reading as the spider does."""
    frontier.seed([(f"{BASE}/{number}", "start", "h")])
    visit = frontier.next_visit("h", 0.0, ())
    assert visit is not None
    place = CapturePlace("shop-00000.warc.gz", 0, 1)
    frontier.commit_page(visit, "ok", 200, "2026-01-01", place, reading)


def test_the_untouched_pages_are_read_as_they_are_meant() -> None:
    (product,) = read(PRODUCT).sightings
    assert product.title == "淡水珍珠 & 银"
    assert product.image_url == "http://img/n0/1.jpg"
    assert product.category_path == ("首页", "饰品")
    assert set(product.extracted_by.values()) == {"jsonld"}
    grid = read(GRID, "/c/0", "category")
    assert [s.record_id for s in grid.sightings] == ["shop:11", "shop:12"]
    assert [s.product_url for s in grid.sightings] == [f"{BASE}/p/11.html", f"{BASE}/p/12.html"]
    assert [s.image_url for s in grid.sightings] == ["http://img/n0/11.jpg", f"{BASE}/n0/12.jpg"]
    assert [(link.kind, link.target_url, link.trail) for link in grid.links] == [
        ("category", f"{BASE}/c/1", ("服装",)),
        ("next", f"{BASE}/list/?page=2", ()),
        ("product", f"{BASE}/p/11.html", ()),
        ("product", f"{BASE}/p/12.html", ()),
    ]
    links = read(SITEMAP, "/sitemap.xml", "sitemap").links
    assert [link.target_url for link in links] == [f"{BASE}/p/1.html", f"{BASE}/p/2.html"]


def test_one_broken_script_hides_no_other() -> None:
    body = script('{"@type": "Product", ') + script('{"@type": "Product", "name": "A"}')
    (sighting,) = read(body).sightings
    assert sighting.title == "A"


@pytest.mark.parametrize("position", ["9" * 400, "-1e999", '"x"', "null", "[]", "{}", "NaN"])
def test_a_breadcrumbs_position_can_be_anything(position: str) -> None:
    crumbs = (
        f'{{"@type":"BreadcrumbList","itemListElement":[{{"position":{position},"name":"A"}}]}}'
    )
    (sighting,) = read(script(crumbs) + "<h1>T</h1>").sightings
    assert sighting.category_path == ("A",)


def test_half_a_surrogate_pair_becomes_a_character_that_can_be_stored(frontier: Frontier) -> None:
    product = {"@type": "Product", "name": "a\ud800b", "image": "/i\udc00.jpg"}
    crumbs = {
        "@type": "BreadcrumbList",
        "itemListElement": [{"name": "\udfff"}, {"name": "\U0001f600"}],
    }
    reading = read(script(json.dumps(product)) + script(json.dumps(crumbs)))
    (sighting,) = reading.sightings
    assert sighting.title == "a\ufffdb"
    assert sighting.category_path == ("\ufffd", "\U0001f600")
    store(frontier, 0, reading)
    frontier.close()


@pytest.mark.parametrize("value", ["\xc4\xda\xd2\xc2", "\xe4\xb8\xad", "\x80\xff", "a\tb"])
def test_a_header_in_any_encoding_hides_no_page(value: str) -> None:
    headers = (HTML, ("Content-Disposition", value), ("X-Robots-Tag", value))
    (sighting,) = read("<h1>T</h1>", "/p/7.html", "product", *headers).sightings
    assert sighting.title == "T"


def test_a_redirect_in_utf8_leads_where_it_says() -> None:
    location = ("Location", "/分类/1".encode().decode("latin-1"))
    page = PageInput(f"{BASE}/a", "category", 302, (location,))
    (link,) = read_page(page, SHOP).links
    assert link.target_url == f"{BASE}/%E5%88%86%E7%B1%BB/1"


def test_one_bad_address_hides_no_other_entry_of_a_sitemap() -> None:
    body = SITEMAP.replace("<url>", "<url><loc>http://[bad</loc></url><url><loc/></url><url>", 1)
    assert len(read(body, "/sitemap.xml", "sitemap").links) == 2


@pytest.mark.parametrize(
    "body", ["", "<html>", "{}", "\x1f\x8b broken", "<urlset>", "<!DOCTYPE x [<!ENTITY a 'b'>]>"]
)
def test_a_sitemap_that_is_none_has_no_links_or_is_named(body: str) -> None:
    try:
        assert read(body.encode("latin-1"), "/sitemap.xml", "sitemap").links == ()
    except UnreadablePage as error:
        assert str(error)


HREFS = [
    "http://[", "//", "http://", "http://shop.example:99999/p/1.html", "javascript:alert(1)",
    "http://１２７.0.0.1/p/1.html", "http://a..b/p/1.html", "\x00/p/1.html", "/p/\ud7ff1.html",
    "http://" + "a" * 300 + "/p/1.html", "http://xn--/p/1.html", "/p/" + "9" * 5000 + ".html",
    "http://shop.example\u2044/p/1.html", "mailto:x@y", "http:///p/1.html", "?" + "a=1&" * 3000,
    "http://user:pw@shop.example/p/1.html", "/p/1.html;jsessionid=" + "x" * 99, "%%%", "\\\\x\\y",
]  # fmt: skip


@pytest.mark.parametrize("href", HREFS)
def test_no_address_on_a_page_is_too_strange(href: str, frontier: Frontier) -> None:
    body = (
        f'<base href="{href}"><nav><a href="{href}">x</a></nav><a class=next href="{href}">n</a>'
        f'<li class=t><a href="{href}">t</a><img src="{href}"></li>'
    )
    for text in (body, body.partition(">")[2]):
        reading = read(text, "/c/1", "category")
        for link in reading.links:
            assert host_of(link.target_url) == "shop.example"
        store(frontier, len(text), reading)
    reading = read(script(json.dumps({"@type": "Product", "name": "A", "image": href})))
    store(frontier, 1, reading)
    frontier.close()


@pytest.mark.parametrize(
    "charset", ["utf-7", "utf-16", "gb2312", "nonsense", "idna", "hex", "\xff"]
)
def test_no_charset_is_too_strange(charset: str) -> None:
    """`hex` and `idna` are Python codecs that are no encodings of text pages."""
    header = ("Content-Type", f"text/html; charset={charset}")
    body = b"<h1>T +2AA- \xc4\xda</h1>"
    try:
        reading = read(body, "/p/7.html", "product", header)
    except UnreadablePage as error:
        assert str(error)
    else:
        assert all(s.title is None or s.title.encode() for s in reading.sightings)


def mutated(rng: random.Random, text: bytes) -> bytes:
    """The text with some cuts, repeats, swaps and strange bytes."""
    data = bytearray(text)
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                del data[at : at + rng.randint(1, 60)]
            case 1:
                data[at:at] = rng.choice(STRANGE)
            case 2:
                data[at:at] = data[at : at + 80] * rng.randint(1, 30)
            case 3:
                data[at : at + 1] = bytes([rng.randrange(256)])
            case _:
                del data[at:]
                data += rng.choice(STRANGE)
    return bytes(data)


STRANGE = [
    b"<", b'"', b"</script>", b"\x00", b"\xff\xfe", b"&#xD800;", b"\\ud800", b"]]]]", b"{" * 50,
    b"<!--", b"&lt;" * 9, b"http://[", b"<base href='http://['>", b"9" * 400, b"<div>" * 400,
    "\u202e\ufeff".encode(), b"\xc4\xda", b'{"@type":"Product","name":{"a":[]},"image":[[[{}]]]}',
]  # fmt: skip


def test_three_hundred_damaged_pages_are_read_or_named_twice_alike(frontier: Frontier) -> None:
    rng = random.Random(20261122)
    named = 0
    sources = [(PRODUCT, "/p/7.html", "product"), (GRID, "/c/0", "category")]
    sources.append((SITEMAP, "/sitemap.xml", "sitemap"))
    for number in range(300):
        text, path, kind = sources[number % 3]
        body = mutated(rng, text.encode("gbk" if number % 4 == 0 else "utf-8"))
        try:
            reading = read(body, path, kind)
        except UnreadablePage:
            named += 1
            continue
        assert read(body, path, kind) == reading
        store(frontier, number, reading)
    assert named < 150, "the mutations must leave most pages readable to mean anything"
    frontier.close()


def program(name: str, base_url: str) -> Site:
    return load_site(SiteConfig(key="shop", program=name, base_url=base_url), Path())


ANY = shop_pages.site(
    embedded=[
        {"title": "props.pageProps.product.name", "image": "props.pageProps.product.media[].src"},
        {"variable": "state", "listing": {"items": "grid[]", "url": "/p/{id}", "title": "name"}},
    ],
    links={"category": ["a"], "next": ["a.next"], "product": ["a"]},
)
STATE = "<script>var state = {grid: [{id: 1, name: 'One'}, {id: 2, name: \"Two\",}]};</script>"
# Pages of real programs' kinds, each with the site that reads it and its address.
SHOPS = [
    (ANY, f"{BASE}/products/linen-shirt", shop_pages.SHOPIFY),
    (ANY, f"{BASE}/p/mug", shop_pages.WOOCOMMERCE),
    (ANY, f"{BASE}/p/shoe", shop_pages.NEXT),
    (ANY, f"{BASE}/p/12", shop_pages.TABLES_2005),
    (ANY, f"{BASE}/p/cup", shop_pages.GBK_PRODUCT),
    (ANY, f"{BASE}/c/mugs", shop_pages.WOOCOMMERCE + shop_pages.SHOPIFY + STATE),
    (program("magento2", MAGENTO), f"{MAGENTO}/women/tops-women.html", LUMA_GRID),
    (program("magento2", MAGENTO), f"{MAGENTO}/radiant-tee.html", luma_product(GALLERY)),
    (program("jd", JD), f"{JD}/list.html?cat=1,2,3", jd_list("?page=3")),
]
CHARSETS = ["utf-8", "gbk", "gb2312", "iso-8859-1", "utf-16", "big5", "shift_jis", "", "hex"]


def grown(rng: random.Random, text: bytes) -> bytes:
    """The text with one thing that has no measure: nesting, an attribute, JSON, a repetition."""
    at = rng.randrange(len(text) + 1)
    size = rng.choice([100, 3_000, 60_000])
    piece = rng.choice([
        b"<div class='product breadcrumb' itemprop=name itemscope>" * (size // 50),
        b"<ul><li>" * (size // 8), b"<a href=/p/1>" * (size // 12), b"<b>" * size,
        b'<img alt="' + b"x " * size + b'" srcset="' + b"/a.jpg 1x, " * (size // 10) + b'">',
        b"<h1 class='" + b"product " * (size // 8) + b"'>" + b"&amp;" * (size // 5),
        b'<script type="application/ld+json">' + b'{"@graph":[' * (size // 10),
        b'<script type="application/ld+json">{"@type":"Product","name":"' + b"\\" * size,
        b'<script type="application/ld+json">[' + b'{"@type":"Product","@id":"#a","image":{"@id":'
        b'"#a"}},' * (size // 50) + b"{}]</script>",
        b"<script>state = " + b'{"a":[' * (size // 6) + b"</script>",
        b"<a>x</a> &gt; " * (size // 10), b"<p><" * (size // 3), b"<!--" * (size // 4),
    ])  # fmt: skip
    return text[:at] + piece + text[at:]


def outcomes(count: int, seed: int) -> Counter[str]:
    """Outcomes of so many damaged pages; each read twice alike, stored whole, and in time."""
    rng = random.Random(seed)
    found: Counter[str] = Counter()
    for number in range(count):
        site, url, text = SHOPS[number % len(SHOPS)]
        body = text.encode(rng.choice(["utf-8", "gbk", "utf-16"][: rng.randint(1, 3)]), "replace")
        body = mutated(rng, body) if rng.random() < 0.8 else body
        body = grown(rng, body) if rng.random() < 0.5 else body
        body = body[: rng.randrange(len(body) + 1)] if rng.random() < 0.3 else body
        header = ("Content-Type", f"text/html; charset={rng.choice(CHARSETS)}")
        page = PageInput(url, "category", 200, (header,), body)
        started = time.process_time()
        try:
            reading = read_page(page, site)
        except UnreadablePage as error:
            took = time.process_time() - started
            assert str(error)
            found["unreadable"] += 1
        else:
            took = time.process_time() - started
            found["read" if reading.sightings else "nothing"] += 1
            for sighting in reading.sightings:
                assert json.dumps([sighting.title, sighting.image_url, sighting.category_path])
                assert (sighting.title or "").encode() is not None
                assert host_of(sighting.product_url)
                assert sighting.image_url is None or host_of(sighting.image_url)
            if number % 10 == 0:
                assert read_page(page, site) == reading
        assert took < 10.0, f"page {number} of seed {seed} took {took:.1f} s"
        found["slow"] += took > 2.0
    return found


def test_hundreds_of_damaged_shop_pages_have_a_named_outcome_each() -> None:
    found = outcomes(360, seed=20261123)
    assert found["read"] > 150, "the damage must leave many pages readable to mean anything"
    assert found["slow"] == 0


@pytest.mark.soak
def test_ten_thousand_damaged_shop_pages_have_a_named_outcome_each(soak_seed: int) -> None:
    found = outcomes(10_000, soak_seed)
    print(dict(found))
    assert found["read"] > 4_000
