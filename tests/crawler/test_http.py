"""The client of crawl and fetch reaches allowed addresses only, proxies included."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from crawler.http import FetchFault, HttpAnswer, HttpClient

PUBLIC, PRIVATE = "93.184.216.34", "127.0.0.1"


class Answers(AbstractResolver):
    """Gives its answers in turn, the last one for ever; counts how often it was asked."""

    def __init__(self, *answers: str) -> None:
        self.answers, self.asked = list(answers), 0

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked += 1
        address = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0,
                          flags=socket.AI_NUMERICHOST)
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing to close."""


def with_server(work: Callable[[str, list[bytes]], Coroutine[None, None, None]]) -> None:
    """Run `work(host, request lines)` beside a server that answers "hello" to everything."""

    async def run() -> None:
        asked: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            head = await reader.readuntil(b"\r\n\r\n")
            asked.append(head.splitlines()[0])
            if b"/to-file" in head:
                writer.write(b"HTTP/1.1 302 F\r\nLocation: file:///etc/passwd\r\n")
            else:
                writer.write(b"HTTP/1.1 200 OK\r\n")
            writer.write(b"Content-Length: 5\r\nConnection: close\r\n\r\nhello")
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server:
            await work(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", asked)

    asyncio.run(asyncio.wait_for(run(), 30))


async def get(client: HttpClient, url: str) -> HttpAnswer:
    return await client.get(url, seconds=2, max_bytes=1000)


async def outcome(client: HttpClient, url: str) -> str:
    with pytest.raises(FetchFault) as caught:
        await get(client, url)
    return caught.value.outcome


def test_a_name_that_resolves_to_a_private_address_is_never_connected_to() -> None:
    async def work(host: str, asked: list[bytes]) -> None:
        port = host.rpartition(":")[2]
        async with HttpClient("t", [], 1, resolver=Answers(PRIVATE)) as client:
            assert await outcome(client, f"http://shop.example:{port}/") == "refused_address"
        assert asked == []

    with_server(work)


def test_a_name_that_changes_its_answer_is_judged_anew() -> None:
    """The address judged is the one connected to, not what an earlier look-up gave."""

    async def work(host: str, asked: list[bytes]) -> None:
        port = host.rpartition(":")[2]
        resolver = Answers(PUBLIC, PRIVATE)
        async with HttpClient("t", [], 1, resolver=resolver) as client:
            url = f"http://shop.example:{port}/"
            await resolver.resolve("shop.example")  # what a check ahead of time would have seen
            assert await outcome(client, url) == "refused_address"
        assert asked == []

    with_server(work)


def test_redirects_are_left_to_the_caller_and_their_targets_refused() -> None:
    async def work(host: str, asked: list[bytes]) -> None:
        async with HttpClient("t", [host], 1) as client:
            answer = await get(client, f"http://{host}/to-file")
            assert (answer.status, answer.header("location")) == (302, "file:///etc/passwd")
            for target in ("file:///etc/passwd", "http://169.254.169.254/", "http://[::1]/"):
                assert await outcome(client, target) == "refused_address"

    with_server(work)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_proxy_of_the_environment_is_never_used(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)

    async def work(host: str, asked: list[bytes]) -> None:
        async with HttpClient("t", [host], 1) as client:
            assert (await get(client, f"http://{host}/x")).body == b"hello"
        assert asked == [b"GET /x HTTP/1.1"]

    with_server(work)


def test_a_proxy_of_the_config_gets_what_resolves_to_public_addresses_alone() -> None:
    async def work(host: str, asked: list[bytes]) -> None:
        def client(*answers: str) -> HttpClient:
            return HttpClient("t", [], 1, proxy=f"http://{host}", allow_private_proxy=True,
                              resolver=Answers(*answers))  # fmt: skip

        async with client(PUBLIC) as public:
            assert (await get(public, "http://shop.example/x")).body == b"hello"
        assert asked == [b"GET http://shop.example/x HTTP/1.1"]
        async with client(PRIVATE) as private:
            assert await outcome(private, "http://shop.example/x") == "refused_address"
            assert await outcome(private, "http://10.0.0.1/x") == "refused_address"
        assert len(asked) == 1

    with_server(work)


def test_a_private_proxy_is_refused_unless_it_is_meant() -> None:
    async def work(host: str, asked: list[bytes]) -> None:
        async with HttpClient(
            "t", [], 1, proxy=f"http://{host}", resolver=Answers(PUBLIC)
        ) as client:
            with pytest.raises(FetchFault, match="allow_private_proxy"):
                await get(client, "http://shop.example/x")
        port = host.rpartition(":")[2]
        async with HttpClient(
            "t", [], 1, proxy=f"http://proxy.example:{port}", resolver=Answers(PUBLIC, PRIVATE)
        ) as client:
            assert await outcome(client, "http://shop.example/x") == "refused_address"
        assert asked == []

    with_server(work)
