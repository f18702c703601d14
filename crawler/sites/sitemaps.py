"""Sitemaps: the product pages and further sitemaps that one lists."""

from __future__ import annotations

from scrapy.utils.gz import gunzip
from scrapy.utils.sitemap import Sitemap

from crawler.sites.sitefile import Site

MAX_SITEMAP_BYTES = 64 * 1024 * 1024


def sitemap_targets(body: bytes, site: Site) -> list[tuple[str, str]]:
    """(kind, canonical URL) of a sitemap's entries in the shop, each once, in order.

    Raises what its parsers raise on a body that is no sitemap.
    """
    if body[:2] == b"\x1f\x8b":
        body = gunzip(body, max_size=MAX_SITEMAP_BYTES)
    sitemap = Sitemap(body)
    found: dict[str, str] = {}
    for entry in sitemap:
        url = site.page_url(str(entry.get("loc", "")).strip())
        if url is None:
            continue
        if sitemap.type == "sitemapindex":
            found.setdefault(url, "sitemap")
        elif site.is_product(url):
            found.setdefault(url, "product")
    return [(kind, url) for url, kind in found.items()]
