"""How often a host may be asked, and whether it may be asked at all.

`RobotsRules` reads robots.txt as RFC 9309 says; `HostGate` spaces the requests to one host over
crawl and fetch; `retry_after` and `opt_out_of` read what a server says about coming back and
about use for machine learning. Time comes in as an argument, so all of it is testable.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

from protego import Protego

from runtime.optouts import ROBOTS_WORDS, TDM_RESERVATION
from runtime.version import VERSION

ROBOTS_TOKEN = "mep3m"
ROBOTS_MAX_BYTES = 512 * 1024  # RFC 9309, 2.5: parse at least 500 KiB
_PREFIX = re.compile(r"([a-z0-9_.-]+)\s*:\s*(.*)", re.IGNORECASE | re.DOTALL)
# Directives that take a value, so that what stands before their colon is no crawler's name.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})


def user_agent(contact: str) -> str:
    """An honest User-Agent: the program, its version, and whom to write to."""
    return f"{ROBOTS_TOKEN}/{VERSION} (+{contact or 'no contact set'})"


@dataclass(frozen=True)
class RobotsRules:
    """A host's robots.txt. `text` is None where the answer means "everything is disallowed"."""

    text: str | None

    @classmethod
    def from_response(cls, status: int | None, body: bytes = b"") -> RobotsRules:
        """RFC 9309, 2.3.1: 2xx is read, 4xx allows all, 5xx or no answer (None) disallows all."""
        if status is not None and 200 <= status < 300:
            return cls(body[:ROBOTS_MAX_BYTES].decode("utf-8-sig", "replace"))
        if status is not None and 400 <= status < 500 and status != 429:
            return cls("")
        return cls(None)

    def parsed(self) -> ParsedRobots:
        """The rules, ready to be asked."""
        return ParsedRobots(None if self.text is None else Protego.parse(self.text))


class ParsedRobots:
    """Answers for one host."""

    def __init__(self, rules: Protego | None) -> None:
        self._rules = rules

    def allows(self, url: str) -> bool:
        """Whether our token may fetch the URL."""
        return self._rules is not None and bool(self._rules.can_fetch(url, ROBOTS_TOKEN))

    @property
    def crawl_delay(self) -> float:
        """Seconds between requests that the host asks for; 0 where it asks for none."""
        delay = None if self._rules is None else self._rules.crawl_delay(ROBOTS_TOKEN)
        return float(delay or 0.0)

    @property
    def sitemaps(self) -> list[str]:
        """URLs of the Sitemap lines."""
        return [] if self._rules is None else list(self._rules.sitemaps)


@dataclass
class HostGate:
    """Spaces the requests to one host. Times are seconds of one clock, given by the caller."""

    delay: float
    concurrency: int
    last_request: float = float("-inf")
    paused_until: float = float("-inf")
    in_flight: int = field(default=0, init=False)

    def ready_at(self) -> float | None:
        """When the next request may start; None while every slot is taken."""
        if self.in_flight >= self.concurrency:
            return None
        return max(self.last_request + self.delay, self.paused_until)

    def start(self, now: float) -> None:
        """A request starts."""
        self.in_flight += 1
        self.last_request = now

    def finish(self) -> None:
        """A request ended, well or badly."""
        self.in_flight -= 1

    def pause(self, until: float) -> None:
        """Ask nothing before `until`."""
        self.paused_until = max(self.paused_until, until)

    def slow_down(self, crawl_delay: float) -> None:
        """Keep a Crawl-delay: one request at a time, at least so far apart."""
        if crawl_delay > 0:
            self.delay = max(self.delay, crawl_delay)
            self.concurrency = 1


def backoff(attempt: int, base: float = 0.5, ceiling: float = 60.0) -> float:
    """Seconds to wait after the given failed attempt (1 is the first): doubling, bounded."""
    return float(min(ceiling, base * 2 ** (attempt - 1)))


def retry_after(value: str | None, now: float) -> float | None:
    """Seconds that a Retry-After header asks for, from seconds or an HTTP date; None if unclear.

    `now` is wall-clock time in seconds since the epoch.
    """
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, moment.timestamp() - now)


def opt_out_of(
    robots_tags: Iterable[str],
    metas: Iterable[str] = (),
    tdm_headers: Iterable[str] = (),
    tdm_metas: Iterable[str] = (),
) -> str | None:
    """The words that forbid use, with where they stand; None if there are none.

    From X-Robots-Tag values and robots metas, where a tag may be addressed to one crawler
    (`otherbot: noai`) up to the next one it names, and what is for others is passed over; and
    from tdm-reservation headers and metas, where `1` reserves the rights.
    """
    clauses = []
    for source, values in (("X-Robots-Tag", robots_tags), ("meta robots", metas)):
        words = {word for value in values for word in _words_for_us(value)}
        if found := sorted(ROBOTS_WORDS & words):
            clauses.append(f"{source}: {', '.join(found)}")
    for source, values in (("TDMRep header", tdm_headers), ("TDMRep meta", tdm_metas)):
        if any(value.strip() == "1" for value in values):
            clauses.append(f"{source}: {TDM_RESERVATION}")
    return "; ".join(clauses) or None


def _words_for_us(value: str) -> Iterator[str]:
    """The directives of one tag that are addressed to everyone or to this crawler."""
    addressee = ROBOTS_TOKEN
    for word in value.lower().split(","):
        word = word.strip()
        prefix = _PREFIX.fullmatch(word)
        if prefix and prefix[1] not in _VALUED:
            addressee, word = prefix[1], prefix[2].strip()
        if addressee == ROBOTS_TOKEN:
            yield word
