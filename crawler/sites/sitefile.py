"""Sites: a shop's configuration together with the site file that reads its pages.

A site file describes a shop *program* (its URLs and selectors, in a few lines of TOML); the
configuration says which shop runs it, and where. Faults are ConfigErrors that name file, key and
value.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_plus, urlencode, urljoin, urlsplit, urlunsplit

from pydantic import ValidationError
from w3lib.url import canonicalize_url

from crawler.addresses import RefusedAddressError, host_of
from crawler.sites.page_classes import PageClasses, load_page_classes
from crawler.sites.pictures import original_of
from crawler.sites.rules import Discovery, SiteFile
from runtime.config import SiteConfig
from runtime.errors import ConfigError
from runtime.keys import digest

SESSION_PARAMETERS = frozenset(
    "phpsessid jsessionid sessionid sid osCsid cfid cftoken fbclid gclid spm".lower().split()
)
# Java servers write the session into the path: /p/1.html;jsessionid=5F0C
_PATH_SESSION = re.compile(r";(?:jsessionid|phpsessid|sid)=[^/;]*", re.IGNORECASE)
# Navigation links stand on every page of a shop; their canonical forms are worth keeping.
REMEMBERED_URLS = 8192


@dataclass(frozen=True)
class Site:
    """A shop: its configuration and the site file that reads it."""

    config: SiteConfig
    file: SiteFile
    classes: PageClasses = field(default_factory=PageClasses)

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
        return digest(
            self.config.model_dump_json(), self.file.model_dump_json(), self.classes.digest
        )

    @cached_property
    def _product(self) -> re.Pattern[str]:
        return re.compile(self.file.url.product)

    @cached_property
    def _dropped(self) -> frozenset[str]:
        return SESSION_PARAMETERS | {name.lower() for name in self.file.url.drop_query}

    @cached_property
    def _kept(self) -> frozenset[str] | None:
        keep = self.file.url.keep_query
        return None if keep is None else frozenset(name.lower() for name in keep)

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
        if self._kept is not None:
            return name not in self._kept
        return name in self._dropped or name.startswith("utm_")

    @cached_property
    def page_url(self) -> Callable[[str], str | None]:
        """The canonical form of an absolute URL of the shop's hosts; None for any other."""

        return lru_cache(maxsize=REMEMBERED_URLS)(lambda url: self._within(url, self.hosts))

    def product_url(self, url: str) -> str | None:
        """The canonical form of an absolute URL of a product's page; None for any other."""
        found = self._within(url, self.hosts.union(self.file.url.product_hosts))
        return found if found is not None and self.is_product(found) else None

    def _within(self, url: str, hosts: frozenset[str]) -> str | None:
        try:
            host_of(url)
            canonical = self.canonical(url)
            return canonical if host_of(canonical) in hosts else None
        except (ValueError, RefusedAddressError):
            return None

    @cached_property
    def discovery(self) -> frozenset[str]:
        """How products are found: as the configuration says, else as the site file does."""
        return frozenset(self.config.discovery or self.file.discovery)

    def follows(self, kind: str) -> bool:
        """Whether the site file's discovery follows links of a kind: category, next, product."""
        ways = self.discovery
        if kind == "category":
            return Discovery.NAVIGATION in ways
        is_browsing = Discovery.NAVIGATION in ways or Discovery.CATEGORIES in ways
        return is_browsing and (kind == "next" or self.file.visit_products)

    def next_url(self, url: str) -> str | None:
        """The listing page after `url` where the site file counts pages; None where it does not."""
        rule = self.file.links.next_query
        if rule is None or re.search(rule.where, url) is None:
            return None
        parts = urlsplit(url)
        pairs = parts.query.split("&") if parts.query else []
        number = rule.first
        others = []
        for pair in pairs:
            name, _, value = pair.partition("=")
            if unquote_plus(name) != rule.parameter:
                others.append(pair)
            elif value.isascii() and value.isdigit() and len(value) < 10:
                number = int(value)
        grown = urlencode({rule.parameter: number + rule.step})
        return urlunsplit(parts._replace(query="&".join([*others, grown])))

    def category_in(self, url: str) -> tuple[str, ...] | None:
        """The category ids or names that a listing page's URL carries; None without."""
        pattern = self.file.url.category
        match = re.search(pattern, url) if pattern is not None else None
        if match is None:
            return None
        text = unquote(match[1] if match.re.groups else match[0])
        return tuple(n for part in text.split(self.file.url.category_split) if (n := part.strip()))

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
        """The image URL without a proxy around it, after the site file's rewrites."""
        if self.file.unwrap_image_proxies:
            url = original_of(url)
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
        raise ConfigError(
            f"site {config.key}: `program` = {config.program!r}: expected a path ending in .toml "
            f"or one of {', '.join(shipped_programs())}"
        )
    try:
        values = tomllib.loads(source.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(
            f"site {config.key}: expected a site file at {name}, found none"
        ) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{name}: expected a TOML site file, got {error}") from None
    file = parse_site_file(values, name)
    return Site(config, file, load_page_classes(file.product_page, file.listing_page, source))


def shipped_programs() -> list[str]:
    """Names of the site files that come with the program."""
    return sorted(
        p.name.removesuffix(".toml")
        for p in resources.files("crawler.sites").iterdir()
        if p.name.endswith(".toml")
    )


def parse_site_file(values: dict[str, Any], source: str) -> SiteFile:
    """The site file in a parsed TOML document. Raises ConfigError naming the first fault."""
    try:
        return SiteFile.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        problem = fault["msg"].replace("Value error, ", "expected ")
        raise ConfigError(f"{source}: `{key}` = {str(fault['input'])[:80]!r}: {problem}") from None
