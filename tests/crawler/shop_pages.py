"""Hand-written pages in the manner of real shop programs, and how to read one in a test."""

from __future__ import annotations

import json
from typing import Any

from crawler.sites.pages import PageInput, PageReading, Sighting, read_page
from crawler.sites.sitefile import Site, parse_site_file
from runtime.config import SiteConfig

BASE = "http://shop.example"
PRODUCT_URL = {"product": r"/p(?:roducts?)?/[^/?]+$", "product_id": r"/p(?:roducts?)?/([^/?]+)$"}
UTF8 = ("Content-Type", "text/html; charset=utf-8")


def site(**rules: Any) -> Site:
    """A site with these rules in its file; product pages lie under /p/ and /products/."""
    config = SiteConfig(key="shop", program="own.toml", base_url=BASE)
    return Site(config, parse_site_file({"url": PRODUCT_URL, **rules}, "own.toml"))


def page(body: str | bytes, path: str = "/p/7", *headers: tuple[str, str]) -> PageInput:
    data = body.encode() if isinstance(body, str) else body
    url = path if path.startswith("http") else BASE + path
    return PageInput(url, "start", 200, headers or (UTF8,), data)


def reading(
    body: str | bytes, path: str = "/p/7", at: Site | None = None, *headers: tuple[str, str]
) -> PageReading:
    return read_page(page(body, path, *headers), at or site())


def sighting(
    body: str | bytes, path: str = "/p/7", at: Site | None = None, *headers: tuple[str, str]
) -> Sighting:
    (found,) = reading(body, path, at, *headers).sightings
    return found


def jsonld(value: Any) -> str:
    return f'<script type="application/ld+json">{json.dumps(value, ensure_ascii=False)}</script>'


SHOPIFY = (
    """<!doctype html><html><head><title>Linen Shirt &ndash; Harbour &amp; Co</title>
<meta property="og:site_name" content="Harbour &amp; Co">
<meta property="og:title" content="Linen Shirt">
<meta property="og:image" content="http://shop.example/cdn/shop/files/shirt.jpg?v=1">"""
    + jsonld({"@context": "https://schema.org", "@type": "Organization", "name": "Harbour & Co",
              "logo": "https://shop.example/logo.png"})
    + jsonld({
        "@context": "http://schema.org/", "@type": "Product", "name": "Linen Shirt &amp; Belt",
        "url": "https://shop.example/products/linen-shirt", "brand": {"@type": "Brand"},
        "image": ["https://shop.example/cdn/shop/files/shirt_1920x.jpg?v=1", "https://b"],
        "offers": [{"@type": "Offer", "price": 49.0, "availability": "http://schema.org/InStock"}],
    })
    + """</head><body><main><h1>Linen Shirt</h1></main>
<section class="recommended"><a href="/products/other"><img src="//shop.example/o.jpg"></a>
</section></body></html>"""
)  # fmt: skip

WOOCOMMERCE = """<!doctype html><html><body class="single-product">
<nav class="woocommerce-breadcrumb" itemscope itemtype="https://schema.org/BreadcrumbList">
<span itemprop="itemListElement" itemscope itemtype="https://schema.org/ListItem">
<a itemprop="item" href="/"><span itemprop="name">Home</span></a><meta itemprop="position" content="1"></span>
<span itemprop="itemListElement" itemscope itemtype="https://schema.org/ListItem">
<a itemprop="item" href="/c/mugs"><span itemprop="name">Mugs &amp;amp; Cups</span></a>
<meta itemprop="position" content="2"></span></nav>
<div itemscope itemtype="http://schema.org/Product"><h1 itemprop="name" class="product_title">Enamel
 <b>Mug</b></h1><div class="woocommerce-product-gallery"><a href="/wp-content/uploads/mug.jpg">
<img itemprop="image" src="/wp-content/uploads/mug-600x600.jpg" alt="Enamel Mug"></a></div>
<div itemprop="offers" itemscope itemtype="http://schema.org/Offer"><span itemprop="price">9</span></div>
<div itemprop="isRelatedTo" itemscope itemtype="http://schema.org/Product">
<span itemprop="name">Enamel Plate</span></div></div></body></html>"""  # noqa: E501

NEXT_STATE = {
    "props": {
        "pageProps": {
            "product": {
                "name": "跑步鞋 <男款>", "media": [{"kind": "video"}, {"src": "/cdn/shoe@2x.png"}],
                "trail": [{"label": "运动"}, {"label": "鞋"}], "id": 77,
            },
            "grid": {"items": [
                {"slug": "shoe", "name": "跑步鞋", "img": "/cdn/shoe.png", "id": 77},
                {"slug": "sock", "name": "袜子", "img": None, "id": 78},
                {"name": "no link"}, "not an object",
            ]},
        }
    }
}  # fmt: skip
NEXT = (
    '<html><body><div id="__next"><h1></h1></div><script id="__NEXT_DATA__" '
    f'type="application/json">{json.dumps(NEXT_STATE)}</script></body></html>'
)

TABLES_2005 = """<HTML><HEAD><TITLE>Brass Telescope No. 12 - The Old Ship Chandler</TITLE></HEAD>
<BODY BGCOLOR="#FFFFFF"><TABLE WIDTH=760><TR><TD><A HREF="/"><IMG SRC="/img/logo.gif" WIDTH=200 HEIGHT=60
ALT="The Old Ship Chandler"></A></TD></TR><TR><TD><FONT SIZE=1><A HREF="/">Home</A> &gt; <A HREF="/optics.html">
Optics</A> &gt; <A HREF="/scopes.html">Telescopes</A> &gt; Brass Telescope No. 12</FONT></TD></TR>
<TR><TD VALIGN=top><IMG SRC="/img/spacer.gif" WIDTH=1 HEIGHT=10><A HREF="/photos/scope12_big.jpg">
<IMG SRC="/photos/scope12.jpg" WIDTH=180 HEIGHT=240 BORDER=0 ALT="Brass Telescope No. 12"></A></TD>
<TD><FONT SIZE="+2"><B>Brass Telescope No. 12</B></FONT><BR>Price: $120
<IMG SRC="/img/buy_button.gif" WIDTH=80 HEIGHT=22></TD></TR>
<TR><TD>See also: <A HREF="/p/13"><IMG SRC="/photos/sextant.jpg" WIDTH=180 HEIGHT=180 ALT="Sextant"></A></TD>
</TR></TABLE></BODY></HTML>"""  # noqa: E501

GBK_PRODUCT = (
    '<html><head><meta http-equiv="Content-Type" content="text/html; charset=gb2312">'
    "<title>景德镇陶瓷茶杯 - 瓷器商城</title></head><body><div class=weizhi>当前位置："
    "<a href=/>首页</a> &gt; <a href=/c/1>茶具</a></div><h1>景德镇陶瓷茶杯</h1>"
    '<img id=main src="/img/loading.gif" data-original="/img/chabei.jpg" alt="景德镇陶瓷茶杯">'
    "<p>手工制作，釉色温润，适合日常品茗使用。</p></body></html>"
)
