"""A shop of many pages on loopback, fast enough not to be what is measured.

`python -m benchmarks.shop PRODUCTS` prints its host and serves until its standard input ends.
"""

import asyncio
import random
import sys

PER_PAGE = 20
FILLER_WORDS = ["丝绒", "收纳", "不锈钢", "儿童", "夏季", "棉麻", "防水", "家用", "便携", "新款"]


def pages(products: int) -> dict[bytes, bytes]:
    """Whole HTTP answers by path: listing pages in a chain, product pages, a robots.txt."""
    draw = random.Random(7)
    found = {b"/robots.txt": _answer(b"User-agent: *\nDisallow: /cart\n", b"text/plain")}
    last = -(-products // PER_PAGE)
    for page in range(last):
        numbers = range(page * PER_PAGE, min(products, (page + 1) * PER_PAGE))
        tiles = "".join(
            f'<li class="item"><a class="name" href="/p/{n}.html">商品 {n}</a>'
            f'<img src="/i/{n}.jpg"></li>'
            for n in numbers
        )
        more = f'<a class="next" href="/list?page={page + 1}">下一页</a>' if page + 1 < last else ""
        body = _page(draw, 300, f"<ul>{tiles}</ul>{more}")
        found[f"/list?page={page}".encode() if page else b"/"] = _answer(body)
    for n in range(products):
        main = (
            f'<h1 class="title">商品 {n} {draw.choice(FILLER_WORDS)}</h1>'
            f'<div class="gallery"><img src="/i/{n}.jpg"></div>'
            '<ol class="crumbs"><li>首页</li><li>家居</li><li>收纳</li></ol>'
        )
        found[f"/p/{n}.html".encode()] = _answer(_page(draw, 350, main))
    return found


def _page(draw: random.Random, paragraphs: int, main: str) -> bytes:
    """A page of about 40 KB: navigation, the part that counts, reviews."""
    navigation = "".join(f'<li><a href="/help/{n}">帮助 {n}</a></li>' for n in range(60))
    reviews = "".join(
        f'<div class="review" id="r{n}"><p>{"".join(draw.choices(FILLER_WORDS, k=9))}</p></div>'
        for n in range(paragraphs)
    )
    head = '<!doctype html><html><head><meta charset="utf-8"><title>店</title></head><body>'
    return f"{head}<ul class='nav'>{navigation}</ul>{main}{reviews}</body></html>".encode()


def _answer(body: bytes, kind: bytes = b"text/html; charset=utf-8") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s" % (
        kind, len(body), body
    )  # fmt: skip


class _Server(asyncio.Protocol):
    """Answers pipelined GETs from a table."""

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers, self._rest = answers, b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        *requests, self._rest = (self._rest + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1]
            self._transport.write(self._answers.get(path, _MISSING))


_MISSING = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"


async def serve(products: int) -> None:
    """Serve until standard input ends."""
    answers = pages(products)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Server(answers), "127.0.0.1", 0)
    print(f"127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
