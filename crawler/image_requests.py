"""One host's image requests: robots.txt, redirects, retries, limits, and an outcome for each try.

A recorded answer (a WARC file that the run reads) is taken before the network is asked. An attempt
never raises for what a server does: everything a server can do has an outcome's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import urldefrag, urljoin

from crawler.addresses import AddressPolicy, RefusedAddressError, host_of
from crawler.archive import Archive
from crawler.bodies import BodyFault, decoded
from crawler.http import FetchFault, Headers, HttpClient
from crawler.image_answers import (
    ARCHIVE,
    NETWORK,
    RETRY_OUTCOMES,
    Attempt,
    announced_bytes,
    judged,
    opt_out_in,
)
from crawler.image_turns import HostRules, HostTurns
from crawler.politeness import ParsedRobots, RobotsRules, backoff, retry_after
from runtime import clock
from runtime.image_index import WantedImage
from runtime.optouts import forbids

ROBOTS_MAX_REDIRECTS = 5  # RFC 9309, 2.3.1.2


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: Headers
    body: bytes
    at: datetime
    source: str

    @property
    def location(self) -> str | None:
        if not 300 <= self.status < 400:
            return None
        return next((value for key, value in self.headers if key.lower() == "location"), None)


class ImageClient:
    """Requests to one host, spaced by its gate."""

    def __init__(
        self, http: HttpClient, turns: HostTurns, rules: HostRules, archive: Archive | None = None
    ) -> None:
        self._http, self._turns, self._rules, self._archive = http, turns, rules, archive
        self._config = rules.config
        self._addresses = AddressPolicy(rules.allow_private)
        self._checked = False
        self.robots_text: str | None = None
        self._robots: ParsedRobots | None = None
        self._unreachable = False  # its robots.txt
        self._archived: dict[str, ParsedRobots | None] = {}
        self._asking_robots = asyncio.Lock()
        self._max_bytes = self._config.fetch.max_image_mib * 1024 * 1024

    async def fetch(self, wanted: WantedImage) -> list[Attempt]:
        """Every attempt that was made for the URL, the last one deciding; never empty."""
        made: list[Attempt] = []
        most = self._config.fetch.max_attempts
        for number in range(wanted.attempts + 1, max(wanted.attempts + 1, most) + 1):
            attempt, again = await self._attempt(wanted, number)
            made.append(attempt)
            if not again or (attempt.source == ARCHIVE and not self._rules.may_ask):
                break
            if number < most:
                await asyncio.sleep(self._wait_after(attempt))
        return made

    def robots_forbid(self, url: str) -> Attempt | None:
        """The refusal of a URL that is not asked for, where a robots.txt at hand forbids it."""
        if self._robots is None or self._unreachable or self._robots.allows(url):
            return None
        return self._refused(url, 1, "robots", "robots.txt disallows it")

    def learn_robots(self, text: str | None) -> None:
        """Take over the robots.txt that the crawl read; without one it is asked for when needed."""
        if text is not None:
            self._apply(RobotsRules(text))

    def _apply(self, rules: RobotsRules) -> ParsedRobots:
        self.robots_text = rules.text
        self._robots, self._unreachable = rules.parsed(), rules.text is None
        self._turns.gate.slow_down(
            min(self._robots.crawl_delay, self._config.crawl.max_crawl_delay)
        )
        return self._robots

    def _refused(self, url: str, number: int, outcome: str, words: str) -> Attempt:
        return Attempt(url, number, outcome, clock.now(), error=words[:300])

    async def _attempt(self, wanted: WantedImage, number: int) -> tuple[Attempt, bool]:
        """One try, redirects within the host followed, and whether another one may do better."""
        url, target, hops = wanted.url, wanted.url, 0
        while True:
            if self._rules.tombstones.on_url(target) is not None:
                return self._refused(url, number, "tombstoned", "it was taken down"), False
            try:
                found = self._recorded(target) if number == 1 else None
                if found is None:
                    refusal = await self._refusal(target)
                    if refusal is not None:
                        return self._refused(url, number, *refusal), False
                    found = await self._asked(target, wanted)
            except RefusedAddressError as error:
                return self._refused(url, number, "refused_address", str(error)), False
            except FetchFault as fault:
                attempt = self._refused(url, number, fault.outcome, str(fault))
                return replace(attempt, redirects=hops, source=NETWORK), fault.worth_retrying
            if isinstance(found, Attempt):
                return replace(found, url=url, redirects=hops), False
            if found.location is None:
                attempt = self._judged(wanted, _blank(url, number, found, hops), found.body)
                return attempt, attempt.outcome in RETRY_OUTCOMES
            target = urldefrag(urljoin(target, found.location))[0]
            end = self._end_of_redirect(_blank(url, number, found, hops), target)
            if end is not None:
                return end, False
            hops += 1

    def _end_of_redirect(self, blank: Attempt, target: str) -> Attempt | None:
        """Why a redirect is not followed here; None where it is."""
        if blank.redirects >= self._config.crawl.max_redirects:
            words = f"expected at most {blank.redirects} redirects"
            return replace(blank, outcome="redirect_loop", error=words)
        try:
            # An archive is no network; a target that it lacks is checked before it is asked for.
            recorded = blank.source == ARCHIVE
            host = host_of(target) if recorded else self._addresses.check_url(target)
        except RefusedAddressError as error:
            return replace(blank, outcome="refused_address", error=str(error)[:300])
        if host == self._rules.host:
            return None
        # Another worker may own that host; two must never ask it at once.
        return replace(blank, outcome="redirect", redirect_url=target)

    def _judged(self, wanted: WantedImage, blank: Attempt, body: bytes) -> Attempt:
        honour = self._config.crawl.honour
        attempt = judged(blank, body, honour=honour, max_bytes=self._max_bytes)
        if attempt.outcome == "not_modified" and not _validators(wanted):
            return replace(attempt, outcome="http_304", error="expected a picture, asked for first")
        barred = self._rules.tombstones.image_hashes
        if barred and attempt.body and hashlib.sha256(attempt.body).hexdigest() in barred:
            return replace(attempt, outcome="tombstoned", error="it was taken down", body=None)
        return attempt

    def _recorded(self, url: str) -> _Answer | Attempt | None:
        """The archive's answer, or why it may not be used; None where the archive has none.

        Raises RefusedAddressError for what is no http(s) URL.
        """
        if self._archive is None:
            return None
        host_of(url)  # a listing can name anything
        place = self._archive.find(url)
        if place is None:
            return None
        if self._config.crawl.robots_txt and not self._archive_allows(url):
            words = "the archive's robots.txt disallows it"
            return replace(self._refused(url, 1, "robots", words), source=ARCHIVE)
        try:
            found = self._archive.read(place, url, self._max_bytes)
        except ValueError as error:
            return replace(self._refused(url, 1, "too_large", str(error)), source=ARCHIVE)
        except OSError:
            return None  # the file went or broke since it was listed: the network is asked
        return _Answer(found.status, found.headers, found.body, found.received_at, ARCHIVE)

    def _archive_allows(self, url: str) -> bool:
        target = urljoin(url, "/robots.txt")
        if target not in self._archived:
            assert self._archive is not None
            place, rules = self._archive.find(target), None
            if place is not None:
                most = self._config.crawl.max_body_mib * 1024 * 1024
                answer = self._archive.read(place, target, most)
                rules = RobotsRules.from_response(answer.status, answer.body).parsed()
            self._archived[target] = rules
        found = self._archived[target]
        return found is None or found.allows(url)

    async def _refusal(self, url: str) -> tuple[str, str] | None:
        """Outcome and words where the network must not be asked for the URL.

        Raises RefusedAddressError for an address that must not be contacted.
        """
        if self._archive is not None and not self._rules.may_ask:
            return "not_recorded", "expected it in the archive; set `contact` to ask its host"
        if not self._checked:
            self._addresses.check_url(url)
            self._checked = True  # every URL that comes here is of this host
        if not self._rules.may_ask:
            return "no_contact", "expected `contact` to be set before a public host is asked"
        if not self._config.crawl.robots_txt:
            return None
        robots = self._robots or await self._ask_robots(url)
        if robots.allows(url):
            return None
        if self._unreachable:
            return "robots_unreachable", "robots.txt could not be had, which means no"
        return "robots", f"robots.txt disallows {url}"

    async def _asked(self, url: str, wanted: WantedImage) -> _Answer:
        await self._turns.take()
        try:
            answer = await self._http.get(
                url,
                seconds=self._config.fetch.timeout,
                max_bytes=self._max_bytes,
                headers={"Accept-Encoding": "identity", **_validators(wanted)},
                wants_body=self._wants_body,
            )
        finally:
            self._turns.give_back()
        return _Answer(answer.status, answer.headers, answer.body, clock.now(), NETWORK)

    def _wants_body(self, status: int, headers: Headers) -> bool:
        if status != 200 or announced_bytes(headers) > self._max_bytes:
            return False
        return not forbids(opt_out_in(headers), self._config.crawl.honour)

    async def _ask_robots(self, url: str) -> ParsedRobots:
        async with self._asking_robots:
            if self._robots is not None:
                return self._robots
            status, body, wait, number = None, b"", None, 1
            while True:
                try:
                    status, body, wait = await self._robots_answer(urljoin(url, "/robots.txt"))
                except FetchFault as fault:
                    status, wait = None, None
                    if not fault.worth_retrying:
                        break
                if status is not None and status < 500 and status != 429:
                    break
                number += 1
                if number > self._config.fetch.max_attempts:
                    break
                most = self._config.crawl.max_retry_after
                await asyncio.sleep(backoff(number - 1) if wait is None else min(wait, most))
            return self._apply(RobotsRules.from_response(status, body))

    async def _robots_answer(self, target: str) -> tuple[int, bytes, float | None]:
        """Status, body and the seconds that its Retry-After asks for.

        Redirects are followed; one that leads nowhere counts as 404.
        """
        most = self._config.crawl.max_body_mib * 1024 * 1024
        for _ in range(ROBOTS_MAX_REDIRECTS + 1):
            try:
                self._addresses.check_url(target)
            except RefusedAddressError:
                break
            await self._turns.take()
            try:
                answer = await self._http.get(
                    target,
                    seconds=self._config.fetch.timeout,
                    max_bytes=most,
                    headers={"Accept-Encoding": "identity"},
                )
            finally:
                self._turns.give_back()
            location = answer.header("location") if 300 <= answer.status < 400 else None
            if location is None:
                wait = retry_after(answer.header("retry-after"), time.time())
                try:
                    return answer.status, decoded(answer.headers, answer.body, most), wait
                except BodyFault as fault:
                    raise FetchFault(fault.outcome, str(fault), worth_retrying=False) from fault
            target = urljoin(target, location)
        return 404, b"", None

    def _wait_after(self, attempt: Attempt) -> float:
        """Seconds until the next try; a 429 or 503 pauses the whole host."""
        if attempt.source == ARCHIVE:
            return 0.0
        wait = retry_after(attempt.header("retry-after"), time.time())
        wait = backoff(attempt.number) if wait is None else wait
        wait = min(wait, self._config.crawl.max_retry_after)
        if attempt.status in (429, 503):
            self._turns.gate.pause(time.time() + wait)
        return wait


def _blank(url: str, number: int, answer: _Answer, redirects: int) -> Attempt:
    return Attempt(
        url, number, "", answer.at, answer.status, answer.source, redirects, headers=answer.headers
    )


def _validators(wanted: WantedImage) -> dict[str, str]:
    """The headers that ask for the picture only if it is another one than the one at hand."""
    asked = {"If-None-Match": wanted.etag, "If-Modified-Since": wanted.last_modified}
    return {name: value for name, value in asked.items() if value}
