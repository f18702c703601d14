"""The `site check` command: which page, read as which site, and what is said about it."""

from __future__ import annotations

import asyncio
from pathlib import Path

from crawler.addresses import host_of
from crawler.sites.check import any_site, check_page
from crawler.sites.saved import saved_page
from crawler.sites.sitefile import Site, load_site, shipped_programs
from runtime.config import Config
from runtime.console import Outcome
from runtime.errors import ConfigError
from runtime.exits import Exit


def run_check(
    target: str,
    key: str | None,
    url: str | None,
    config: Config,
    config_folder: Path,
    *,
    private: bool = False,
) -> Outcome:
    """Check the page at `target`, a URL or a saved file, whose address `url` then is.

    `private` allows the URL's own host a private address. Raises ConfigError for an unknown site
    or file, SiteError where the page cannot be had.
    """
    is_url = target.lower().startswith(("http://", "https://"))
    if is_url and url is not None:
        raise ConfigError(f"--url {url}: expected it beside a saved page, got a live URL; leave it")
    configured = _configured(key, config, config_folder)
    if is_url:
        from crawler.sites.visit import visited_page  # a saved page needs no HTTP client

        allow_private = [] if configured is None else list(configured.config.allow_private)
        if private:
            allow_private.append(host_of(target))
        page = asyncio.run(visited_page(target, config.crawl, config.contact, allow_private))
        is_known = True
    else:
        base_url = None if configured is None else configured.config.base_url
        page, is_known = saved_page(Path(target), url, base_url)
    site = configured
    if site is None and key is not None:
        site = any_site(page.url, key, key)
    checks = check_page(page, site, is_address_known=is_known)
    return Outcome(
        Exit.DONE,
        "\n\n".join(check.to_text() for check in checks),
        {"target": target, "checks": [check.to_json() for check in checks]},
    )


def _configured(key: str | None, config: Config, config_folder: Path) -> Site | None:
    """The site of the configuration; None for a shipped site file's name, or without a key."""
    for site in config.site:
        if site.key == key:
            return load_site(site, config_folder)
    if key is not None and key not in shipped_programs():
        known = ", ".join([*(site.key for site in config.site), *shipped_programs()])
        raise ConfigError(
            f"--site {key}: expected a site of the configuration or a shipped site file, "
            f"one of {known}"
        )
    return None
