"""The dispatcher: which page of a site may be asked for now.

It joins the frontier with one gate and one robots.txt per host; the spider asks it for the next
visit and tells it how each went. It knows nothing of Scrapy, and time is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from crawler.addresses import AddressPolicy, RefusedAddressError, host_of
from crawler.captures import CapturePlace
from crawler.export import KnownHost
from crawler.frontier import Frontier, Visit
from crawler.politeness import HostGate, ParsedRobots, RobotsRules, backoff
from crawler.sites.sitefile import Site
from runtime.config import CrawlConfig

ROBOTS_MAX_AGE_SECONDS = 24 * 3600.0  # RFC 9309, 2.4
ROBOTS_MAX_REDIRECTS = 5  # RFC 9309, 2.3.1.2


@dataclass(frozen=True)
class RobotsVisit:
    """A request for a host's robots.txt; it must precede every other one to that host."""

    url: str
    host: str
    attempt: int
    hops: int = 0


@dataclass
class _Host:
    gate: HostGate
    robots: ParsedRobots | None = None
    robots_visit: RobotsVisit | None = None
    asking_robots: bool = False
    in_flight: list[int] = field(default_factory=list)


class Dispatcher:
    """Hands out visits; `clock` gives wall-clock seconds."""

    def __init__(
        self,
        site: Site,
        frontier: Frontier,
        settings: CrawlConfig,
        clock: Callable[[], float],
        known: Mapping[str, KnownHost] | None = None,
    ) -> None:
        self.site, self.frontier, self.settings = site, frontier, settings
        self._clock, self._known = clock, known or {}
        self._addresses = AddressPolicy(frozenset(site.config.allow_private))
        self._hosts: dict[str, _Host] = {}
        frontier.seed((url, "start", host_of(url)) for url in site.start_urls)

    def has_pending(self) -> bool:
        """Whether anything is left to do or under way."""
        return self.frontier.has_pending() or any(
            h.in_flight or h.asking_robots for h in self._hosts.values()
        )

    def next(self) -> Visit | RobotsVisit | None:
        """The next request that every rule allows now; None while there is none."""
        now = self._clock()
        for name in self.frontier.waiting_hosts():
            host = self._host(name)
            ready = host.gate.ready_at()
            if ready is None or ready > now or host.asking_robots:
                continue
            found = self._next_of(name, host, now)
            if found is not None:
                host.gate.start(now)
                return found
        return None

    def wake_at(self) -> float | None:
        """When `next` may have something; None while only an answer can change that."""
        times = []
        for name in self.frontier.waiting_hosts():
            host = self._host(name)
            ready = host.gate.ready_at()
            due = self.frontier.next_due(name, host.in_flight)
            if ready is not None and due is not None and not host.asking_robots:
                times.append(max(ready, due))
        return min(times, default=None)

    def _host(self, name: str) -> _Host:
        if name not in self._hosts:
            settings = self.settings
            host = _Host(HostGate(settings.delay, settings.concurrency_per_host))
            if (before := self._known.get(name)) is not None:
                # Another site's crawl just asked this host: its pace is kept.
                host.gate.last_request = before.last_request or float("-inf")
                delay = RobotsRules(before.robots or "").parsed().crawl_delay
                host.gate.slow_down(min(delay, settings.max_crawl_delay))
            stored = self.frontier.host(name)
            if stored is not None:
                host.gate.last_request = max(
                    host.gate.last_request, stored.last_request or float("-inf")
                )
                fresh = self._clock() - (stored.robots_at or 0.0) < ROBOTS_MAX_AGE_SECONDS
                if fresh and stored.robots is not None:
                    self._apply(host, RobotsRules(stored.robots))
            self._hosts[name] = host
        return self._hosts[name]

    def _apply(self, host: _Host, rules: RobotsRules) -> None:
        host.robots = rules.parsed()
        host.gate.slow_down(min(host.robots.crawl_delay, self.settings.max_crawl_delay))

    def _next_of(self, name: str, host: _Host, now: float) -> Visit | RobotsVisit | None:
        while (visit := self.frontier.next_visit(name, now, host.in_flight)) is not None:
            try:
                self._addresses.check_url(visit.url)
            except RefusedAddressError as error:
                self.frontier.finish(visit, "refused_address", str(error), attempted=False)
                continue
            if self.settings.robots_txt:
                if host.robots is None:
                    scheme = urlsplit(visit.url).scheme
                    host.asking_robots = True
                    return host.robots_visit or RobotsVisit(
                        f"{scheme}://{name}/robots.txt", name, 1
                    )
                if not host.robots.allows(visit.url):
                    self.frontier.finish(
                        visit, "robots", "robots.txt disallows it", attempted=False
                    )
                    continue
            host.in_flight.append(visit.id)
            return visit
        return None

    def ended(self, visit: Visit | RobotsVisit) -> None:
        """A request is over, however it went; call after its result was stored."""
        host = self._host(visit.host)
        host.gate.finish()
        if isinstance(visit, Visit):
            host.in_flight.remove(visit.id)
        else:
            host.asking_robots = False
        self.frontier.save_last_request(visit.host, host.gate.last_request)

    def pause(self, name: str, seconds: float) -> None:
        """The host asked to be left alone for so long."""
        self._host(name).gate.pause(self._clock() + min(seconds, self.settings.max_retry_after))

    def retry(self, visit: Visit, outcome: str, error: str, wait: float | None = None) -> None:
        """Try again later, or close the page with `outcome` after the last attempt."""
        if visit.attempt >= self.settings.max_attempts:
            self.frontier.finish(visit, outcome, error)
            return
        wait = backoff(visit.attempt) if wait is None else min(wait, self.settings.max_retry_after)
        self.frontier.defer(visit, self._clock() + wait, error)

    def robots_answer(
        self, visit: RobotsVisit, status: int, body: bytes, location: str | None,
        capture: CapturePlace,
    ) -> None:  # fmt: skip
        """What came for robots.txt; redirects are followed, 5xx and 429 tried again."""
        host = self._host(visit.host)
        if 300 <= status < 400 and location and visit.hops < ROBOTS_MAX_REDIRECTS:
            target = urljoin(visit.url, location)
            try:
                self._addresses.check_url(target)
                host.robots_visit = RobotsVisit(target, visit.host, visit.attempt, visit.hops + 1)
                return
            except RefusedAddressError:
                status = 404  # RFC 9309: a robots.txt that redirects nowhere counts as unavailable
        if 300 <= status < 400:
            status = 404
        if status >= 500 or status == 429:
            self.robots_failed(visit, f"robots.txt answered {status}", status)
            return
        rules = RobotsRules.from_response(status, body)
        self.frontier.save_robots(visit.host, rules.text, status, self._clock(), capture)
        self._apply(host, rules)
        self._seed_sitemaps(visit, host)

    def robots_failed(self, visit: RobotsVisit, error: str, status: int | None = None) -> None:
        """robots.txt could not be had: after the last attempt the whole host is disallowed."""
        host = self._host(visit.host)
        if visit.attempt < self.settings.max_attempts:
            wait = backoff(visit.attempt)
            host.robots_visit = RobotsVisit(visit.url, visit.host, visit.attempt + 1, visit.hops)
            host.gate.pause(self._clock() + wait)
            return
        self.frontier.save_robots(visit.host, None, status, self._clock(), None)
        host.robots = RobotsRules(None).parsed()
        while (page := self.frontier.next_visit(visit.host, float("inf"), ())) is not None:
            self.frontier.finish(page, "robots_unreachable", error, attempted=False)

    def _seed_sitemaps(self, visit: RobotsVisit, host: _Host) -> None:
        if "sitemap" not in self.site.file.discovery or host.robots is None:
            return
        named = host.robots.sitemaps or [urljoin(visit.url, "/sitemap.xml")]
        urls = []
        for url in named:
            try:
                if host_of(url) in self.site.hosts:
                    urls.append((self.site.canonical(url), "sitemap", host_of(url)))
            except RefusedAddressError:
                continue
        self.frontier.seed(urls)
