"""No private address is contacted unless the configuration names its host."""

from __future__ import annotations

import asyncio

import pytest

from crawler.addresses import AddressPolicy, AiohttpResolver, RefusedAddressError, host_of


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/", "http://127.1/", "http://0x7f000001/", "http://2130706433/",
        "http://[::1]/", "http://[::ffff:10.0.0.1]/", "http://169.254.169.254/latest/meta-data",
        "http://10.1.2.3:8080/", "http://192.168.0.1/", "http://0.0.0.0/", "http://[fe80::1]/",
        "http://224.0.0.1/", "file:///etc/passwd", "ftp://shop.example/", "http:///nothing",
        "http://shop.example:99999/",
    ],
)  # fmt: skip
def test_private_and_foreign_addresses_are_refused_in_every_spelling(url: str) -> None:
    with pytest.raises(RefusedAddressError):
        AddressPolicy().check_url(url)


def test_public_addresses_and_named_hosts_pass() -> None:
    assert AddressPolicy().check_url("https://93.184.216.34/") == "93.184.216.34"
    assert AddressPolicy().check_url("https://Shop.Example:443/x") == "shop.example"
    policy = AddressPolicy(frozenset({"127.0.0.1:8080"}))
    assert policy.check_url("http://127.0.0.1:8080/") == "127.0.0.1:8080"
    with pytest.raises(RefusedAddressError):
        policy.check_url("http://127.0.0.1:8081/")


def test_a_name_that_resolves_to_a_private_address_is_refused() -> None:
    async def resolve(allowed: list[str]) -> list[str]:
        resolver = AiohttpResolver(allowed)
        try:
            return [found["host"] for found in await resolver.resolve("localhost", 80)]
        finally:
            await resolver.close()

    with pytest.raises(RefusedAddressError, match="localhost"):
        asyncio.run(resolve([]))
    assert asyncio.run(resolve(["localhost:80"])) == ["127.0.0.1"]


def test_hosts_are_named_without_default_ports() -> None:
    assert host_of("http://a.example:80/") == "a.example"
    assert host_of("http://a.example:8080/") == "a.example:8080"
    assert host_of("http://[::1]:81/") == "[::1]:81"
