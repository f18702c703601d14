"""Which addresses the crawler may talk to: public ones, and private ones named in the config.

A shop's page can name any URL, and any host name can resolve to a machine inside the network
that runs the crawl. Literal addresses are judged before a request, names after resolution.
"""

from __future__ import annotations

import socket
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver

from runtime.errors import MepError

DEFAULT_PORTS = {"http": 80, "https": 443}
_IPV6_UNICAST = IPv6Network("2000::/3")  # all that IANA allots; the rest is reserved or local
_NAT64 = IPv6Network("64:ff9b::/96")  # RFC 6052


class RefusedAddressError(MepError):
    """A URL leads to an address that must not be contacted."""


def host_of(url: str) -> str:
    """`host` or `host:port` of an http(s) URL, lower case, without the scheme's default port.

    Raises RefusedAddressError for anything that is not an http(s) URL with a host.
    """
    return _place(_origin(url))[0]


def _origin(url: str) -> str:
    """The URL up to its path: all that a host can be read from, and the same for many URLs."""
    end = url.find("/", 8)
    return url if end < 0 else url[:end]


@lru_cache(4096)
def _place(url: str) -> tuple[str, str]:
    """Host, and name without the port, of a URL."""
    try:
        parts = urlsplit(url)
        name, port = parts.hostname, parts.port
    except ValueError as error:
        raise RefusedAddressError(f"{url[:200]!r}: expected an http(s) URL, got {error}") from None
    if parts.scheme not in DEFAULT_PORTS or not name:
        raise RefusedAddressError(f"{url[:200]!r}: expected an http(s) URL with a host")
    shown = f"[{name}]" if ":" in name else name
    usual = port in (None, DEFAULT_PORTS[parts.scheme])
    return shown if usual else f"{shown}:{port}", name


@lru_cache(1024)  # asked for every request, of a few hosts
def _literal(name: str) -> IPv4Address | IPv6Address | None:
    # HTTP clients apply IDNA first, which turns full-width digits and dots into plain ones.
    name = unicodedata.normalize("NFKC", name).replace("\u3002", ".").strip("[]").rstrip(".")
    try:
        return ip_address(name)
    except ValueError:
        pass
    try:
        # inet_aton also reads 127.1, 0x7f000001 and 2130706433, as many HTTP clients do.
        return IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None


@lru_cache(1024)
def is_public(address: str) -> bool:
    """True for a unicast address of the open internet; IPv4 inside IPv6 is judged as IPv4."""
    ip = ip_address(address.split("%", 1)[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = IPv4Address(int(ip) & 0xFFFF_FFFF)
        if inner is None and ip not in _IPV6_UNICAST:
            return False
        ip = inner or ip
    return ip.is_global and not ip.is_multicast


@dataclass(frozen=True)
class AddressPolicy:
    """`allow_private` lists the hosts (`name` or `name:port`) whose private address is meant."""

    allow_private: frozenset[str] = frozenset()

    def check_url(self, url: str) -> str:
        """The URL's host; raises RefusedAddressError when it must not be contacted."""
        host, name = _place(_origin(url))
        literal = _literal(name)
        if literal is not None and not is_public(str(literal)) and host not in self.allow_private:
            raise RefusedAddressError(
                f"{host}: expected a public address, got a private one; "
                "name the host in the site's `allow_private` if that is meant"
            )
        return host

    def check_resolved(self, name: str, port: int, address: str) -> None:
        """Raises RefusedAddressError when `name` resolved to an address it must not have."""
        hosts = {f"{name}:{port}"} | ({name} if port in DEFAULT_PORTS.values() else set())
        if not is_public(address) and hosts.isdisjoint(self.allow_private):
            raise RefusedAddressError(
                f"{name}:{port}: expected it to resolve to a public address, got {address}; "
                "name the host in the site's `allow_private` if that is meant"
            )


class AiohttpResolver(AbstractResolver):
    """Another resolver (by default the system's), refusing private results.

    aiohttp connects to the addresses that come from here and looks nothing up again.
    """

    def __init__(
        self, allow_private: Iterable[str], resolver: AbstractResolver | None = None
    ) -> None:
        self._policy = AddressPolicy(frozenset(allow_private))
        self._resolver = ThreadedResolver() if resolver is None else resolver

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve, then judge every address."""
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            self._policy.check_resolved(host, port, result["host"])
        return found

    async def close(self) -> None:
        """Nothing is held open."""
        await self._resolver.close()
