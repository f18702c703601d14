"""The rules of a site file: every key that its TOML may hold, with its type and default.

What is wrong in a site file is found here, before the first request: selectors, expressions and
paths are compiled once while they are checked.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from crawler.sites.queries import check_jmespath, check_query, check_xpath


class Discovery(StrEnum):
    """Ways in which a crawl finds its products; a site file may name several."""

    NAVIGATION = "navigation"
    """Follow the links to categories, from the start pages on."""
    CATEGORIES = "categories"
    """Only the category pages given as start, and their next pages."""
    SITEMAP = "sitemap"
    """The sitemaps that robots.txt names, or /sitemap.xml."""
    PRODUCTS = "products"
    """A list of product URLs; no page is searched for more."""


ExtractorName = Literal["jsonld", "microdata", "selectors", "embedded", "opengraph", "generic"]
EXTRACTOR_NAMES: tuple[ExtractorName, ...] = get_args(ExtractorName)  # in the default order

Query = Annotated[str, AfterValidator(check_query)]
Selectors = Annotated[list[Query], Field(min_length=1)]
JsonPath = Annotated[str, AfterValidator(check_jmespath)]


def _is_regex(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"a regular expression, but {error}") from None
    return value


Regex = Annotated[str, AfterValidator(_is_regex)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class UrlRules(_Section):
    """Which URLs are product pages, and which query parameters mean nothing."""

    product: Regex
    product_id: Regex | None = None
    # Hosts of product pages that a listing may name; they are asked only if they are configured.
    product_hosts: list[str] = []
    # Category ids or names in a listing page's URL: the first group, split at `category_split`.
    category: Regex | None = None
    category_split: Annotated[str, Field(min_length=1)] = ","
    drop_query: list[str] = []
    keep_query: list[str] | None = None  # the only parameters that mean anything


class NextQuery(_Section):
    """Next pages that no link names: a query parameter that grows by `step` from page to page.

    Asked for while a page shows products; `where` is a pattern of the URLs that it holds for.
    """

    parameter: Annotated[str, Field(min_length=1)]
    step: Annotated[int, Field(ge=1)] = 1
    first: Annotated[int, Field(ge=0)] = 1
    where: Regex = ""


class LinkRules(_Section):
    """Selectors of the links to follow; `category_trail` is XPath relative to such a link."""

    category: Selectors | None = None
    category_trail: Annotated[str, AfterValidator(check_xpath)] | None = None
    next: Selectors | None = None
    next_query: NextQuery | None = None
    product: Selectors | None = None


class TileRules(_Section):
    """A product's tile on a listing page; selectors are relative to the tile."""

    tile: Query
    url: Selectors
    product_id: Selectors | None = None
    title: Selectors | None = None
    image: Selectors | None = None


class ProductRules(_Section):
    """Fields of a product's own page; `page` selects what only such a page has.

    `page` is for shops whose product URLs look like any other. `category_path` is also asked on
    listing pages.
    """

    page: Selectors | None = None
    title: Selectors | None = None
    image: Selectors | None = None
    category_path: Selectors | None = None


class EmbeddedTiles(_Section):
    """Products of a listing page in embedded JSON; paths are relative to one of `items`.

    `url` may be a path to the product's URL, or a template such as `/p/{slug}.html`.
    """

    items: JsonPath
    url: Annotated[str, Field(min_length=1)]
    product_id: JsonPath | None = None
    title: JsonPath | None = None
    image: JsonPath | None = None

    @field_validator("url")
    @classmethod
    def _is_path_or_template(cls, value: str) -> str:
        names = re.findall(r"\{([^{}]*)\}", value)
        for name in names or [value]:
            check_jmespath(name)
        return value


class EmbeddedRules(_Section):
    """JSON in a page's scripts, and the JMESPath of every field in it.

    `script` selects the script element, `variable` names what the JSON is assigned to; without
    either it is Next.js's `#__NEXT_DATA__`.
    """

    script: Query | None = None
    variable: Annotated[str, Field(min_length=1)] | None = None
    title: JsonPath | None = None
    image: JsonPath | None = None
    category_path: JsonPath | None = None
    listing: EmbeddedTiles | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.script is not None and self.variable is not None:
            raise ValueError("`script` or `variable`, but both are given")
        return self


class Rewrite(_Section):
    """A regular expression and its replacement, applied to image URLs (thumbnail to original)."""

    pattern: str
    replace: str

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        try:
            re.sub(self.pattern, self.replace, "")
        except (re.error, IndexError) as error:
            raise ValueError(f"a regular expression and its replacement, but {error}") from None
        return self


class SiteFile(_Section):
    """One shop program."""

    description: str = ""
    start: list[str] = ["/"]
    discovery: Annotated[
        list[Annotated[Discovery, Field(strict=False)]], Field(min_length=1)
    ] = [Discovery.NAVIGATION]  # fmt: skip
    extractors: Annotated[list[ExtractorName], Field(min_length=1)] = list(EXTRACTOR_NAMES)
    visit_products: bool = True
    category_from_links: bool = False
    max_links: Annotated[int, Field(ge=1)] = 5_000  # of one kind on one page
    product_page: str | None = None
    listing_page: str | None = None
    url: UrlRules
    links: LinkRules = LinkRules()
    listing: TileRules | None = None
    product: ProductRules = ProductRules()
    embedded: list[EmbeddedRules] = []
    image_rewrite: list[Rewrite] = []
    unwrap_image_proxies: bool = True

    @field_validator("embedded", mode="before")
    @classmethod
    def _one_or_several(cls, value: Any) -> Any:
        """`[embedded]` where there is one place, `[[embedded]]` where there are several."""
        return [value] if isinstance(value, dict) else value
