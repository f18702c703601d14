"""One polite visit to a page that is to be checked.

It keeps to robots.txt, to public addresses (private ones where the site allows them) and to
the bounds of a crawl; redirects are followed, each asked about again.
"""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from crawler.addresses import AddressPolicy, RefusedAddressError
from crawler.bodies import BodyFault, decoded
from crawler.http import FetchFault, HttpAnswer, HttpClient
from crawler.politeness import ParsedRobots, RobotsRules, user_agent
from crawler.sites.pages import PageInput
from runtime.config import CrawlConfig
from runtime.errors import ConfigError, SiteError

_REDIRECTS = frozenset({301, 302, 303, 307, 308})


async def visited_page(
    url: str, crawl: CrawlConfig, contact: str, allow_private: list[str]
) -> PageInput:
    """The page at an address, after at most the configured redirects.

    Raises ConfigError where a public host would be asked without a contact, SiteError where the
    page cannot or must not be had.
    """
    robots: dict[str, ParsedRobots] = {}
    async with HttpClient(
        user_agent(contact), allow_private, 1,
        proxy=crawl.proxy, allow_private_proxy=crawl.allow_private_proxy,
    ) as client:  # fmt: skip
        for _ in range(crawl.max_redirects + 1):
            host = _permitted_host(url, contact, allow_private)
            try:
                if crawl.robots_txt and host not in robots:
                    robots[host] = await _robots_of(client, url, crawl)
                if host in robots and not robots[host].allows(url):
                    raise SiteError(
                        f"{url}: expected robots.txt to allow it, but it does not; save the page "
                        "with a browser and name the file"
                    )
                answer = await client.get(
                    url, seconds=crawl.timeout, max_bytes=crawl.max_body_mib * 1024 * 1024
                )
            except (FetchFault, BodyFault) as fault:
                raise SiteError(f"{url}: expected a page, got {fault}") from None
            location = answer.header("Location")
            if answer.status not in _REDIRECTS or not location:
                return _page(url, answer, crawl)
            url = urljoin(url, location)
    raise SiteError(f"{url}: expected at most {crawl.max_redirects} redirects, got more")


def _permitted_host(url: str, contact: str, allow_private: list[str]) -> str:
    try:
        host = AddressPolicy(frozenset(allow_private)).check_url(url)
    except RefusedAddressError as error:
        raise SiteError(f"{error}, or give --allow-private") from None
    if not contact and host not in allow_private:
        raise ConfigError(
            f"{url}: expected `contact` in the configuration before a host is asked, got none; "
            "set it, or name your own private host in the site's `allow_private`"
        )
    return host


async def _robots_of(client: HttpClient, url: str, crawl: CrawlConfig) -> ParsedRobots:
    """The host's rules; unreachable means that everything is disallowed."""
    parts = urlsplit(url)
    address = f"{parts.scheme}://{parts.netloc}/robots.txt"
    for _ in range(crawl.max_redirects + 1):
        answer = await client.get(address, seconds=crawl.timeout, max_bytes=1024 * 1024)
        location = answer.header("Location")
        if answer.status not in _REDIRECTS or not location:
            body = decoded(answer.headers, answer.body, 1024 * 1024)
            return RobotsRules.from_response(answer.status, body).parsed()
        address = urljoin(address, location)
    return RobotsRules("").parsed()  # RFC 9309, 2.3.1.2: too many redirects are "unavailable"


def _page(url: str, answer: HttpAnswer, crawl: CrawlConfig) -> PageInput:
    if answer.status >= 400:
        raise SiteError(f"{url}: expected a page, got status {answer.status}")
    try:
        body = decoded(answer.headers, answer.body, crawl.max_body_mib * 1024 * 1024)
    except BodyFault as fault:
        raise SiteError(f"{url}: expected a page, got {fault}") from None
    return PageInput(url, "start", answer.status, answer.headers, body)
