"""Site files: what a shop's pages look like, in a few lines of TOML.

A site file describes a shop *program* (its URLs and selectors); the configuration says which
shop runs it, and where. Faults are ConfigErrors that name file, key and value.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote_plus, urljoin, urlsplit, urlunsplit

from parsel import Selector
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)
from w3lib.url import canonicalize_url

from crawler.addresses import host_of
from runtime.config import SiteConfig
from runtime.errors import ConfigError
from runtime.keys import digest

SESSION_PARAMETERS = frozenset(
    "phpsessid jsessionid sessionid sid osCsid cfid cftoken fbclid gclid spm".lower().split()
)
# Java servers write the session into the path: /p/1.html;jsessionid=5F0C
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;]*", re.IGNORECASE)


def _css(query: str) -> str:
    try:
        Selector("").css(query)
    except (SyntaxError, RuntimeError, ValueError) as error:  # what cssselect and parsel raise
        raise ValueError(f"a CSS selector, but {error}") from None
    return query


def _xpath(query: str) -> str:
    try:
        Selector("").xpath(query)
    except ValueError as error:
        raise ValueError(f"an XPath expression, but {error}") from None
    return query


Css = Annotated[str, AfterValidator(_css)]
Selectors = Annotated[list[Css], Field(min_length=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class UrlRules(_Section):
    """Which URLs are product pages, and which query parameters mean nothing."""

    product: str
    product_id: str | None = None
    drop_query: list[str] = []

    @field_validator("product", "product_id")
    @classmethod
    def _compiles(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                re.compile(value)
            except re.error as error:
                raise ValueError(f"a regular expression, but {error}") from None
        return value


class LinkRules(_Section):
    """CSS selectors of the links to follow; `category_trail` is XPath relative to such a link."""

    category: Selectors | None = None
    category_trail: Annotated[str, AfterValidator(_xpath)] | None = None
    next: Selectors | None = None
    product: Selectors | None = None


class TileRules(_Section):
    """A product's tile on a listing page; selectors are relative to the tile."""

    tile: Css
    url: Selectors
    product_id: Selectors | None = None
    title: Selectors | None = None
    image: Selectors | None = None


class ProductRules(_Section):
    """Fields of a product's own page."""

    title: Selectors | None = None
    image: Selectors | None = None
    category_path: Selectors | None = None


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
    discovery: list[Literal["navigation", "sitemap"]] = ["navigation"]
    extractors: Annotated[list[Literal["jsonld", "selectors"]], Field(min_length=1)] = [
        "jsonld",
        "selectors",
    ]
    visit_products: bool = True
    category_from_links: bool = False
    url: UrlRules
    links: LinkRules = LinkRules()
    listing: TileRules | None = None
    product: ProductRules = ProductRules()
    image_rewrite: list[Rewrite] = []


@dataclass(frozen=True)
class Site:
    """A shop: its configuration and the site file that reads it."""

    config: SiteConfig
    file: SiteFile

    @property
    def key(self) -> str:
        """Short key of the shop."""
        return self.config.key

    @cached_property
    def hosts(self) -> frozenset[str]:
        """Hosts whose pages belong to the shop."""
        return frozenset({host_of(self.config.base_url), *self.config.hosts})

    @cached_property
    def start_urls(self) -> list[str]:
        """Canonical URLs where the crawl starts."""
        starts = self.config.start or self.file.start
        return [self.canonical(urljoin(self.config.base_url, url)) for url in starts]

    @cached_property
    def digest(self) -> str:
        """Changes when extraction could change."""
        return digest(self.config.model_dump_json(), self.file.model_dump_json())

    @cached_property
    def _product(self) -> re.Pattern[str]:
        return re.compile(self.file.url.product)

    @cached_property
    def _dropped(self) -> frozenset[str]:
        return SESSION_PARAMETERS | {name.lower() for name in self.file.url.drop_query}

    def canonical(self, url: str) -> str:
        """One spelling per page: sorted query, no fragment, no session or tracking parameters.

        Raises ValueError for what is no URL.
        """
        parts = urlsplit(url)
        # As they are written: decoding would lose words that are escaped as GBK.
        kept = [pair for pair in parts.query.split("&") if not self._means_nothing(pair)]
        path = _PATH_SESSION.sub("", parts.path)
        return str(canonicalize_url(urlunsplit(parts._replace(path=path, query="&".join(kept)))))

    def _means_nothing(self, pair: str) -> bool:
        name = unquote_plus(pair.partition("=")[0]).lower()
        return name in self._dropped or name.startswith("utm_")

    def is_product(self, url: str) -> bool:
        """Whether the URL is a product's own page."""
        return self._product.search(url) is not None

    def product_id(self, url: str) -> str | None:
        """The shop's product id in a product URL, by the site file's pattern; None without one."""
        if self.file.url.product_id is None:
            return None
        match = re.search(self.file.url.product_id, url)
        if match is None:
            return None
        return match[1] if match.re.groups else match[0]

    def original_image(self, url: str) -> str:
        """The image URL after the site file's rewrites."""
        for rule in self.file.image_rewrite:
            url = re.sub(rule.pattern, rule.replace, url)
        return url


def load_site(config: SiteConfig, config_folder: Path) -> Site:
    """The site a config entry means: `program` is a shipped site file's name or a path to one.

    Raises ConfigError when it does not exist or holds a fault.
    """
    shipped = resources.files("crawler.sites") / f"{config.program}.toml"
    own = config_folder / config.program
    if config.program.endswith(".toml"):
        source, name = own, str(own)
    elif shipped.is_file():
        source, name = Path(str(shipped)), config.program
    else:
        known = sorted(
            p.name.removesuffix(".toml")
            for p in resources.files("crawler.sites").iterdir()
            if p.name.endswith(".toml")
        )
        raise ConfigError(
            f"site {config.key}: `program` = {config.program!r}: expected a path ending in .toml "
            f"or one of {', '.join(known)}"
        )
    try:
        values = tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"site {config.key}: expected a site file at {name}, found none"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{name}: expected a TOML site file, got {error}") from None
    return Site(config, parse_site_file(values, name))


def parse_site_file(values: dict[str, Any], source: str) -> SiteFile:
    """The site file in a parsed TOML document. Raises ConfigError naming the first fault."""
    try:
        return SiteFile.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        problem = fault["msg"].replace("Value error, ", "expected ")
        raise ConfigError(f"{source}: `{key}` = {str(fault['input'])[:80]!r}: {problem}") from None
