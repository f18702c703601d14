"""A wide, plain shop in a process of its own: `python -m tests.integration.wide_shop PRODUCTS`.

Serves five categories in grids of twenty on a free port of loopback, prints the port, and ends
with its standard input. It counts what it is asked (`/-/asked`, emptied by `/-/forget`), so that
a test can say what a crawler asked twice; it survives every kill of that crawler.
"""

from __future__ import annotations

import asyncio
import os
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import aiohttp
from aiohttp import web

from tests.crawler.shop import tile
from tests.integration.commands import REPOSITORY

CATEGORIES = 5
PER_PAGE = 20


def is_missing(number: int) -> bool:
    """Its page is gone (404); its tile still stands in the grids."""
    return number % 17 == 16


def is_busy(number: int) -> bool:
    """Its page answers 503 to the first request."""
    return number % 97 == 50


def category_of(number: int) -> set[int]:
    """A product lies in one category, every seventh in two."""
    first = number % CATEGORIES
    return {first, (first + 1) % CATEGORIES} if number % 7 == 0 else {first}


def _navigation() -> str:
    links = (f'<a href="/c/{n}.html">Category {n}</a>' for n in range(CATEGORIES))
    return f"<nav>{''.join(links)}</nav>"


def _grid(products: int, category: int, page: int) -> str:
    inside = [n for n in range(products) if category in category_of(n)]
    tiles = "".join(map(tile, inside[page * PER_PAGE : (page + 1) * PER_PAGE]))
    more = (page + 1) * PER_PAGE < len(inside)
    following = (
        f'<a class="next" href="/c/{category}.html?page={page + 1}">next</a>' if more else ""
    )
    return f"{_navigation()}<ul>{tiles}</ul>{following}"


def _product(number: int) -> str:
    # Words that do not compress away, so that the captures fill more than one file.
    words = random.Random(number).randbytes(400).hex()
    return (
        f'{_navigation()}<h1>Product {number} &amp; co</h1><img class="main" src="/i/{number}.jpg">'
        f"<p>{words}</p>"
    )


class _Handler:
    def __init__(self, products: int) -> None:
        self._products = products
        self._asked: Counter[str] = Counter()

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path_qs
        if path == "/-/asked":
            return web.json_response(self._asked)
        if path == "/-/forget":
            self._asked.clear()
            return web.Response()
        self._asked[path] += 1
        name = request.path.removesuffix(".html").rpartition("/")[2]
        if request.path == "/":
            return self._page(_navigation())
        if not name.isdigit():
            return web.Response(status=404)
        number = int(name)
        if request.path.startswith("/c/"):
            return self._page(_grid(self._products, number, int(request.query.get("page", 0))))
        if is_missing(number):
            return web.Response(status=404)
        if is_busy(number) and self._asked[path] == 1:
            return web.Response(status=503)
        return self._page(_product(number))

    def _page(self, body: str) -> web.Response:
        return web.Response(text=body, content_type="text/html")


async def _serve(products: int) -> None:
    application = web.Application()
    application.router.add_get("/{path:.*}", _Handler(products).answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.2)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def watch() -> None:
        while os.read(0, 4096):
            pass
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=watch, daemon=True).start()
    await ended.wait()
    await runner.cleanup()


@dataclass(frozen=True)
class WideShop:
    """The running shop, seen from outside."""

    host: str
    products: int

    def asked(self) -> Counter[str]:
        """How often each path was asked for since the last `forget`."""
        return Counter(self._get("/-/asked"))

    def forget(self) -> None:
        """Start counting anew."""
        self._get("/-/forget")

    def _get(self, path: str) -> dict[str, int]:
        async def get() -> dict[str, int]:
            async with (
                aiohttp.ClientSession() as session,
                session.get(f"http://{self.host}{path}") as answer,
            ):
                return await answer.json() if answer.content_type == "application/json" else {}

        return asyncio.run(get())


@contextmanager
def running_wide_shop(products: int) -> Iterator[WideShop]:
    """The shop, until the context ends."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.integration.wide_shop", str(products)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "the shop did not start"
        yield WideShop(f"127.0.0.1:{port}", products)
        process.communicate()
    assert process.returncode == 0


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1])))
