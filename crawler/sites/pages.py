"""Page objects: what one page of a shop shows, from its URL, status, headers and body alone.

`read_page` is pure, so that a capture gives the same sightings and links as the live answer did.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from urllib.parse import urljoin

import attrs
from parsel import Selector
from scrapy.utils.gz import gunzip
from scrapy.utils.sitemap import Sitemap
from web_poet import HttpResponse, HttpResponseHeaders, WebPage, cached_method
from web_poet import field as page_field

from crawler.addresses import RefusedAddressError, host_of
from crawler.politeness import opt_out_of
from crawler.sites.extractors import EXTRACTORS, Fields, image_of, text_of
from crawler.sites.sitefile import Site
from runtime.keys import record_id

MAX_SITEMAP_BYTES = 64 * 1024 * 1024


# What lxml, zlib and the readers above raise on broken input; XMLSyntaxError is a SyntaxError,
# an empty sitemap ends its iterator early, and a cut gzip stream is an EOFError.
_PARSER_FAULTS = (
    ValueError,
    LookupError,
    RecursionError,
    OSError,
    SyntaxError,
    StopIteration,
    EOFError,
    zlib.error,
)


class UnreadablePage(Exception):
    """The body cannot be read as the kind of page that it should be."""


@dataclass(frozen=True)
class Link:
    """A link that the site file follows; `kind` is category, next, product, sitemap, redirect."""

    kind: str
    target_url: str
    anchor_text: str | None = None
    trail: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sighting:
    """A product as the page shows it; URLs are absolute, the product's is canonical."""

    record_id: str
    product_id: str | None
    product_url: str
    page_kind: str
    title: str | None
    image_url: str | None
    category_path: tuple[str, ...] | None
    extracted_by: Mapping[str, str]


@dataclass(frozen=True)
class PageReading:
    """Everything one page says."""

    sightings: tuple[Sighting, ...] = ()
    links: tuple[Link, ...] = ()
    opt_out: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class PageInput:
    """What a reading is a function of; `body` has its content coding undone."""

    url: str
    kind: str
    status: int
    headers: tuple[tuple[str, str], ...] = field(default=())
    body: bytes = b""


@attrs.define(kw_only=True, slots=False)
class ShopPage(WebPage[Any]):
    """A page of a shop, with what all its kinds have in common."""

    site: Site

    @cached_property
    def base_url(self) -> str:
        """What relative URLs are relative to; looked up once, since pages have many links."""
        base = self.css("base::attr(href)").get()
        return urljoin(str(self.response.url), base.strip()) if base else str(self.response.url)

    def absolute(self, url: str | None) -> str | None:
        """An absolute http(s) URL; None for anything else."""
        if not url:
            return None
        try:
            joined = urljoin(self.base_url, url.strip())
            host_of(joined)
        except (ValueError, RefusedAddressError):
            return None
        return joined

    def page_url(self, url: str | None) -> str | None:
        """A canonical URL of the same shop; None for one that leads elsewhere."""
        joined = self.absolute(url)
        if joined is None:
            return None
        canonical = self.absolute(self.site.canonical(joined))
        return canonical if canonical and host_of(canonical) in self.site.hosts else None

    def image_url(self, url: str | None) -> str | None:
        """An absolute image URL, upgraded to the original where the site file knows how."""
        joined = self.absolute(url)
        return None if joined is None else self.absolute(self.site.original_image(joined))

    @property
    def opt_out(self) -> str | None:
        """What the page says against use for machine learning."""
        metas = self.xpath(
            "//meta[translate(@name,'ROBTSMEP3','robtsmep3')='robots' or @name='mep3m']/@content"
        ).getall()
        return opt_out_of(self.response.headers.getall("X-Robots-Tag", []), metas)

    def links(self) -> tuple[Link, ...]:
        """The links to follow: categories, the next page, products; each target once a kind."""
        rules = self.site.file.links
        found: dict[tuple[str, str], Link] = {}
        for kind, queries in (
            ("category", rules.category),
            ("next", rules.next),
            ("product", rules.product if self.site.file.visit_products else None),
        ):
            for query in queries or ():
                for node in self.css(query):
                    target = self.page_url(node.attrib.get("href"))
                    if target is None or target == str(self.response.url):
                        continue
                    if kind == "product" and not self.site.is_product(target):
                        continue
                    found.setdefault((kind, target), self._link(kind, target, node))
        return tuple(found.values())

    def _link(self, kind: str, target: str, node: Selector) -> Link:
        text = " ".join((node.xpath("string()").get() or "").split()) or None
        trail: tuple[str, ...] = ()
        if kind == "category" and self.site.file.links.category_trail:
            headings = node.xpath(self.site.file.links.category_trail)
            texts = (" ".join((h.xpath("string()").get() or "").split()) for h in headings)
            trail = tuple(t for t in texts if t and t != text)
        return Link(kind, target, text, trail)


@attrs.define(kw_only=True, slots=False)
class ProductPage(ShopPage):
    """A product's own page. Override a field in a subclass where a site file cannot say it."""

    @cached_method
    def _found(self) -> list[tuple[str, Fields]]:
        return [
            (name, EXTRACTORS[name](self.selector, self.site.file))
            for name in self.site.file.extractors
        ]

    def _winner(self, name: str) -> tuple[str | None, object]:
        for extractor, fields in self._found():
            value = getattr(fields, name)
            if value:
                return extractor, value
        return None, None

    @page_field
    def title(self) -> str | None:
        """The product's title as shown."""
        value = self._winner("title")[1]
        return value if isinstance(value, str) else None

    @page_field
    def image(self) -> str | None:
        """The picture's address as written."""
        value = self._winner("image")[1]
        return value if isinstance(value, str) else None

    @page_field
    def category_path(self) -> tuple[str, ...] | None:
        """Breadcrumb names, root first, without the product itself."""
        value = self._winner("category_path")[1]
        if not isinstance(value, tuple):
            return None
        return value[:-1] if value and value[-1] == self.title else value

    @page_field
    def product_id(self) -> str | None:
        """The shop's own id."""
        return self.site.product_id(str(self.response.url))

    def sightings(self) -> tuple[Sighting, ...]:
        """The product itself; nothing where not even a title is found."""
        url = str(self.response.url)
        if self.title is None and self.image is None:
            return ()
        fields = ("title", "image", "category_path")
        winners = {name: self._winner(name)[0] for name in fields}
        return (
            Sighting(
                record_id(self.site.key, self.product_id, url),
                self.product_id,
                url,
                "product",
                self.title,
                self.image_url(self.image),
                self.category_path,
                {name: won for name, won in winners.items() if won},
            ),
        )


@attrs.define(kw_only=True, slots=False)
class ListingPage(ShopPage):
    """A grid of tiles."""

    def sightings(self) -> tuple[Sighting, ...]:
        """Every tile that leads to a product of this shop, in page order, each product once."""
        rules = self.site.file.listing
        if rules is None:
            return ()
        crumbs = EXTRACTORS["selectors"](self.selector, self.site.file).category_path
        seen: dict[str, Sighting] = {}
        for tile in self.css(rules.tile):
            url = self.page_url(text_of(tile, rules.url))
            if url is None or not self.site.is_product(url):
                continue
            product_id = text_of(tile, rules.product_id or ()) or self.site.product_id(url)
            values = {
                "title": text_of(tile, rules.title or ()),
                "image": image_of(tile, rules.image or ()),
                "category_path": crumbs,
            }
            sighting = Sighting(
                record_id(self.site.key, product_id, url),
                product_id,
                url,
                "listing",
                text_of(tile, rules.title or ()),
                self.image_url(image_of(tile, rules.image or ())),
                crumbs,
                {name: "selectors" for name, value in values.items() if value},
            )
            seen.setdefault(sighting.record_id, sighting)
        return tuple(seen.values())


def read_page(page: PageInput, site: Site) -> PageReading:
    """What a page of `site` says. Raises UnreadablePage when the body defeats the parser."""
    headers = HttpResponseHeaders([(name, _header_text(value)) for name, value in page.headers])
    response = HttpResponse(page.url, page.body, status=page.status, headers=headers)
    try:
        if 300 <= page.status < 400:
            return PageReading(links=_redirect(response, site))
        if page.kind == "sitemap":
            return PageReading(links=_sitemap_links(page, site))
        shop_page: ProductPage | ListingPage = (
            ProductPage(response=response, site=site)
            if site.is_product(page.url)
            else ListingPage(response=response, site=site)
        )
        return PageReading(shop_page.sightings(), shop_page.links(), shop_page.opt_out)
    except _PARSER_FAULTS as error:
        raise UnreadablePage(f"{type(error).__name__}: {error}"[:300]) from error


def _header_text(value: str) -> str:
    """A header's value; what came as Latin-1 is read as UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _redirect(response: HttpResponse, site: Site) -> tuple[Link, ...]:
    page = ShopPage(response=response, site=site)
    target = page.page_url(response.headers.get("Location"))
    return () if target is None else (Link("redirect", target),)


def _sitemap_links(page: PageInput, site: Site) -> tuple[Link, ...]:
    """Product pages and further sitemaps that a sitemap lists."""
    body = page.body
    if body[:2] == b"\x1f\x8b":
        body = gunzip(body, max_size=MAX_SITEMAP_BYTES)
    sitemap = Sitemap(body)
    found: dict[str, Link] = {}
    for entry in sitemap:
        try:
            url = site.canonical(str(entry.get("loc", "")).strip())
            if host_of(url) not in site.hosts:
                continue
        except (ValueError, RefusedAddressError):
            continue
        if sitemap.type == "sitemapindex":
            found.setdefault(url, Link("sitemap", url))
        elif site.is_product(url):
            found.setdefault(url, Link("product", url))
    return tuple(found.values())
