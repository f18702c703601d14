"""One host's image requests: robots.txt, redirects, retries, limits, and an outcome for each try.

An attempt never raises for what a server does: everything a server can do has an outcome's name.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

import aiohttp

from crawler.addresses import AddressPolicy, RefusedAddressError
from crawler.politeness import (
    ROBOTS_MAX_BYTES,
    HostGate,
    ParsedRobots,
    RobotsRules,
    backoff,
    opt_out_of,
    retry_after,
)
from runtime.config import Config
from runtime.imagetypes import sniff

RETRY_OUTCOMES = frozenset(
    {"timeout", "connection_lost", "connection_refused", "dns", "incomplete"}
    | {f"http_{status}" for status in (408, 425, 429, 500, 502, 503, 504)}
)
LOST_OUTCOMES = frozenset({"connection_refused", "dns", "timeout"})
# Asking again in the same run would give the same answer.
FINAL_OUTCOMES = (
    "ok", "robots", "robots_unreachable", "opted_out", "refused_address", "not_an_image",
    "too_large", "redirect_loop", "redirect_elsewhere", "empty",
    *(f"http_{status}" for status in range(400, 600) if f"http_{status}" not in RETRY_OUTCOMES),
)  # fmt: skip


@dataclass(frozen=True)
class Attempt:
    """One try of one URL; `body` only where the outcome is `ok`."""

    url: str
    number: int
    outcome: str
    status: int | None = None
    headers: Any = None
    opt_out: str | None = None
    error: str | None = None
    body: bytes | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the host gave no sign of life."""
        return self.outcome in LOST_OUTCOMES

    def row(self) -> dict[str, Any]:
        """The row of the images table; the time is now."""
        headers = self.headers or {}
        return {
            "image_url": self.url,
            "attempt": self.number,
            "outcome": self.outcome,
            "status": self.status,
            "fetched_at": datetime.now(UTC),
            "content_type": headers.get("Content-Type"),
            "etag": headers.get("ETag"),
            "last_modified": headers.get("Last-Modified"),
            "opt_out": self.opt_out,
            "error": self.error,
            "sha256": None if self.body is None else hashlib.sha256(self.body).hexdigest(),
            "image": self.body,
        }


class ImageClient:
    """Requests to one host, spaced by its gate."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        gate: HostGate,
        config: Config,
        host: str,
        allow_private: tuple[str, ...],
    ) -> None:
        self._session, self._gate, self._config, self._host = session, gate, config, host
        self._addresses = AddressPolicy(frozenset(allow_private))
        self._robots: ParsedRobots | None = None
        self._turn = asyncio.Lock()
        self._max_bytes = config.fetch.max_image_mib * 1024 * 1024

    def learn_robots(self, text: str | None) -> None:
        """Take over the robots.txt that the crawl read; without one it is asked for when needed."""
        if text is not None:
            self._apply(RobotsRules(text))

    def _apply(self, rules: RobotsRules) -> ParsedRobots:
        parsed = rules.parsed()
        self._robots = parsed
        self._gate.slow_down(min(parsed.crawl_delay, self._config.crawl.max_crawl_delay))
        return parsed

    async def _robots_for(self, url: str) -> ParsedRobots:
        async with self._turn:
            if self._robots is not None:
                return self._robots
            target = urljoin(url, "/robots.txt")
            status: int | None = None
            body = b""
            for number in range(1, self._config.fetch.max_attempts + 1):
                attempt = await self._request(target, number, ROBOTS_MAX_BYTES, robots=True)
                status, body = attempt.status, attempt.body or b""
                if status is not None and status < 500 and status != 429:
                    break
                await asyncio.sleep(backoff(number))
            return self._apply(RobotsRules.from_response(status, body))

    async def fetch(self, url: str, attempts: int) -> list[Attempt]:
        """Every attempt that was made for the URL, the last one deciding; never empty."""
        made: list[Attempt] = []
        try:
            self._addresses.check_url(url)
        except RefusedAddressError as error:
            return [Attempt(url, attempts + 1, "refused_address", error=str(error))]
        if self._config.crawl.robots_txt:
            robots = await self._robots_for(url)
            if not robots.allows(url):
                return [Attempt(url, attempts + 1, "robots", error="robots.txt disallows it")]
        for number in range(attempts + 1, max(attempts + 1, self._config.fetch.max_attempts) + 1):
            attempt = await self._request(url, number, self._max_bytes)
            made.append(attempt)
            if attempt.outcome not in RETRY_OUTCOMES:
                break
            if number < self._config.fetch.max_attempts:
                await asyncio.sleep(self._wait_after(attempt))
        return made

    def _wait_after(self, attempt: Attempt) -> float:
        """Seconds until the next try; a 429 or 503 pauses the whole host."""
        header = (attempt.headers or {}).get("Retry-After")
        wait = retry_after(header, time.time())
        wait = backoff(attempt.number) if wait is None else wait
        wait = min(wait, self._config.crawl.max_retry_after)
        if attempt.status in (429, 503):
            self._gate.pause(time.time() + wait)
        return wait

    async def _slot(self) -> None:
        """Wait until the host may be asked, and take a place."""
        while True:
            ready, now = self._gate.ready_at(), time.time()
            if ready is not None and ready <= now:
                self._gate.start(now)
                return
            await asyncio.sleep(0.005 if ready is None else max(0.0005, ready - now))

    async def _request(self, url: str, number: int, limit: int, *, robots: bool = False) -> Attempt:
        target, hops = url, 0
        while True:
            await self._slot()
            try:
                async with self._session.get(target, allow_redirects=False) as response:
                    location = response.headers.get("Location")
                    if 300 <= response.status < 400 and location:
                        target, hops = urljoin(target, location), hops + 1
                        refusal = self._refuse_redirect(url, target, number, hops)
                        if refusal is not None:
                            return refusal
                        continue
                    return await self._answer(url, number, response, limit, robots=robots)
            except _NETWORK_FAULTS as error:
                return Attempt(url, number, _outcome_of(error), error=_words(error))
            finally:
                self._gate.finish()

    def _refuse_redirect(self, url: str, target: str, number: int, hops: int) -> Attempt | None:
        if hops > self._config.crawl.max_redirects:
            return Attempt(url, number, "redirect_loop", error=f"{hops} redirects")
        try:
            host = self._addresses.check_url(target)
        except RefusedAddressError as error:
            return Attempt(url, number, "refused_address", error=str(error))
        if host != self._host:
            # Another worker may own that host; two must never ask it at once.
            return Attempt(url, number, "redirect_elsewhere", error=target[:300])
        robots = self._robots
        if self._config.crawl.robots_txt and robots is not None and not robots.allows(target):
            return Attempt(url, number, "robots", error=f"robots.txt disallows {target[:250]}")
        return None

    async def _answer(
        self, url: str, number: int, response: aiohttp.ClientResponse, limit: int, *, robots: bool
    ) -> Attempt:
        headers = response.headers
        if response.status != 200 and not robots:
            return Attempt(url, number, f"http_{response.status}", response.status, headers)
        opt_out = opt_out_of(headers.getall("X-Robots-Tag", []))
        if opt_out and self._config.crawl.honour_opt_outs and not robots:
            return Attempt(url, number, "opted_out", response.status, headers, opt_out)
        body = bytearray()
        async for chunk in response.content.iter_chunked(64 * 1024):
            body += chunk
            if len(body) > limit:
                if robots:
                    break
                words = f"expected at most {limit} bytes"
                return Attempt(url, number, "too_large", response.status, headers, error=words)
        data = bytes(body)
        if robots:
            return Attempt(url, number, "ok", response.status, headers, body=data)
        if not data:
            return Attempt(url, number, "empty", response.status, headers)
        if sniff(data) is None:
            words = f"starts with {data[:24]!r}"
            return Attempt(url, number, "not_an_image", response.status, headers, error=words)
        return Attempt(url, number, "ok", response.status, headers, opt_out, body=data)


_NETWORK_FAULTS = (aiohttp.ClientError, TimeoutError, OSError, ValueError, RefusedAddressError)


def _outcome_of(error: Exception) -> str:
    if isinstance(error, RefusedAddressError):
        return "refused_address"
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "dns"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "connection_refused"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "incomplete"
    return "connection_lost"


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
