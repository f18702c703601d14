"""The HTTP client of crawl and fetch: one GET within bounds, to addresses that are allowed.

Nothing is followed, decoded or remembered: redirects, content codings and cookies are the
caller's business or nobody's. Whatever a server does ends as an answer or as a `FetchFault`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import aiohttp
from yarl import URL

from crawler.addresses import AddressPolicy, AiohttpResolver, RefusedAddressError

Headers = tuple[tuple[str, str], ...]

MAX_HEADER_BYTES = 16 * 1024  # of one header line; aiohttp refuses more than 128 of them
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
    """Connections to any host; an asynchronous context manager, to be made in a running loop."""

    def __init__(self, user_agent: str, allow_private: Iterable[str], connections: int) -> None:
        self._addresses = AddressPolicy(frozenset(allow_private))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=connections, resolver=AiohttpResolver(self._addresses.allow_private)
            ),
            headers={"User-Agent": user_agent, "Accept": "*/*"},
            skip_auto_headers=("Accept-Encoding",),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,  # a proxy named in the environment would hide where requests go
            max_line_size=MAX_HEADER_BYTES,
            max_field_size=MAX_HEADER_BYTES,
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
            async with self._session.get(
                _as_written(url),
                allow_redirects=False,
                headers=headers,
                timeout=aiohttp.ClientTimeout(total=seconds),
            ) as response:
                named = tuple((k.decode("latin-1"), v.decode("latin-1"))
                              for k, v in response.raw_headers)  # fmt: skip
                body = b""
                if wants_body(response.status, named):
                    body = await _bounded(response, max_bytes)
                return HttpAnswer(response.status, named, body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError, RefusedAddressError) as error:  # fmt: skip
            raise _fault(error) from error


async def _bounded(response: aiohttp.ClientResponse, max_bytes: int) -> bytes:
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


# In order: a later row may be a base class of an earlier one.
_FAULTS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str, bool], ...] = (
    (RefusedAddressError, "refused_address", False),
    (TimeoutError, "timeout", True),
    (aiohttp.ClientConnectorDNSError, "dns", True),
    (aiohttp.ClientConnectorCertificateError, "tls", False),
    (aiohttp.ClientConnectorSSLError, "tls", False),
    (aiohttp.ClientConnectorError, "connection_refused", True),
    (aiohttp.ClientPayloadError, "incomplete", True),
    (aiohttp.ClientResponseError, "bad_answer", False),
    (aiohttp.InvalidURL, "refused_address", False),
    (aiohttp.ClientError, "connection_lost", True),
    (ValueError, "bad_answer", False),
)
