"""Page objects: what one page of a shop shows, from its URL, status, headers and body alone.

`read_page` is pure, so that a capture gives the same sightings and links as the live answer did.
Only the limit on processor time looks at a clock, and normal pages never meet it.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from inspect import getattr_static
from typing import Any

import attrs
from lxml import etree
from parsel import Selector
from web_poet import HttpResponse, HttpResponseHeaders, WebPage, cached_method
from web_poet import field as page_field

from crawler.addresses import RefusedAddressError, host_of
from crawler.politeness import opt_out_of
from crawler.sites.charset import decode_page
from crawler.sites.document import Document, Fields, Tile
from crawler.sites.extractors import EXTRACTORS, Reading
from crawler.sites.queries import Element, node_text, select
from crawler.sites.sitefile import Site
from crawler.sites.sitemaps import sitemap_targets
from crawler.sites.timelimit import ReadingTime, TimeLimitReached
from runtime.keys import record_id
from runtime.optouts import TDM_RESERVATION

OWN_CLASS = "page-object"  # who won a field that a class of the site file's overrides
FIELDS = ("title", "image", "category_path")
MAX_URL_CHARS = 8192  # an address that is longer leads nowhere that can be asked for

# What lxml, zlib and the readers below raise on broken input; XMLSyntaxError is a SyntaxError,
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
_META_ROBOTS = etree.XPath("//meta[@name and @content]")


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
    """Everything one page says; `notes` tells what was left out, and why."""

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


class PageResponse(HttpResponse):
    """A response whose text and tree are the `Document`'s: decoded and parsed once."""

    def __init__(self, document: Document, page: PageInput, headers: HttpResponseHeaders) -> None:
        super().__init__(page.url, page.body, status=page.status, headers=headers)
        self.document = document

    @property
    def text(self) -> str:
        """The page's text, decoded by what its bytes are."""
        return self.document.text

    @cached_property
    def selector(self) -> Selector:
        """The page's tree, for `css` and `xpath` in page objects."""
        return Selector(root=self.document.root, type="html")


@attrs.define(kw_only=True, slots=False)
class ShopPage(WebPage[Any]):
    """A page of a shop, with what all its kinds have in common."""

    site: Site
    reading: Reading

    @property
    def document(self) -> Document:
        """The page's URL, text and tree."""
        return self.reading.page

    @property
    def base_url(self) -> str:
        """What relative URLs are relative to."""
        return self.document.base_url

    def absolute(self, url: str | None) -> str | None:
        """An absolute http(s) URL; None for anything else."""
        if not url or len(url) > MAX_URL_CHARS:
            return None
        try:
            joined = self.document.absolute(url)
            host_of(joined)
        except (ValueError, RefusedAddressError):
            return None
        return joined

    def page_url(self, url: str | None) -> str | None:
        """A canonical URL of the same shop; None for one that leads elsewhere."""
        if not url or len(url) > MAX_URL_CHARS:
            return None
        try:
            return self.site.page_url(self.document.absolute(url))
        except ValueError:
            return None

    def product_url(self, url: str | None) -> str | None:
        """The canonical URL of a product's page of the shop; None for any other."""
        joined = self.absolute(url)
        return None if joined is None else self.site.product_url(joined)

    def image_url(self, url: str | None) -> str | None:
        """An absolute image URL, upgraded to the original where that is known."""
        # An address that still holds &amp; was escaped once too often.
        joined = self.absolute(url.replace("&amp;", "&") if url else None)
        return None if joined is None else self.absolute(self.site.original_image(joined))

    @property
    def opt_out(self) -> str | None:
        """What the page says against use for machine learning."""
        metas: list[str] = []
        reserved: list[str] = []
        for meta in _META_ROBOTS(self.document.root):
            name = meta.get("name").strip().lower()
            if name in ("robots", "mep3m"):
                metas.append(meta.get("content"))
            elif name == TDM_RESERVATION:
                reserved.append(meta.get("content"))
        named = self.response.headers.getall
        return opt_out_of(named("X-Robots-Tag", []), metas, named(TDM_RESERVATION, []), reserved)

    def links(self) -> tuple[Link, ...]:
        """The links to follow: categories, the next page, products; each target once a kind.

        Of each kind at most the site file's `max_links`, in page order.
        """
        rules = self.site.file.links
        found: list[Link] = []
        for kind, queries in (
            ("category", rules.category),
            ("next", rules.next),
            ("product", rules.product),
        ):
            if self.site.follows(kind):
                found += self._capped(kind, self._links_of(kind, queries or ()))
        return tuple(found)

    def _capped(self, kind: str, links: Iterator[Link]) -> list[Link]:
        most = self.site.file.max_links
        kept: dict[str, Link] = {}
        for link in links:
            if link.target_url not in kept and len(kept) == most:
                self.reading.notes.append(f"links: only the first {most} {kind} links are kept")
                break
            kept.setdefault(link.target_url, link)
        return list(kept.values())

    def _links_of(self, kind: str, queries: list[str] | tuple[str, ...]) -> Iterator[Link]:
        url = str(self.response.url)
        own = (url, self.page_url(url))
        seen: set[str] = set()
        for query in queries:
            for node in select(self.document.root, query):
                href = node if isinstance(node, str) else node.get("href")
                if not href or href in seen:
                    continue
                seen.add(href)
                target = self.page_url(href)
                if target is None or target in own:
                    continue
                if kind == "product" and not self.site.is_product(target):
                    continue
                yield self._link(kind, target, node)

    def _link(self, kind: str, target: str, node: Element | str) -> Link:
        if isinstance(node, str):
            return Link(kind, target)
        text = node_text(node) or None
        trail: tuple[str, ...] = ()
        if kind == "category" and self.site.file.links.category_trail:
            headings = select(node, f"xpath:{self.site.file.links.category_trail}")
            texts = (node_text(heading) for heading in headings)
            trail = tuple(t for t in texts if t and t != text)
        return Link(kind, target, text, trail)


@attrs.define(kw_only=True, slots=False)
class ProductPage(ShopPage):
    """A product's own page. Override a field in a subclass where a site file cannot say it."""

    @cached_method
    def _found(self, extractor: str) -> Fields:
        return self.reading.fields(extractor)

    def _winner(self, name: str) -> tuple[str | None, Any]:
        for extractor in self.site.file.extractors:
            value = getattr(self._found(extractor), name)
            if name == "image" and self.image_url(value) is None:
                continue  # an address that leads nowhere must not hide another's
            if value:
                return EXTRACTORS[extractor].label, value
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

    def _extracted_by(self) -> dict[str, str]:
        winners = {}
        for name in FIELDS:
            overridden = getattr_static(type(self), name) is not getattr_static(ProductPage, name)
            won = OWN_CLASS if overridden else self._winner(name)[0]
            if won and getattr(self, name):
                winners[name] = won
        return winners

    def sightings(self) -> tuple[Sighting, ...]:
        """The product itself; nothing where not even a title is found."""
        url = str(self.response.url)
        if self.title is None and self.image is None:
            return ()
        return (
            Sighting(
                record_id(self.site.key, self.product_id, url),
                self.product_id,
                url,
                "product",
                self.title,
                self.image_url(self.image),
                self.category_path,
                self._extracted_by(),
            ),
        )


@attrs.define(kw_only=True, slots=False)
class ListingPage(ShopPage):
    """A grid of tiles."""

    def category_path(self) -> tuple[tuple[str, ...] | None, str | None]:
        """The page's own category path, and where it stands; (None, None) without one."""
        if self.site.file.product.category_path and "selectors" in self.site.file.extractors:
            path = self._crumbs()
            if path:
                return path, "selectors"
        for name in ("jsonld", "microdata"):
            if name in self.site.file.extractors and "BreadcrumbList" in self.document.text:
                path = self.reading.fields(name).category_path
                if path:
                    return path, name
        path = self.site.category_in(str(self.response.url))
        return path, "url" if path else None

    def _crumbs(self) -> tuple[str, ...] | None:
        for query in self.site.file.product.category_path or ():
            texts = (node_text(node) for node in select(self.document.root, query))
            if path := tuple(text for text in texts if text):
                return path
        return None

    def tiles(self) -> list[tuple[str, Tile]]:
        """(extractor's label, tile) of every extractor, in the declared order."""
        return [
            (EXTRACTORS[name].label, tile)
            for name in self.site.file.extractors
            for tile in self.reading.tiles(name)
        ]

    @cached_method
    def sightings(self) -> tuple[Sighting, ...]:
        """Every tile that leads to a product of this shop, in page order, each product once.

        Tiles of one product that several extractors found are one sighting; the first extractor
        that has a field wins it.
        """
        joined: dict[str, list[tuple[str, Tile]]] = {}
        most = self.site.file.max_links
        for label, tile in self.tiles():
            url = self.product_url(tile.url)
            if url is None:
                continue
            if url not in joined and len(joined) == most:
                self.reading.notes.append(f"tiles: only the first {most} products are kept")
                break
            joined.setdefault(url, []).append((label, tile))
        if not joined:
            return ()
        path, path_by = self.category_path()
        seen: dict[str, Sighting] = {}
        for url, tiles in joined.items():
            sighting = self._sighting(url, tiles, path, path_by)
            seen.setdefault(sighting.record_id, sighting)
        return tuple(seen.values())

    def _sighting(
        self,
        url: str,
        tiles: list[tuple[str, Tile]],
        path: tuple[str, ...] | None,
        path_by: str | None,
    ) -> Sighting:
        product_id = next((tile.product_id for _, tile in tiles if tile.product_id), None)
        product_id = product_id or self.site.product_id(url)
        by: dict[str, str] = {}
        title = image = None
        for label, tile in tiles:
            if title is None and tile.title:
                title, by["title"] = tile.title, label
            if image is None and (found := self.image_url(tile.image)):
                image, by["image"] = found, label
        if path and path_by:
            by["category_path"] = path_by
        return Sighting(
            record_id(self.site.key, product_id, url), product_id, url, "listing", title, image,
            path, by,
        )  # fmt: skip

    def links(self) -> tuple[Link, ...]:
        """The links to follow, with the tiles' products and the next page that no link names."""
        found = list(super().links())
        if self.site.follows("product"):
            known = {link.target_url for link in found if link.kind == "product"}
            found += [
                Link("product", sighting.product_url, sighting.title)
                for sighting in self.sightings()
                if sighting.product_url not in known
                and host_of(sighting.product_url) in self.site.hosts
            ]
        if self.site.follows("next") and not any(link.kind == "next" for link in found):
            url = self.site.next_url(str(self.response.url)) if self.sightings() else None
            target = self.page_url(url)
            if target is not None:
                found.append(Link("next", target))
        return tuple(found)


def page_object(
    page: PageInput, site: Site, time: ReadingTime, kind: str | None = None
) -> ProductPage | ListingPage:
    """The object that reads a page, of the site file's own class where it has one.

    `kind` is product or listing; without one, the URL and the page say which it is.
    """
    headers = HttpResponseHeaders([(name, _header_text(value)) for name, value in page.headers])
    _, text = decode_page(page.body, headers.get("Content-Type"))
    document = Document(page.url, text)
    kinds: dict[str, Any] = {
        "response": PageResponse(document, page, headers),
        "site": site,
        "reading": Reading(document, site.file, time, []),
    }
    if kind is None:
        marks = site.file.product.page
        is_product = site.is_product(page.url) and (
            marks is None or any(select(document.root, mark) for mark in marks)
        )
        kind = "product" if is_product else "listing"
    if kind == "product":
        return (site.classes.product or ProductPage)(**kinds)
    return (site.classes.listing or ListingPage)(**kinds)


def read_page(page: PageInput, site: Site) -> PageReading:
    """What a page of `site` says. Raises UnreadablePage when the body defeats its readers.

    An extractor that takes too long loses only its own fields (`notes` says so); a page that
    takes too long as a whole is unreadable.
    """
    time = ReadingTime()
    try:
        with time.watching():
            if 300 <= page.status < 400:
                return PageReading(links=_redirect(page, site))
            if page.kind == "sitemap":
                with time.step():
                    targets = sitemap_targets(page.body, site)
                return PageReading(links=tuple(Link(kind, url) for kind, url in targets))
            return _read_shop_page(page, site, time)
    except TimeLimitReached:
        raise UnreadablePage("reading it took too much processor time") from None
    except _PARSER_FAULTS as error:
        raise UnreadablePage(f"{type(error).__name__}: {error}"[:300]) from error


def _read_shop_page(page: PageInput, site: Site, time: ReadingTime) -> PageReading:
    with time.step():
        shop_page = page_object(page, site, time)
        assert shop_page.document.root is not None  # built here, so that no extractor is charged
    try:
        sightings = shop_page.sightings()
        with time.step():
            links = shop_page.links()
            opt_out = shop_page.opt_out
    except _PARSER_FAULTS:
        raise
    except Exception as error:
        if site.classes.product is None and site.classes.listing is None:
            raise  # a defect of our own
        # Another's class may raise anything; its page has a named outcome all the same.
        name = type(shop_page).__name__
        raise UnreadablePage(f"{name}: {type(error).__name__}: {error}"[:300]) from error
    return PageReading(
        sightings, links, opt_out, tuple(dict.fromkeys(shop_page.reading.notes))
    )  # fmt: skip


def _header_text(value: str) -> str:
    """A header's value; what came as Latin-1 is read as UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def _redirect(page: PageInput, site: Site) -> tuple[Link, ...]:
    location = next((v for k, v in page.headers if k.lower() == "location"), None)
    if not location or len(location) > MAX_URL_CHARS:
        return ()
    try:
        target = site.page_url(Document(page.url, "").absolute(_header_text(location)))
    except ValueError:
        return ()
    return () if target is None else (Link("redirect", target),)
