"""Where a crawl begins: start pages, listed product URLs, sitemaps that robots.txt names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urljoin

from crawler.addresses import RefusedAddressError, host_of
from crawler.frontier import Frontier
from crawler.sites.sitefile import Site
from runtime.errors import ConfigError

Seed = tuple[str, str, str]  # URL, kind, host


def seed_frontier(frontier: Frontier, site: Site, config_folder: Path) -> None:
    """Queue what the configuration names. Raises ConfigError for a faulty list of products."""
    if site.follows("next"):
        frontier.seed((url, "start", host_of(url)) for url in site.start_urls)
    if site.config.products is not None:
        frontier.seed(listed_products(site, config_folder / site.config.products))


def listed_products(site: Site, path: Path) -> Iterator[Seed]:
    """The product URLs of a text file, one in a line; empty lines and `#` comments are passed over.

    Raises ConfigError naming file and line for what is no product URL of the site.
    """
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                text = line.strip()
                if text and not text.startswith("#"):
                    yield _listed(site, text, f"{path}, line {number}")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"site {site.key}: `products`: expected a UTF-8 text file of URLs, got {error}"
        ) from None


def _listed(site: Site, text: str, place: str) -> Seed:
    try:
        url = site.canonical(urljoin(site.config.base_url, text))
        host = host_of(url)
    except (ValueError, RefusedAddressError):
        raise ConfigError(f"{place}: expected a product URL, got {text[:200]!r}") from None
    if host not in site.hosts or not site.is_product(url):
        raise ConfigError(
            f"{place}: expected a product URL of {', '.join(sorted(site.hosts))} "
            f"(as the site file's url.product), got {text[:200]!r}; mend or remove the line"
        )
    return url, "product", host


def sitemap_seeds(site: Site, robots_url: str, named: Iterable[str]) -> Iterator[Seed]:
    """The site's sitemaps: those that a robots.txt at `robots_url` names, else the usual place."""
    for url in list(named) or [urljoin(robots_url, "/sitemap.xml")]:
        try:
            if host_of(url) in site.hosts:
                canonical = site.canonical(url)
                yield canonical, "sitemap", host_of(canonical)
        except (ValueError, RefusedAddressError):
            continue
