"""The dispatcher: which page of a site may be asked for now.

It joins the frontier with one gate and one robots.txt per host; the spider asks it for the next
visit and tells it how each went. It knows nothing of Scrapy, and time is given to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

from crawler.addresses import AddressPolicy, RefusedAddressError, host_of
from crawler.captures import CapturePlace
from crawler.export import KnownHost
from crawler.frontier import Frontier, Visit
from crawler.politeness import HostGate, ParsedRobots, RobotsRules, backoff
from crawler.seeding import Seed, sitemap_seeds
from crawler.sites.sitefile import Site
from runtime.config import CrawlConfig

ROBOTS_MAX_AGE_SECONDS = 24 * 3600.0  # RFC 9309, 2.4
CARRIED_AT_ONCE = 50  # a tenth of a second
ROBOTS_MAX_REDIRECTS = 5  # RFC 9309, 2.3.1.2
ROBOTS_AGAIN_SECONDS = 3600.0  # after a new copy could not be had; the old one holds until then
SAVE_SECONDS = 5.0  # how often the time of a host's last request is stored


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
    robots_until: float = float("inf")
    saved_at: float = float("-inf")
    robots_visit: RobotsVisit | None = None
    asking_robots: bool = False
    unreachable: str | None = None  # why, until its pages are closed
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
        carry: Callable[[Visit], bool] | None = None,
    ) -> None:
        self.site, self.frontier, self.settings = site, frontier, settings
        self._clock, self._known, self._carry = clock, known or {}, carry
        self._addresses = AddressPolicy(frozenset(site.config.allow_private))
        self._hosts: dict[str, _Host] = {}
        # Sitemaps are queued in the order of their hosts, so all must be known before a page is.
        self._awaited = self._hosts_of_sitemaps()
        self._sitemaps: dict[str, list[Seed]] = {}
        self._begin()

    def _hosts_of_sitemaps(self) -> list[str]:
        if "sitemap" not in self.site.discovery:
            return []
        return [
            host for host in sorted(self.site.hosts) if self._may_contact(self._robots_url(host))
        ]

    def _may_contact(self, url: str) -> bool:
        try:
            self._addresses.check_url(url)
        except RefusedAddressError:
            return False
        return True

    def _robots_url(self, host: str, scheme: str | None = None) -> str:
        return f"{scheme or urlsplit(self.site.config.base_url).scheme}://{host}/robots.txt"

    def _begin(self) -> None:
        """Queue the sitemaps once every robots.txt that may name one is known."""
        for name in tuple(self._awaited):
            host = self._host(name)
            if not self.settings.robots_txt:
                self._note_sitemaps(name, ())
            elif host.robots is not None:
                self._note_sitemaps(name, host.robots.sitemaps)
        self._seed_noted()

    def has_pending(self) -> bool:
        """Whether anything is left to do or under way."""
        flying = any(h.in_flight or h.asking_robots for h in self._hosts.values())
        return bool(self._awaited) or flying or self.frontier.has_pending()

    def next(self) -> Visit | RobotsVisit | None:
        """The next request that every rule allows now; None while there is none."""
        now = self._clock()
        for name in tuple(self._awaited) or self.frontier.waiting_hosts():
            host = self._host(name)
            ready = host.gate.ready_at()
            if ready is None or ready > now or host.asking_robots:
                continue
            ask = self._ask_robots if self._awaited else self._next_of
            found = ask(name, host, now)
            if found is not None:
                host.gate.start(now)
                return found
        self._save_at_the_end()
        return None

    def wake_at(self) -> float | None:
        """When `next` may have something; None while only an answer can change that."""
        times = []
        for name in tuple(self._awaited) or self.frontier.waiting_hosts():
            host = self._host(name)
            ready = host.gate.ready_at()
            due = 0.0 if self._awaited else self.frontier.next_due(name, host.in_flight)
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
                if before.robots is not None:
                    # Its robots.txt was read before its last request, at most a day before.
                    self._apply(host, RobotsRules(before.robots), before.last_request or 0.0)
            stored = self.frontier.host(name)
            if stored is not None:
                # A killed crawl may have asked until this moment.
                host.gate.last_request = self._clock()
                if stored.robots is not None:
                    self._apply(host, RobotsRules(stored.robots), stored.robots_at or 0.0)
            self._hosts[name] = host
        return self._hosts[name]

    def _apply(self, host: _Host, rules: RobotsRules, read_at: float) -> None:
        host.robots, host.robots_until = rules.parsed(), read_at + ROBOTS_MAX_AGE_SECONDS
        host.gate.slow_down(min(host.robots.crawl_delay, self.settings.max_crawl_delay))

    def _next_of(self, name: str, host: _Host, now: float) -> Visit | RobotsVisit | None:
        carried = 0
        while (visit := self.frontier.next_visit(name, now, host.in_flight)) is not None:
            if carried >= CARRIED_AT_ONCE:
                return None  # what is in flight must be read in between
            try:
                self._addresses.check_url(visit.url)
            except RefusedAddressError as error:
                self.frontier.finish(visit, "refused_address", str(error), attempted=False)
                continue
            if self.settings.robots_txt:
                asked = self._ask_robots(name, host, now, urlsplit(visit.url).scheme)
                if asked is not None:
                    return asked
                if host.robots is None or not host.robots.allows(visit.url):
                    self.frontier.finish(
                        visit, "robots", "robots.txt disallows it", attempted=False
                    )
                    continue
            if self._carry is not None and self._carry(visit):
                carried += 1
                continue
            host.in_flight.append(visit.id)
            return visit
        return None

    def _ask_robots(
        self, name: str, host: _Host, now: float, scheme: str | None = None
    ) -> RobotsVisit | None:
        """The request for robots.txt, where there is none at hand or it is too old."""
        if host.robots is not None and now < host.robots_until and host.robots_visit is None:
            return None
        host.asking_robots = True
        visit = host.robots_visit or RobotsVisit(self._robots_url(name, scheme), name, 1)
        elsewhere = host_of(visit.url)
        if elsewhere != name and elsewhere in self._hosts:
            self._hosts[elsewhere].gate.last_request = now
        return visit

    def ended(self, visit: Visit | RobotsVisit) -> None:
        """A request is over, however it went; call after its result was stored."""
        host = self._host(visit.host)
        host.gate.finish()
        if isinstance(visit, Visit):
            host.in_flight.remove(visit.id)
        else:
            host.asking_robots = False
        if self._clock() - host.saved_at >= SAVE_SECONDS:
            self._save_last_request(visit.host, host)
        self._save_at_the_end()

    def _save_last_request(self, name: str, host: _Host) -> None:
        host.saved_at = self._clock()
        self.frontier.save_last_request(name, host.gate.last_request)

    def _save_at_the_end(self) -> None:
        """Whoever asks a host next, another site or `fetch`, keeps its distance."""
        late = [(n, h) for n, h in self._hosts.items() if h.gate.last_request > h.saved_at]
        if late and not self.has_pending():
            for name, host in late:
                self._save_last_request(name, host)

    def pause(self, name: str, seconds: float) -> None:
        """The host asked to be left alone for so long."""
        self._host(name).gate.pause(self._clock() + min(seconds, self.settings.max_retry_after))

    def retry(self, visit: Visit, outcome: str, error: str, wait: float | None = None) -> None:
        """Try again later, or close the page with `outcome` after the last attempt."""
        if visit.attempt >= self.settings.max_attempts:
            self.frontier.finish(visit, outcome, error)
            return
        # A Retry-After of nothing, or of a moment that has passed, still does not mean at once.
        wait = max(backoff(visit.attempt), min(wait or 0.0, self.settings.max_retry_after))
        self.frontier.defer(visit, self._clock() + wait, error)

    def robots_answer(
        self, visit: RobotsVisit, status: int, body: bytes, location: str | None,
        capture: CapturePlace, wait: float | None = None,
    ) -> None:  # fmt: skip
        """What came for robots.txt; redirects are followed, 5xx and 429 tried again.

        `wait` are the seconds that its Retry-After asks for.
        """
        host = self._host(visit.host)
        host.robots_visit = None
        if 300 <= status < 400 and location and visit.hops < ROBOTS_MAX_REDIRECTS:
            target = urljoin(visit.url, location)
            try:
                elsewhere = self._hosts.get(self._addresses.check_url(target), host)
                host.robots_visit = RobotsVisit(target, visit.host, visit.attempt, visit.hops + 1)
                if elsewhere is not host:
                    gate = elsewhere.gate
                    host.gate.pause(max(gate.last_request + gate.delay, gate.paused_until))
                return
            except RefusedAddressError:
                status = 404  # RFC 9309: a robots.txt that redirects nowhere counts as unavailable
        if 300 <= status < 400:
            status = 404
        if status >= 500 or status == 429:
            self.robots_failed(visit, f"robots.txt answered {status}", status, wait)
            return
        rules = RobotsRules.from_response(status, body)
        self.frontier.save_robots(visit.host, rules.text, status, self._clock(), capture)
        self._apply(host, rules, self._clock())
        assert host.robots is not None
        self._note_sitemaps(visit.host, host.robots.sitemaps)
        self._seed_noted()

    def robots_failed(
        self, visit: RobotsVisit, error: str, status: int | None = None, wait: float | None = None
    ) -> None:
        """robots.txt could not be had: after the last attempt the whole host is disallowed.

        An older copy at hand holds on (RFC 9309, 2.4), and a new one is asked for later.
        """
        host, now = self._host(visit.host), self._clock()
        host.robots_visit = None
        if visit.attempt < self.settings.max_attempts:
            wait = backoff(visit.attempt) if wait is None else wait
            host.robots_visit = RobotsVisit(visit.url, visit.host, visit.attempt + 1, visit.hops)
            self.pause(visit.host, wait)
            return
        if host.robots is not None:
            host.robots_until = now + ROBOTS_AGAIN_SECONDS
            self._note_sitemaps(visit.host, host.robots.sitemaps)
        else:
            self.frontier.save_robots(visit.host, None, status, now, None)
            host.robots, host.unreachable = RobotsRules(None).parsed(), error
            self._note_sitemaps(visit.host, None)
        self._seed_noted()

    def _note_sitemaps(self, name: str, named: Iterable[str] | None) -> None:
        """What the host's robots.txt names; None where it could not be had."""
        if name in self._awaited:
            self._awaited.remove(name)
        if named is not None and "sitemap" in self.site.discovery:
            self._sitemaps[name] = list(sitemap_seeds(self.site, self._robots_url(name), named))

    def _seed_noted(self) -> None:
        if self._awaited:
            return
        for name in sorted(self._sitemaps):
            self.frontier.seed(self._sitemaps.pop(name))
        for name, host in self._hosts.items():
            error, host.unreachable = host.unreachable, None
            if error is not None:
                while (page := self.frontier.next_visit(name, float("inf"), ())) is not None:
                    self.frontier.finish(page, "robots_unreachable", error, attempted=False)
