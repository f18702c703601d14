"""The HTTP client: it talks to whom it may, over verified TLS, by a proxy only when told to."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

import crawler.addresses
from crawler.http import FetchFault, HttpAnswer, HttpClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Server:
    """Answers every request alike; `lines` are the first lines of what it was asked."""

    def __init__(self, answer: bytes) -> None:
        self.answer, self.lines, self.connections, self.port = answer, list[str](), 0, 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                self.lines.append(request.split(b"\r\n", 1)[0].decode())
                writer.write(self.answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            writer.close()


@asynccontextmanager
async def running(
    answer: bytes = OK, address: str = "127.0.0.1", port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Server]:  # fmt: skip
    found = Server(answer)
    listening = await asyncio.start_server(found.serve, address, port, ssl=tls)
    found.port = listening.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        listening.close()


class Names(AbstractResolver):
    """A name server whose answers change: the next one for each question."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers, self.asked = list(answers), list[str]()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if not answer:
            raise OSError("no such name")
        flags = socket.AI_NUMERICHOST
        return [
            {"hostname": host, "host": a, "port": port, "family": socket.AF_INET, "proto": 0,
             "flags": flags}
            for a in answer
        ]  # fmt: skip

    async def close(self) -> None:
        """Nothing to close."""


def get(
    client: Callable[[], HttpClient], *urls: str
) -> Coroutine[Any, Any, list[HttpAnswer | str]]:
    """Answers, or the outcomes of the faults."""

    async def ask() -> list[HttpAnswer | str]:
        found: list[HttpAnswer | str] = []
        async with client() as made:
            for url in urls:
                try:
                    found.append(await made.get(url, seconds=20, max_bytes=100))
                except FetchFault as fault:
                    found.append(fault.outcome)
        return found

    return ask()


@pytest.fixture
def first_loopback_is_public(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """127.0.0.1 plays the public address, so that no test asks anybody out there."""
    monkeypatch.setattr(crawler.addresses, "is_public", lambda address: address == "127.0.0.1")
    yield


@pytest.mark.usefixtures("first_loopback_is_public")
def test_the_address_that_was_judged_is_the_one_that_is_connected_to() -> None:
    """DNS rebinding: the first answer is public, every later one leads inside."""

    async def scenario() -> None:
        async with (
            running() as public,
            running(address="127.0.0.2", port=public.port) as private,
        ):
            names = Names(["127.0.0.1"], ["127.0.0.2"])
            url = f"http://rebinding.example:{public.port}/"
            found = await get(lambda: HttpClient("t", [], 4, resolver=names), url)
            assert isinstance(found[0], HttpAnswer)
            assert len(names.asked) == 1, "a second question might have another answer"
            assert await get(lambda: HttpClient("t", [], 4, resolver=names), url) == [
                "refused_address"
            ]
            names = Names(["127.0.0.1", "127.0.0.2"])
            assert await get(lambda: HttpClient("t", [], 4, resolver=names), url) == [
                "refused_address"
            ]
            assert (public.connections, private.connections) == (1, 0)

    asyncio.run(scenario())


def test_a_name_may_be_private_at_the_port_that_was_named_alone() -> None:
    async def scenario() -> None:
        async with running() as meant, running() as other:
            names = Names(["127.0.0.1"])
            found = await get(
                lambda: HttpClient("t", [f"shop.example:{meant.port}"], 4, resolver=names),
                f"http://shop.example:{meant.port}/", f"http://shop.example:{other.port}/",
            )  # fmt: skip
            assert isinstance(found[0], HttpAnswer)
            assert found[1] == "refused_address"
            assert other.connections == 0

    asyncio.run(scenario())


def test_a_name_that_is_not_known_is_dns() -> None:
    found = asyncio.run(
        get(lambda: HttpClient("t", [], 4, resolver=Names([])), "http://nowhere.example/")
    )
    assert found == ["dns"]


def test_proxies_of_the_environment_are_never_used(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        async with running() as shop, running() as trap:
            for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
                monkeypatch.setenv(name, f"http://{trap.host}")
            (answer,) = await get(lambda: HttpClient("t", [shop.host], 4), f"http://{shop.host}/")
            assert isinstance(answer, HttpAnswer) and answer.body == b"ok"
            assert shop.lines == ["GET / HTTP/1.1"]
            assert trap.connections == 0

    asyncio.run(scenario())


@pytest.mark.usefixtures("first_loopback_is_public")
def test_a_proxy_takes_every_request_and_still_no_private_name_is_asked_for() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            names = Names(["127.0.0.1"], ["10.0.0.1"], [])
            found = await get(
                lambda: HttpClient("t", [], 4, proxy=f"http://{proxy.host}", resolver=names),
                "http://shop.example/a", "http://inside.example/", "http://10.1.1.1/",
                "http://nowhere.example/", "file:///etc/passwd",
            )  # fmt: skip
            assert isinstance(found[0], HttpAnswer)
            assert found[1:] == ["refused_address", "refused_address", "dns", "refused_address"]
            assert proxy.lines == ["GET http://shop.example/a HTTP/1.1"]

    asyncio.run(scenario())


def test_the_proxys_own_address_is_private_only_where_that_is_said() -> None:
    async def scenario() -> None:
        async with running() as proxy, running() as shop:
            for allowed in (False, True):
                for name in ("127.0.0.1", "proxy.example"):
                    (found,) = await get(
                        lambda name=name, allowed=allowed: HttpClient(  # type: ignore[misc]
                            "t", [shop.host], 4, proxy=f"http://{name}:{proxy.port}",
                            allow_private_proxy=allowed, resolver=Names(["127.0.0.1"]),
                        ),
                        f"http://{shop.host}/",
                    )  # fmt: skip
                    assert isinstance(found, HttpAnswer) if allowed else found == "refused_address"
            assert proxy.lines == [f"GET http://{shop.host}/ HTTP/1.1"] * 2
            assert shop.connections == 0

    asyncio.run(scenario())


def test_allowing_a_private_proxy_allows_no_page_at_its_address() -> None:
    async def scenario() -> None:
        async with running() as proxy:
            found = await get(
                lambda: HttpClient(
                    "t", [], 4, proxy=f"http://{proxy.host}", allow_private_proxy=True
                ),
                f"http://{proxy.host}/admin",
            )
            assert found == ["refused_address"]
            assert proxy.connections == 0

    asyncio.run(scenario())


def test_a_proxy_that_refuses_a_tunnel_is_a_refused_connection() -> None:
    async def scenario() -> None:
        refusal = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
        async with running(refusal) as proxy, running() as shop:
            found = await get(
                lambda: HttpClient(
                    "t", [shop.host], 4, proxy=f"http://{proxy.host}", allow_private_proxy=True
                ),
                f"https://{shop.host}/",
            )
            assert found == ["connection_refused"]
            assert proxy.lines == [f"CONNECT {shop.host} HTTP/1.1"]

    asyncio.run(scenario())


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    path: Path = tmp_path_factory.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def test_a_certificate_that_nobody_vouches_for_is_refused(certificate: ssl.SSLContext) -> None:
    async def scenario() -> None:
        async with running(tls=certificate) as shop:
            found = await get(
                lambda: HttpClient("t", [shop.host], 4),
                f"https://{shop.host}/", f"http://{shop.host}/",
            )  # fmt: skip
            assert found[0] == "tls"
            assert found[1] in ("bad_answer", "connection_lost")
            assert shop.lines == []

    asyncio.run(scenario())


def test_a_body_that_nobody_wants_is_not_waited_for() -> None:
    async def scenario() -> None:
        endless = b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
        async with running(endless) as shop, HttpClient("t", [shop.host], 4) as client:
            answer = await client.get(
                f"http://{shop.host}/", seconds=20, max_bytes=9, wants_body=lambda *_: False
            )
            assert (answer.status, answer.body) == (200, b"")
            assert answer.headers_named("X-A") == ["1", "2"]

    asyncio.run(scenario())


def test_an_answer_may_be_as_large_as_the_bound() -> None:
    async def scenario() -> None:
        for size, expected in ((100, HttpAnswer), (101, str)):
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
            async with running(head + b"x" * size) as shop:
                (found,) = await get(
                    lambda host=shop.host: HttpClient("t", [host], 4),  # type: ignore[misc]
                    f"http://{shop.host}/",
                )
            assert type(found) is expected
            assert found == "too_large" or size == 100

    asyncio.run(scenario())
