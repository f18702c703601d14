"""WARC files as a source: any spelling, revisits, plain and compressed; damage is refused."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from crawler.archive import Archive, archive_files, build_index, file_digests
from runtime.errors import ConfigError

URL = "http://shop.example/p/1.html"
HTML = "text/html; charset=utf-8"


class Warc:
    """Writes one WARC file."""

    def __init__(self, path: Path, *, compressed: bool = True) -> None:
        self.path = path
        self._stream = path.open("wb")
        self._writer = WARCWriter(self._stream, gzip=compressed, warc_version="WARC/1.1")

    def add(
        self, url: str, body: bytes, *, status: str = "200 OK", date: str = "2026-01-01T00:00:00Z",
        kind: str = HTML, **headers: str,
    ) -> None:  # fmt: skip
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        self._write("response", url, body, status, date, [("Content-Type", kind), *named], {})

    def revisit(self, url: str, of: str, of_date: str, date: str, body: bytes = b"") -> None:
        digest = hashlib.sha1(body).digest()
        warc = {
            "WARC-Refers-To-Target-URI": of,
            "WARC-Refers-To-Date": of_date,
            "WARC-Profile": "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest",
            "WARC-Payload-Digest": "sha1:" + base64.b32encode(digest).decode(),
        }
        headers = [("Content-Type", HTML), ("X-Seen", "again")]
        self._write("revisit", url, b"", "200 OK", date, headers, warc)

    def _write(
        self, kind: str, url: str, body: bytes, status: str, date: str,
        headers: list[tuple[str, str]], warc: dict[str, str],
    ) -> None:  # fmt: skip
        http = StatusAndHeaders(status, headers, protocol="HTTP/1.1")
        record = self._writer.create_warc_record(
            url, kind, payload=io.BytesIO(body), http_headers=http,
            warc_headers_dict={"WARC-Date": date, **warc},
        )  # fmt: skip
        self._writer.write_record(record)

    def close(self) -> Path:
        self._stream.close()
        return self.path


@contextmanager
def indexed(folder: Path, *files: Path) -> Iterator[Archive]:
    build_index(files, folder / "index.sqlite")
    archive = Archive(folder / "index.sqlite")
    try:
        yield archive
    finally:
        archive.close()


@pytest.mark.parametrize(("name", "compressed"), [("a.warc.gz", True), ("a.warc", False)])
def test_answers_come_back_as_they_were_recorded(
    tmp_path: Path, name: str, compressed: bool
) -> None:
    warc = Warc(tmp_path / name, compressed=compressed)
    chunked = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    packed = gzip.compress(b"<h1>packed</h1>")
    warc.add(URL, b"<h1>plain</h1>", X_Robots_Tag="noai")
    warc.add("http://shop.example/chunked", chunked, Transfer_Encoding="chunked")
    warc.add("http://shop.example/packed", packed, Content_Encoding="gzip")
    with indexed(tmp_path, warc.close()) as archive:
        found = archive.find(URL)
        assert found is not None
        answer = archive.read(found, URL, 1000)
        assert (answer.status, answer.body) == (200, b"<h1>plain</h1>")
        assert ("X-Robots-Tag", "noai") in answer.headers
        assert answer.received_at.isoformat() == "2026-01-01T00:00:00+00:00"
        for path, body in (("chunked", b"hello world"), ("packed", packed)):
            url = f"http://shop.example/{path}"
            found = archive.find(url)
            assert found is not None
            assert archive.read(found, url, 1000).body == body
        with pytest.raises(ValueError, match="at most 4 bytes"):
            archive.read(found, url, 4)


def test_the_latest_good_answer_counts_whatever_the_order_of_files(tmp_path: Path) -> None:
    late = Warc(tmp_path / "a.warc.gz")
    late.add(URL, b"late", date="2026-03-01T00:00:00Z")
    late.add(URL, b"gone", status="404 Not Found", date="2026-04-01T00:00:00Z")
    early = Warc(tmp_path / "b.warc.gz")
    early.add(URL, b"early", date="2026-02-01T00:00:00Z")
    files = [late.close(), early.close()]
    for order in (files, files[::-1]):
        with indexed(tmp_path, *order) as archive:
            found = archive.find(URL)
            assert found is not None
            assert archive.read(found, URL, 100).body == b"late"
        (tmp_path / "index.sqlite").unlink()


def test_a_url_is_found_by_any_spelling(tmp_path: Path) -> None:
    warc = Warc(tmp_path / "a.warc.gz")
    warc.add("http://shop.example:80/list?b=2&a=1#top", b"list")
    with indexed(tmp_path, warc.close()) as archive:
        assert archive.hosts() == {"shop.example": 1}
        assert archive.find("http://shop.example:80/list?a=1&b=2") is not None
        assert archive.find("http://shop.example/other") is None


def test_a_revisit_is_the_answer_that_it_repeats(tmp_path: Path) -> None:
    first = Warc(tmp_path / "a.warc.gz")
    first.add(URL, b"same body", date="2026-01-01T00:00:00Z")
    again = Warc(tmp_path / "b.warc.gz")
    again.revisit(URL, URL, "2026-01-01T00:00:00Z", "2026-05-01T00:00:00Z", b"same body")
    copy = "http://shop.example/copy"
    again.revisit(copy, "http://shop.example/unknown", "", "2026-05-02T00:00:00Z", b"same body")
    lost = "http://shop.example/lost"
    again.revisit(lost, lost, "", "2026-05-02T00:00:00Z", b"nowhere else")
    with indexed(tmp_path, first.close(), again.close()) as archive:
        for url, date in ((URL, "2026-05-01"), (copy, "2026-05-02")):
            found = archive.find(url)
            assert found is not None
            answer = archive.read(found, url, 100)
            assert answer.body == b"same body"
            assert answer.received_at.date().isoformat() == date
            assert ("X-Seen", "again") in answer.headers
        assert archive.find(lost) is None


def test_what_is_no_http_answer_is_passed_over(tmp_path: Path) -> None:
    warc = Warc(tmp_path / "a.warc.gz")
    warc.add("dns:shop.example", b"shop.example. 1 IN A 127.0.0.1", kind="text/dns")
    warc.add("urn:x", b"x")
    warc.add(URL, b"page")
    with indexed(tmp_path, warc.close()) as archive:
        assert archive.hosts() == {"shop.example": 1}


@pytest.mark.parametrize("damage", ["cut", "flip", "text", "empty", "one member"])
def test_a_damaged_file_is_refused_by_name(tmp_path: Path, damage: str) -> None:
    warc = Warc(tmp_path / "a.warc.gz", compressed=damage != "one member")
    for number in range(20):
        warc.add(f"http://shop.example/{number}", b"x" * 5000)
    data = warc.close().read_bytes()
    inside = data.find(b"\x1f\x8b", len(data) // 2) + 40  # of a member, behind its header
    damaged = {
        "cut": data[:-300],
        "flip": data[:inside] + bytes([data[inside] ^ 0xFF]) + data[inside + 1 :],
        "text": b"this is no archive\n" * 100,
        "empty": b"",
        "one member": gzip.compress(data),
    }[damage]
    warc.path.write_bytes(damaged)
    refused = r"a\.warc\.gz: expected a (whole )?(WARC file|gzip member)"
    with pytest.raises(ConfigError, match=refused):
        build_index([warc.path], tmp_path / "index.sqlite")
    assert not (tmp_path / "index.sqlite").exists()


def test_patterns_name_files_once_and_must_name_some(tmp_path: Path) -> None:
    for name in ("b.warc.gz", "a.warc.gz"):
        (tmp_path / name).write_bytes(b"x")
    both = archive_files([str(tmp_path / "*.gz"), str(tmp_path / "a.*")])
    assert [path.name for path in both] == ["a.warc.gz", "b.warc.gz"]
    assert file_digests(both)[0]["bytes"] == 1
    with pytest.raises(ConfigError, match="expected WARC files, found none"):
        archive_files([str(tmp_path / "*.warc")])
