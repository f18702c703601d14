"""A server on loopback that misbehaves in every way it knows: `/<kind>/<seed>` chooses how.

Each kind is one coroutine that writes to the client until the client goes away; `KINDS` names, for
every kind, the outcomes that it may have.
"""

from __future__ import annotations

import asyncio
import gzip
import random
import socket
import struct
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import brotli

DRIP_SECONDS = 0.02
MAX_BYTES = 64 * 1024  # what the client under test takes of a body

Write = asyncio.StreamWriter
Kind = Callable[[random.Random, Write], Awaitable[None]]
KINDS: dict[str, tuple[Kind, frozenset[str]]] = {}
PAGE = b"<html><h1>a page</h1></html>"


def kind(*outcomes: str) -> Callable[[Kind], Kind]:
    """Register a kind with the outcomes that it may have."""

    def register(function: Kind) -> Kind:
        KINDS[function.__name__] = (function, frozenset(outcomes))
        return function

    return register


def head(*lines: str, status: str = "200 OK") -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1")


async def send(to: Write, data: bytes) -> None:
    to.write(data)
    await to.drain()


async def drip(to: Write, data: bytes) -> None:
    for byte in data:
        await send(to, bytes([byte]))
        await asyncio.sleep(DRIP_SECONDS)


async def flood(to: Write, piece: bytes) -> None:
    piece *= max(1, 4096 // len(piece))
    while True:
        await send(to, piece)
        await asyncio.sleep(0)


@kind("timeout")
async def slow_headers(draw: random.Random, to: Write) -> None:
    await drip(to, head(f"X-Long: {'a' * draw.randint(200, 900)}"))


@kind("timeout")
async def slow_body(draw: random.Random, to: Write) -> None:
    await send(to, head(f"Content-Length: {draw.randint(500, 9_000)}"))
    await drip(to, b"x" * 500)


@kind("timeout")
async def slow_chunks(draw: random.Random, to: Write) -> None:
    await send(to, head("Transfer-Encoding: chunked"))
    for _ in range(500):
        size = draw.randint(1, 9)
        await drip(to, b"%x\r\n%s\r\n" % (size, b"x" * size))


@kind("timeout")
async def silence(draw: random.Random, to: Write) -> None:
    if draw.random() < 0.5:
        await send(to, head("Content-Length: 10"))
    await asyncio.sleep(60)


@kind("too_large")
async def endless_body(draw: random.Random, to: Write) -> None:
    await send(to, head())
    await flood(to, draw.randbytes(64))


@kind("too_large")
async def endless_chunks(draw: random.Random, to: Write) -> None:
    await send(to, head("Transfer-Encoding: chunked"))
    size = draw.randint(1, 5000)
    await flood(to, b"%x\r\n%s\r\n" % (size, b"x" * size))


@kind("bad_answer")
async def endless_headers(draw: random.Random, to: Write) -> None:
    await send(to, b"HTTP/1.1 200 OK\r\n")
    await flood(to, f"X-{draw.randint(0, 9)}: {'v' * draw.randint(0, 50)}\r\n".encode())


@kind("bad_answer")
async def endless_header_line(draw: random.Random, to: Write) -> None:
    await send(to, b"HTTP/1.1 200 OK\r\n" + draw.choice([b"X-A: ", b"X", b"Set-Cookie: a="]))
    await flood(to, b"a")


@kind("bad_answer")
async def endless_status_line(draw: random.Random, to: Write) -> None:
    await send(to, b"HTTP/1.1 200 ")
    await flood(to, draw.choice([b"O", b"\xff", b"O K "]))


@kind("timeout", "bad_answer")
async def endless_chunk_extension(draw: random.Random, to: Write) -> None:
    await send(to, head("Transfer-Encoding: chunked") + b"5;")
    await flood(to, draw.choice([b"a", b"a=b;", b'a="x']))


@kind("timeout", "bad_answer", "incomplete")
async def endless_trailers(draw: random.Random, to: Write) -> None:
    await send(to, head("Transfer-Encoding: chunked") + b"1\r\nx\r\n0\r\n")
    await flood(to, f"X-{draw.randint(0, 9)}: v\r\n".encode())


@kind("timeout", "bad_answer")
async def interim_answers(draw: random.Random, to: Write) -> None:
    await flood(to, head(status=draw.choice(["100 Continue", "102 Processing", "103 Early Hints"])))


@kind("bad_answer")
async def switching_protocols(draw: random.Random, to: Write) -> None:
    named = draw.choice([[], ["Connection: Upgrade", "Upgrade: websocket"]])
    await send(to, head(*named, status="101 Switching Protocols"))
    await flood(to, b"\x81\x05hello")


def bomb(draw: random.Random) -> tuple[str, bytes]:
    zeros = bytes(draw.randint(2, 30) * MAX_BYTES)
    return draw.choice(
        [
            ("gzip", gzip.compress(zeros)),
            ("deflate", zlib.compress(zeros)),
            ("br", brotli.compress(zeros, quality=1)),
            ("gzip, gzip", gzip.compress(gzip.compress(zeros))),
            ("br, gzip", gzip.compress(brotli.compress(zeros, quality=1))),
            ("gzip", gzip.compress(bytes(MAX_BYTES // 2)) * 4),
        ]
    )


@kind("too_large")
async def decompression_bomb(draw: random.Random, to: Write) -> None:
    coding, body = bomb(draw)
    await send(to, head(f"Content-Encoding: {coding}", f"Content-Length: {len(body)}") + body)


@kind("ok", "bad_coding")
async def nested_codings(draw: random.Random, to: Write) -> None:
    body, depth = PAGE, draw.randint(1, 8)
    for _ in range(depth):
        body = gzip.compress(body)
    names = ", ".join(["gzip"] * depth)
    await send(to, head(f"Content-Encoding: {names}", f"Content-Length: {len(body)}") + body)


@kind("bad_coding", "too_large")
async def broken_coding(draw: random.Random, to: Write) -> None:
    coding, body = bomb(draw)
    if draw.random() < 0.5:
        coding = draw.choice(["zstd", "compress", "gzip2", "\xff", "gzip;q=1"])
    body = body[: draw.randrange(4, len(body) - 1)]
    await send(to, head(f"Content-Encoding: {coding}", f"Content-Length: {len(body)}") + body)


@kind("redirect_loop")
async def redirects(draw: random.Random, to: Write) -> None:
    target = draw.choice(["/redirects/1", "?again", "redirects", "//{host}/redirects/2", "#x", ""])
    target = target.replace("{host}", "{}:{}".format(*to.get_extra_info("sockname")[:2]))
    status = draw.choice(["301 Moved", "302 Found", "303 See", "307 T", "308 P"])
    await send(to, head(f"Location: {target}", "Content-Length: 0", status=status))


@kind("refused_address")
async def redirects_inside(draw: random.Random, to: Write) -> None:
    target = draw.choice(
        [
            "http://169.254.169.254/latest/", "http://127.0.0.1:1/", "http://[::1]/", "//10.0.0.1/",
            "http://0x7f000001/", "http://127.1/", "http://[::ffff:127.0.0.1]/", "http://0/",
            "http://localhost:1/", "http://2130706433:80/", "http://192.168.0.1/",
        ]
    )  # fmt: skip
    await send(to, head(f"Location: {target}", "Content-Length: 0", status="302 Found"))


@kind("refused_address")
async def redirects_to_other_schemes(draw: random.Random, to: Write) -> None:
    target = draw.choice(
        ["file:///etc/passwd", "ftp://shop.example/", "data:text/html,x", "gopher://127.0.0.1:70/",
         "javascript:alert(1)", "https:///x", "http://[", "http://a:99999999/", "http://a:x/"]
    )  # fmt: skip
    await send(to, head(f"Location: {target}", "Content-Length: 0", status="301 Moved"))


@kind("incomplete")
async def too_long_a_length(draw: random.Random, to: Write) -> None:
    await send(to, head(f"Content-Length: {len(PAGE) + draw.randint(1, 10**6)}") + PAGE)


@kind("ok", "bad_answer")
async def too_short_a_length(draw: random.Random, to: Write) -> None:
    extra = draw.choice([b"x", PAGE, head("Content-Length: 3") + b"bad", b"\0" * 999])
    await send(to, head(f"Content-Length: {len(PAGE)}") + PAGE + extra)


@kind("bad_answer", "incomplete", "timeout", "ok")
async def odd_lengths(draw: random.Random, to: Write) -> None:
    lengths = draw.choice(
        [["-1"], ["ten"], ["1", "2"], ["9" * 40], ["1e3"], ["0x10"], ["+5"], ["5, 6"], ["\xb2"]]
    )
    await send(to, head(*(f"Content-Length: {length}" for length in lengths)) + PAGE)


@kind("bad_answer", "incomplete")
async def bad_chunks(draw: random.Random, to: Write) -> None:
    size = draw.choice(["zz", "-5", "", "f" * 40, "5 5", "0x5", "\xff", "5\0", "é"])
    body = size.encode() + b"\r\nhello\r\n0\r\n\r\n"
    if draw.random() < 0.3:
        body = b"5\r\nhelloworld\r\n0\r\n\r\n"
    await send(to, head("Transfer-Encoding: chunked") + body)


@kind("bad_answer", "incomplete", "ok")
async def length_and_chunks(draw: random.Random, to: Write) -> None:
    named = ["Transfer-Encoding: chunked", f"Content-Length: {draw.randint(0, 99)}"]
    draw.shuffle(named)
    await send(to, head(*named) + b"5\r\nhello\r\n0\r\n\r\n")


@kind("bad_answer")
async def garbage_status(draw: random.Random, to: Write) -> None:
    line = draw.choice(
        ["HTTP/1.1 abc OK", "HTTP/9.9.9 200 OK", "HTP/1.1 200 OK", "200 OK", "HTTP/1.1", "\0\0\0",
         "HTTP/1.1 2000000 OK", "HTTP/1.1 -20 OK", "ICY/2 200 OK", "SSH-2.0-OpenSSH", "* OK IMAP",
         "<html>no header at all</html>", "220 ftp ready", "{}"]
    )  # fmt: skip
    await send(to, line.encode("latin-1") + b"\r\nContent-Length: 1\r\n\r\nx")


@kind("bad_answer", "connection_lost")
async def noise(draw: random.Random, to: Write) -> None:
    await send(to, draw.randbytes(draw.randint(1, 3_000)))


@kind("bad_answer", "connection_lost")
async def speaks_tls(draw: random.Random, to: Write) -> None:
    await send(to, b"\x15\x03\x03\x00\x02\x02" + bytes([draw.randrange(256)]))


@kind("connection_lost")
async def empty_answer(draw: random.Random, to: Write) -> None:
    await asyncio.sleep(draw.random() * 0.02)


@kind("connection_lost", "incomplete")
async def reset(draw: random.Random, to: Write) -> None:
    if draw.random() < 0.5:
        await send(to, head("Content-Length: 100") + PAGE)
        await asyncio.sleep(0.02)
    to.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    to.transport.abort()


@kind("connection_lost", "incomplete", "bad_answer")
async def early_close(draw: random.Random, to: Write) -> None:
    answer = head("Content-Type: text/html", f"Content-Length: {len(PAGE)}") + PAGE
    await send(to, answer[: draw.randrange(len(answer) - 1)])


@kind("bad_answer")
async def huge_header(draw: random.Random, to: Write) -> None:
    size = draw.randint(17, 200) * 1024
    await send(to, head(f"X-Huge: {'a' * size}", "Content-Length: 0"))


@kind("bad_answer")
async def many_headers(draw: random.Random, to: Write) -> None:
    await send(to, head(*(f"X-{n}: v" for n in range(draw.randint(200, 2_000)))) + PAGE)


@kind("ok", "bad_answer", "incomplete")
async def bare_newlines(draw: random.Random, to: Write) -> None:
    answer = head("Content-Type: text/html", f"Content-Length: {len(PAGE)}")
    newline = draw.choice([b"\n", b"\r", b"\n\r", b"\r\r\n"])
    await send(to, answer.replace(b"\r\n", newline) + PAGE)


@kind("ok", "bad_answer")
async def control_bytes_in_headers(draw: random.Random, to: Write) -> None:
    byte = bytes([draw.choice([0, 1, 8, 11, 12, 27, 127, 128, 255])])
    line = draw.choice([b"X-%sA: b", b"X-A: b%sc", b"%sX: b", b"X-A%s: b", b"X-A: %s"]) % byte
    await send(
        to, b"HTTP/1.1 200 OK\r\n" + line + b"\r\nContent-Length: %d\r\n\r\n" % len(PAGE) + PAGE
    )


@kind("ok", "bad_answer", "incomplete", "timeout", "too_large", "bad_coding", "connection_lost",
      "redirect_loop", "refused_address")  # fmt: skip
async def flipped(draw: random.Random, to: Write) -> None:
    body = gzip.compress(PAGE * 9, mtime=0)
    named = draw.choice([[f"Content-Length: {len(body)}"], ["Transfer-Encoding: chunked"]])
    if named[0].startswith("T"):
        body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    answer = bytearray(head("Content-Encoding: gzip", *named) + body)
    for _ in range(draw.randint(1, 4)):
        answer[draw.randrange(len(answer))] = draw.randrange(256)
    await send(to, bytes(answer))


@kind("ok")
async def honest(draw: random.Random, to: Write) -> None:
    body = gzip.compress(PAGE)
    named = [f"Content-Length: {len(body)}", "Content-Encoding: gzip"]
    await send(to, head(*named[: draw.randint(1, 2)]) + body)


@asynccontextmanager
async def hostile_server() -> AsyncIterator[str]:
    """`host:port` of the server; everything it does ends with the context."""
    flying: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        flying.add(task)
        try:
            # Cancelled is how it ends with the server; asyncio would print that.
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                request = await reader.readuntil(b"\r\n\r\n")
                path = request.split(b" ", 2)[1].decode().partition("?")[0]
                name, seed = path.split("/")[1:3]
                await KINDS[name][0](random.Random(f"{name} {seed}"), writer)
        finally:
            flying.discard(task)
            with suppress(ConnectionError):
                writer.close()
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, limit=64 * 1024)
    try:
        host, port = server.sockets[0].getsockname()[:2]
        yield f"{host}:{port}"
    finally:
        server.close()
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)
