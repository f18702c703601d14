"""One embedded shop as a real HTTP server on loopback: `python -m demo.server --shop shop-a …`.

Serves the shop's pages on two ports, one for each of its hosts, writes the ports it got to the
ready file and a line for every request to the log. It ends when its standard input does, so it
never outlives the process that started it, or after `--max-seconds`.
"""

import argparse
import asyncio
import contextlib
import errno
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from aiohttp import web

from demo.access_log import Access, read_access_log
from demo.catalogue import build_catalogue
from demo.pages import Page, ShopAddresses
from demo.shop_a import ShopA
from demo.shop_b import ShopB

_LOOPBACK = "127.0.0.1"
PORT_IN_USE = 3
_BIND_SECONDS = 2.0
_CLOSE_SECONDS = 0.5
HOSTS = {"shop-a": ("main", "outlet"), "shop-b": ("main", "images")}


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to stop; returns 0, or 3 where a port is in use."""
    options = _parser().parse_args(arguments)
    ports = [int(port) for port in options.ports.split(",")]
    try:
        sockets = [_listen(port) for port in ports]
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        sys.stderr.write(f"{error.strerror}\n")
        return PORT_IN_USE
    shop = _shop(options, [_port(listener) for listener in sockets])
    with options.log.open("a", encoding="utf-8", buffering=1) as log:
        asyncio.run(_serve(shop, sockets, log, options))
    return 0


class _Handler:
    """Answers requests of one shop; remembers only which throttled paths were asked for."""

    def __init__(
        self, shop: ShopA | ShopB, hosts: dict[int, str], log: IO[str], told: frozenset[str]
    ) -> None:
        self._respond = shop.respond
        self._hosts = hosts
        # A path that was told to wait before a restart is not told again.
        self._throttled = {place for place in shop.throttled() if place[1] not in told}
        self._log = log
        # Two threads: drawing releases the interpreter lock for most of its time.
        self._pool = ThreadPoolExecutor(2)

    async def answer(self, request: web.Request) -> web.Response:
        """The shop's page for a request, logged."""
        port = request.get_extra_info("sockname")[1]
        host = self._hosts[port]
        if (host, request.path) in self._throttled:
            self._throttled.remove((host, request.path))
            page = Page(429, "text/plain", b"too many requests\n", (("Retry-After", "1"),))
        else:
            loop = asyncio.get_running_loop()
            page = await loop.run_in_executor(self._pool, self._respond, host, request.path_qs)
        agent = request.headers.get("User-Agent", "")
        access = Access(time.monotonic(), port, request.path_qs, page.status, agent)
        self._log.write(access.line())
        headers = {"Content-Type": page.content_type, **dict(page.headers)}
        return web.Response(status=page.status, headers=headers, body=page.body)


def _shop(options: argparse.Namespace, ports: Sequence[int]) -> ShopA | ShopB:
    catalogue = build_catalogue(options.products, options.seed)
    first, second = (f"http://{_LOOPBACK}:{port}" for port in ports)
    # A shop links to its own hosts alone, so the other shop's addresses stay empty.
    if options.shop == "shop-a":
        return ShopA(catalogue, ShopAddresses(first, second, "", "", options.log, options.log))
    return ShopB(catalogue, ShopAddresses("", "", first, second, options.log, options.log))


async def _serve(
    shop: ShopA | ShopB, sockets: Sequence[socket.socket], log: IO[str], options: argparse.Namespace
) -> None:
    """Serve on all sockets until standard input ends or the time is over."""
    ports = [_port(listener) for listener in sockets]
    hosts = dict(zip(ports, HOSTS[options.shop], strict=True))
    told = frozenset(a.path for a in read_access_log(options.log) if a.status == 429)
    handler = _Handler(shop, hosts, log, told)
    application = web.Application()
    application.router.add_get("/{path:.*}", handler.answer)
    # Whoever asked is gone: aiohttp's 60 s for open connections would only hold the ports.
    runner = web.AppRunner(
        application, access_log=None, handle_signals=False, shutdown_timeout=_CLOSE_SECONDS
    )
    await runner.setup()
    for listener in sockets:
        await web.SockSite(runner, listener).start()
    _write_ready(options.ready_file, ports)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    watcher = threading.Thread(target=_watch_stdin, args=(loop, stopped), daemon=True)
    watcher.start()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stopped.wait(), options.max_seconds)
    await runner.cleanup()


def _watch_stdin(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    """Set `stopped` once standard input ends: whoever started the shop is gone.

    Reads the descriptor itself: a thread inside the buffered reader would hold its lock when the
    interpreter shuts down after `--max-seconds`.
    """
    while os.read(0, 4096):
        pass
    # The loop is closed already where the time was over first.
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(stopped.set)


def _write_ready(path: Path, ports: Sequence[int]) -> None:
    """Write the ports in one step, so that no reader sees half a file."""
    draft = path.with_suffix(".part")
    draft.write_text(json.dumps({"ports": list(ports)}), encoding="utf-8")
    draft.replace(path)


def _listen(port: int) -> socket.socket:
    """A listening socket on loopback; port 0 takes any free one.

    Waits a little for a port in use: a shop whose parent was killed a moment ago still holds it.
    Raises OSError (EADDRINUSE) where it stays in use.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    # A shop started again on its ports must not wait for old connections to time out.
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    deadline = time.monotonic() + _BIND_SECONDS
    while True:
        try:
            listener.bind((_LOOPBACK, port))
            listener.listen(128)
            return listener
        except OSError as error:
            if error.errno != errno.EADDRINUSE or time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _port(listener: socket.socket) -> int:
    return int(listener.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m demo.server", description=__doc__)
    parser.add_argument("--shop", choices=sorted(HOSTS), required=True)
    parser.add_argument("--products", type=int, default=2000, help="of both shops together")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ports", default="0,0", help="two ports, 0 for any free one")
    parser.add_argument("--ready-file", type=Path, required=True, help="gets the ports as JSON")
    parser.add_argument("--log", type=Path, required=True, help="access log, JSON lines")
    parser.add_argument("--max-seconds", type=float, default=1800.0)
    return parser


if __name__ == "__main__":
    sys.exit(main())
