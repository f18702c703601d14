"""A page as extractors get it, and what they give: fields of a product, tiles of a listing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

from crawler.sites.markup import excessive_nesting, excessive_tag
from crawler.sites.queries import Element, select

Schema = Mapping[str, Any]  # one schema.org object


@dataclass(frozen=True)
class Fields:
    """What one extractor found on a product's page; None where it found nothing."""

    title: str | None = None
    image: str | None = None
    category_path: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Tile:
    """A product as a listing page shows it; `url` and `image` are as written."""

    url: str
    product_id: str | None = None
    title: str | None = None
    image: str | None = None


def parse_html(text: str) -> Element:
    """The root element of a page; anything is taken for HTML, however broken.

    Raises ValueError for markup that would stop the parser or the selectors.
    """
    if (problem := excessive_tag(text)) is not None:
        raise ValueError(problem)
    data = text.strip().replace("\x00", "").encode() or b"<html/>"
    parser = etree.HTMLParser(recover=True, encoding="utf-8", huge_tree=True)
    root = etree.fromstring(data, parser=parser)
    if root is None:
        return etree.fromstring(b"<html/>", parser=parser)
    if (problem := excessive_nesting(root)) is not None:
        raise ValueError(problem)
    return root


class Document:
    """One page: its URL, text and element tree, and what several extractors need of it."""

    def __init__(self, url: str, text: str) -> None:
        self.url = url
        self.text = text

    @cached_property
    def root(self) -> Element:
        """The root element; the tree is built when it is first asked for."""
        return parse_html(self.text)

    @cached_property
    def base_url(self) -> str:
        """What relative URLs are relative to."""
        if "<base" in self.text or "<BASE" in self.text:
            for href in select(self.root, "base::attr(href)"):
                return urljoin(self.url, str(href).strip())
        return self.url

    @cached_property
    def _origin(self) -> str:
        parts = urlsplit(self.base_url)
        return f"{parts.scheme}://{parts.netloc}"

    def absolute(self, url: str) -> str:
        """The URL made absolute. Raises ValueError for what is no URL."""
        url = url.strip()
        if url.startswith("/") and url[1:2] != "/" and "/." not in url and url.isprintable():
            return self._origin + url  # most links of most shops; urljoin takes ten times as long
        return urljoin(self.base_url, url)
