"""The HTTP client of crawl and fetch: one GET within bounds, to addresses that are allowed.

Nothing is followed, decoded or remembered: redirects, content codings and cookies are the
caller's business or nobody's. Whatever a server does ends as an answer or as a `FetchFault`.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp
from aiohttp.abc import AbstractResolver
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from crawler.addresses import (
    DEFAULT_PORTS,
    AddressPolicy,
    AiohttpResolver,
    RefusedAddressError,
    host_of,
)

Headers = tuple[tuple[str, str], ...]

MAX_HEADER_BYTES = 16 * 1024  # of one header line
MAX_HEADERS = 128
CHUNK_BYTES = 64 * 1024


class FetchFault(Exception):
    """No answer that can be taken. `outcome` is its recorded name."""

    def __init__(self, outcome: str, words: str, *, worth_retrying: bool) -> None:
        super().__init__(f"{outcome}: {words}"[:300])
        self.outcome = outcome
        self.worth_retrying = worth_retrying


@dataclass(frozen=True)
class HttpAnswer:
    """An answer as it came: headers in order, the body with its content coding still on."""

    status: int
    headers: Headers
    body: bytes

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next(iter(self.headers_named(name)), None)

    def headers_named(self, name: str) -> list[str]:
        """All headers of that name."""
        return [value for key, value in self.headers if key.lower() == name.lower()]


def _always(status: int, headers: Headers) -> bool:
    return True


class HttpClient:
    """Connections to any host; an asynchronous context manager, to be made in a running loop.

    `proxy` ("http://host:port") takes every request; names are resolved and judged before they
    are handed to it, and what it makes of them is its own. `resolver` stands in for the system's.
    """

    def __init__(
        self,
        user_agent: str,
        allow_private: Iterable[str],
        connections: int,
        *,
        proxy: str = "",
        allow_private_proxy: bool = False,
        resolver: AbstractResolver | None = None,
    ) -> None:
        self._addresses = AddressPolicy(frozenset(allow_private))
        self._names = AiohttpResolver(self._addresses.allow_private, resolver)
        self._proxy = proxy or None
        # With a proxy, its address is the only one that is connected to.
        meant = {host_of(proxy)} if proxy and allow_private_proxy else set()
        self._proxy_addresses = AddressPolicy(frozenset(meant))
        connected = AiohttpResolver(meant, resolver) if proxy else self._names
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, resolver=connected),
            headers={"User-Agent": user_agent, "Accept": "*/*"},
            skip_auto_headers=("Accept-Encoding",),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy named in the environment would hide where requests go
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
            max_headers=MAX_HEADERS,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        await self.close()

    async def close(self) -> None:
        """End every connection."""
        await self._session.close()
        await self._names.close()

    async def get(
        self,
        url: str,
        *,
        seconds: float,
        max_bytes: int,
        headers: Mapping[str, str] | None = None,
        wants_body: Callable[[int, Headers], bool] = _always,
    ) -> HttpAnswer:
        """One answer, redirects included, within `seconds` from start to last byte.

        The body is left unread (empty) where `wants_body` says no to status and headers. Raises
        FetchFault for everything else, a body above `max_bytes` among it (`too_large`).
        """
        try:
            self._addresses.check_url(url)
            if self._proxy is not None:
                began = asyncio.get_running_loop().time()
                async with asyncio.timeout(seconds):
                    await self._judge_proxied(url, self._proxy)
                seconds -= asyncio.get_running_loop().time() - began
            async with self._session.get(
                _as_written(url),
                allow_redirects=False,
                headers=headers,
                proxy=self._proxy,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                return await _answer(response, max_bytes, wants_body)
        except _EXPECTED as error:
            raise _fault(error) from error

    async def _judge_proxied(self, url: str, proxy: str) -> None:
        """Raises RefusedAddressError where the proxy, or what it is asked for, is private."""
        try:
            self._proxy_addresses.check_url(proxy)
        except RefusedAddressError as error:
            raise RefusedAddressError(
                f"proxy {error}".replace("name the host in the site's `allow_private`",
                                         "set `allow_private_proxy = true`")
            ) from None  # fmt: skip
        parts = urlsplit(url)
        name = parts.hostname or ""
        try:
            port = parts.port or DEFAULT_PORTS[parts.scheme]
            await self._names.resolve(name, port, socket.AF_UNSPEC)
        except OSError as error:
            raise FetchFault("dns", f"{name}: {error}", worth_retrying=True) from error


async def _answer(
    response: aiohttp.ClientResponse, max_bytes: int, wants_body: Callable[[int, Headers], bool]
) -> HttpAnswer:
    named = tuple((k.decode("latin-1"), v.decode("latin-1")) for k, v in response.raw_headers)
    if response.status < 200:
        words = f"expected a final answer, got status {response.status}"
        raise FetchFault("bad_answer", words, worth_retrying=True)
    body = b""
    if wants_body(response.status, named):
        body = await _bounded(response, max_bytes)
    return HttpAnswer(response.status, named, body)


async def _bounded(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
    if 0 <= (response.content_length or -1) <= max_bytes:
        return await response.read()  # the parser lets no more through
    body = bytearray()
    async for chunk in response.content.iter_chunked(CHUNK_BYTES):
        body += chunk
        if len(body) > max_bytes:
            raise FetchFault("too_large", f"more than {max_bytes} bytes", worth_retrying=False)
    return bytes(body)


def _as_written(url: str) -> URL:
    """The URL without a second round of quoting, where it needs none at all."""
    return URL(url, encoded=url.isascii() and " " not in url)


def _fault(error: Exception) -> FetchFault:
    words = f"{type(error).__name__}: {error}"
    for kinds, outcome, again in _FAULTS:
        if isinstance(error, kinds):
            return FetchFault(outcome, words, worth_retrying=again)
    return FetchFault("connection_lost", words, worth_retrying=True)


# What a request can end with. HttpProcessingError is what aiohttp's parser says in mid-body.
_EXPECTED = (
    TimeoutError,
    aiohttp.ClientError,
    HttpProcessingError,
    OSError,
    ValueError,
    RefusedAddressError,
)
# In order: a later row may be a base class of an earlier one.
_FAULTS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool], ...] = (
    (RefusedAddressError, "refused_address", False),
    (TimeoutError, "timeout", True),
    (aiohttp.ClientConnectorDNSError, "dns", True),
    (aiohttp.ClientConnectorCertificateError, "tls", False),
    (aiohttp.ClientConnectorSSLError, "tls", False),
    ((aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError), "connection_refused", True),
    (aiohttp.ClientPayloadError, "incomplete", True),
    # A kept connection may hold what a sloppy server sent after the answer before: another try,
    # on another connection, may be answered well.
    ((aiohttp.ClientResponseError, HttpProcessingError), "bad_answer", True),
    (aiohttp.InvalidURL, "refused_address", False),
    (aiohttp.ClientError, "connection_lost", True),
    (ValueError, "bad_answer", False),
)
