"""A tiny real shop on loopback whose answers a test chooses, with a log of what was asked."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Headers = Mapping[str, str]
Answer = tuple[int, Headers, bytes]
HTML = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Shop:
    """Answers by path; a path without one is 404. `asked` holds (seconds, path) in order."""

    host: str = ""
    answers: dict[str, Answer | Callable[[int], Answer]] = field(default_factory=dict)
    asked: list[tuple[float, str]] = field(default_factory=list)
    heard: dict[str, Headers] = field(default_factory=dict)  # the last request's, by path
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base_url(self) -> str:
        return f"http://{self.host}"

    def page(self, path: str, body: str, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[path] = (200, {**HTML, **named}, body.encode())

    def paths(self) -> list[str]:
        return [path for _, path in self.asked]

    def answer(self, path: str, headers: Headers | None = None) -> Answer:
        with self.lock:
            self.heard[path] = headers or {}
            times = sum(asked == path for _, asked in self.asked)
            self.asked.append((time.monotonic(), path))
        found = self.answers.get(path, (404, HTML, b"not found"))
        return found(times) if callable(found) else found


@contextmanager
def running_shop() -> Iterator[Shop]:
    """A shop that serves until the context ends."""
    shop = Shop()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, headers, body = shop.answer(self.path, dict(self.headers))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            if int(headers.get("Content-Length", len(body))) != len(body):
                self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            """Quiet."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 64  # with 5 a connection may have to knock twice, a second apart

    server = Server(("127.0.0.1", 0), Handler)
    shop.host = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def tile(number: int) -> str:
    return (
        f'<li class="t"><a href="/p/{number}.html">Title {number}</a><img src="/i/{number}"></li>'
    )


SITE_FILE = """
category_from_links = true
extractors = ["jsonld", "selectors"]

[url]
product = '/p/\\d+\\.html$'
product_id = '/p/(\\d+)\\.html$'

[links]
category = ["nav a"]
next = ["a.next"]
product = [".t a"]

[listing]
tile = ".t"
url = ["a::attr(href)"]
title = ["a"]
image = ["img::attr(src)"]

[product]
title = ["h1"]
image = ["img.main::attr(src)"]
category_path = [".crumbs li"]
"""
