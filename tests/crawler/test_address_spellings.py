"""A private address is refused however it is spelled, by every client that would reach it."""

from __future__ import annotations

import asyncio
from ipaddress import IPv4Address, ip_address

import aiohttp
import pytest
from aiohttp.abc import AbstractResolver
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from crawler.addresses import AddressPolicy, AiohttpResolver, RefusedAddressError, is_public
from tests.crawler.shop import running_shop

DOTS = (".", "\u3002", "\uff0e", "\uff61")
PRIVATE = ["127.0.0.1", "10.1.2.3", "192.168.7.7", "169.254.169.254", "0.0.0.0", "172.16.0.1"]


def full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isdigit() else c for c in text)


@given(st.sampled_from(PRIVATE), st.sampled_from(DOTS), st.booleans(), st.booleans())
def test_full_width_digits_and_foreign_dots_are_seen_through(
    address: str, dot: str, wide: bool, final_dot: bool
) -> None:
    spelled = (full_width(address) if wide else address).replace(".", dot) + "." * final_dot
    with pytest.raises(RefusedAddressError, match="private"):
        AddressPolicy().check_url(f"http://{spelled}/x")


@given(st.sampled_from(PRIVATE), st.sampled_from(["{}", "0x{:x}", "0{:o}"]))
def test_numbers_in_any_base_are_seen_through(address: str, form: str) -> None:
    with pytest.raises(RefusedAddressError, match="private"):
        AddressPolicy().check_url(f"http://{form.format(int(IPv4Address(address)))}/")


@given(st.text("0123456789.１２７０。．①abcx[]:%", min_size=1, max_size=16))
def test_what_aiohttp_takes_for_an_address_is_judged_as_one(host: str) -> None:
    """aiohttp asks no resolver for a literal address, so the check must see what it sees."""
    try:
        seen = ip_address(URL(f"http://{host}/").host or "")
        public = is_public(str(seen))
    except ValueError:
        return
    if not public:
        with pytest.raises(RefusedAddressError):
            AddressPolicy().check_url(f"http://{host}/")


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True), ("100.64.0.1", False), ("255.255.255.255", False),
        ("2606:2800:220:1:248:1893:25c8:1946", True), ("::", False), ("::1", False),
        ("::127.0.0.1", False), ("::ffff:8.8.8.8", True), ("::ffff:127.0.0.1", False),
        ("64:ff9b::8.8.8.8", True), ("64:ff9b::10.0.0.1", False), ("2002:7f00:1::", False),
        ("2002:808:808::1", True), ("fe80::1%eth0", False), ("fc00::1", False), ("ff0e::1", False),
        ("2001:db8::1", False), ("2001:0:53aa:64c::1", False), ("::ffff:0:7f00:1", False),
    ],
)  # fmt: skip
def test_ipv4_inside_ipv6_is_judged_as_ipv4(address: str, public: bool) -> None:
    assert is_public(address) is public


def test_no_client_session_reaches_loopback_by_a_name() -> None:
    async def get(port: int, allowed: list[str]) -> int:
        connector = aiohttp.TCPConnector(resolver=AiohttpResolver(allowed))
        async with (
            aiohttp.ClientSession(connector=connector) as session,
            session.get(f"http://localhost:{port}/") as response,
        ):
            return response.status

    with running_shop() as shop:
        port = int(shop.host.rpartition(":")[2])
        with pytest.raises(RefusedAddressError, match="localhost"):
            asyncio.run(get(port, []))
        assert shop.asked == []
        assert asyncio.run(get(port, [f"localhost:{port}"])) == 404


def test_every_address_of_a_name_is_judged() -> None:
    class Both(AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = 0) -> list:  # type: ignore[type-arg]
            return [{"host": "93.184.216.34"}, {"host": "10.0.0.1"}]

        async def close(self) -> None:
            """Nothing to close."""

    async def resolve() -> None:
        resolver = AiohttpResolver([])
        await resolver._resolver.close()
        resolver._resolver = Both()  # type: ignore[assignment]
        await resolver.resolve("shop.example", 80)

    with pytest.raises(RefusedAddressError, match=r"10\.0\.0\.1"):
        asyncio.run(resolve())
