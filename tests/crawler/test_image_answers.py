"""What hostile picture servers do, and the outcome that each of it ends as."""

from __future__ import annotations

import gzip
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from tests.crawler.image_runs import Album, outcomes, rows_of
from tests.crawler.shop import Shop, running_shop
from tests.crawler.test_live import jpeg

JPEG = {"Content-Type": "image/jpeg"}
MIB = 1024 * 1024
OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n"


def _drip() -> Iterator[bytes]:
    yield OK + b"Content-Length: 100000\r\n\r\n"
    for _ in range(200):
        time.sleep(0.05)
        yield b"\xff"


def _endless() -> Iterator[bytes]:
    yield OK + b"\r\n"
    for _ in range(4096):
        yield b"\xff" * 65536


RAW: dict[str, tuple[Callable[[], Iterator[bytes]], str]] = {
    "/drip": (_drip, "timeout"),
    "/endless": (_endless, "too_large"),
    "/huge": (lambda: iter([OK + b"Content-Length: 99999999999\r\n\r\n"]), "too_large"),
    "/short": (lambda: iter([OK + b"Content-Length: 5000\r\n\r\n\xff\xd8\xff"]), "incomplete"),
    "/nothing": (lambda: iter([b""]), "connection_lost"),
    "/garbage": (lambda: iter([b"\x00\x01\x02 no HTTP\r\n\r\n"]), "bad_answer"),
    "/head": (lambda: iter([OK + b"X: " + b"x" * 99_999 + b"\r\n\r\n"]), "bad_answer"),
    "/empty": (lambda: iter([OK + b"Content-Length: 0\r\n\r\n"]), "empty"),
}


@contextmanager
def raw_server() -> Iterator[str]:
    """Answers each path of RAW and closes."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            path = self.rfile.readline().split(b" ")[1].decode()
            while self.rfile.readline().strip():
                pass
            missing = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            parts = RAW[path][0]() if path in RAW else iter([missing])
            with suppress(OSError):
                for part in parts:
                    self.wfile.write(part)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        request_queue_size = 64  # with 5 a connection may have to knock twice, a second apart

    with Server(("127.0.0.1", 0), Handler) as server:
        server.block_on_close = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_every_hostile_answer_has_a_name(tmp_path: Path) -> None:
    with raw_server() as host:
        album = Album(tmp_path, [Shop(host=host)], {"timeout": 3.0, "max_attempts": 1})
        run = album.new_run(*(f"http://{host}{path}" for path in RAW))
        began = time.monotonic()
        album.fetch(run)
        assert time.monotonic() - began < 30
    assert outcomes(run) == {path: [outcome] for path, (_, outcome) in RAW.items()}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


@pytest.mark.parametrize(
    ("headers", "body", "outcome"),
    [
        (JPEG, b"<html>Not found</html>", "not_an_image"),
        (JPEG, b"x" * (MIB + 1), "too_large"),
        ({**JPEG, "Content-Encoding": "gzip"}, gzip.compress(b"\xff\xd8\xff" + b"\0" * 5 * MIB),
         "too_large"),
        ({**JPEG, "X-Robots-Tag": "noai"}, jpeg(1), "opted_out"),
    ],
)  # fmt: skip
def test_a_body_that_is_no_use_is_named(
    shop: Shop, tmp_path: Path, headers: dict[str, str], body: bytes, outcome: str
) -> None:
    shop.answers["/i"] = (200, headers, body)
    album = Album(tmp_path, [shop])
    run = album.new_run(f"{shop.base_url}/i")
    assert album.fetch(run) == {f"images.{outcome}": 1}
    (row,) = rows_of(run)
    assert row["image"] is None


def test_a_lying_content_type_is_recorded_and_a_coding_nobody_asked_for_undone(
    shop: Shop, tmp_path: Path
) -> None:
    shop.answers["/lie"] = (200, {"Content-Type": "image/png"}, jpeg(1))
    shop.answers["/zip"] = (200, {**JPEG, "Content-Encoding": "gzip"}, gzip.compress(jpeg(2)))
    album = Album(tmp_path, [shop])
    run = album.new_run(f"{shop.base_url}/lie", f"{shop.base_url}/zip")
    assert album.fetch(run) == {"images.ok": 2}
    rows = {row["image_url"].rpartition("/")[2]: row for row in rows_of(run)}
    assert (rows["lie"]["content_type"], rows["lie"]["sniffed_type"]) == ("image/png", "image/jpeg")
    assert rows["lie"]["image"] == jpeg(1)
    assert rows["zip"]["image"] == jpeg(2)


def test_redirects_within_a_host_end_and_lead_to_no_private_address(
    shop: Shop, tmp_path: Path
) -> None:
    shop.answers["/loop"] = (302, {"Location": "/loop"}, b"")
    shop.answers["/inside"] = (302, {"Location": "http://169.254.169.254/latest"}, b"")
    shop.answers["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    album = Album(tmp_path, [shop])
    names = ("loop", "inside", "file")
    run = album.new_run(*(f"{shop.base_url}/{name}" for name in names), "ftp://h/i")
    assert album.fetch(run) == {"images.redirect_loop": 1, "images.refused_address": 3}


def test_only_what_is_worth_it_is_tried_again_and_retry_after_is_kept(
    shop: Shop, tmp_path: Path
) -> None:
    def busy(times: int) -> tuple[int, dict[str, str], bytes]:
        return (200, JPEG, jpeg(1)) if times else (503, {"Retry-After": "1"}, b"")

    shop.answers["/busy"] = busy
    album = Album(tmp_path, [shop], {"max_attempts": 3})
    run = album.new_run(f"{shop.base_url}/busy", f"{shop.base_url}/gone")
    assert album.fetch(run) == {"images.http_404": 1, "images.ok": 1}
    assert shop.paths().count("/gone") == 1
    first, second = (moment for moment, path in shop.asked if path == "/busy")
    assert second - first >= 1.0
