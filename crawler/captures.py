"""Captures: every answer that counted, as WARC response records in rotating `.warc.gz` files.

Each record is a gzip member of its own, so that an offset is enough to read one. A file is named
`.open` while it is written; what a killed process left behind no committed page names it by.
"""

from __future__ import annotations

import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from io import FileIO
from pathlib import Path

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from runtime.storage import explain_os_error, fsync_folder
from runtime.version import SOFTWARE, VERSION

# Secrets and session state never reach a capture; framing headers no longer describe the payload.
DROPPED_HEADERS = frozenset({"set-cookie", "set-cookie2", "transfer-encoding", "connection"})
OPEN_SUFFIX = ".open"


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came, content encoding untouched."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    received_at: datetime


@dataclass(frozen=True)
class CapturePlace:
    """Where a WARC record lies: file name, byte offset and compressed length."""

    file: str
    offset: int
    length: int


def _member(data: bytes, level: int) -> bytes:
    """One gzip member without a time stamp."""
    compressor = zlib.compressobj(level, zlib.DEFLATED, 31)
    return compressor.compress(data) + compressor.flush()


class CaptureWriter:
    """Appends answers to the current file of one site."""

    def __init__(
        self, folder: Path, site: str, config_digest: str, *, level: int, max_bytes: int
    ) -> None:
        self.folder, self.site, self.level, self.max_bytes = folder, site, level, max_bytes
        self._config_digest = config_digest
        self._stream: FileIO | None = None
        self._name = ""
        self._number = self._next_number()

    def _next_number(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        return max((number for number, _ in _files(self.folder, self.site)), default=-1) + 1

    def _open(self) -> FileIO:
        if self._stream is None:
            self._name = f"{self.site}-{self._number:05d}.warc.gz"
            self._number += 1
            # Unbuffered: what a full disk refused must not be tried again when the file closes.
            self._stream = (self.folder / (self._name + OPEN_SUFFIX)).open("xb", buffering=0)
            _append(self._stream, _member(self._warcinfo(), self.level))
        return self._stream

    def _warcinfo(self) -> bytes:
        buffer = io.BytesIO()
        writer = WARCWriter(buffer, gzip=False)
        fields = {
            "software": f"{SOFTWARE}/{VERSION}",
            "format": "WARC File Format 1.1",
            "mep3m-config": self._config_digest,
            "mep3m-normalised": f"headers left out: {', '.join(sorted(DROPPED_HEADERS))}; "
            "header names in the order received; chunked transfer coding undone",
        }
        writer.write_record(writer.create_warcinfo_record(self._name, fields))
        return buffer.getvalue()

    def write(self, answer: Answer) -> CapturePlace:
        """Append one answer and hand it to the operating system; returns its place."""
        try:
            stream = self._open()
            offset = stream.tell()
            _append(stream, member := _member(_record(answer), self.level))
        except OSError as error:
            raise explain_os_error(error, self.folder / self._name) from error
        place = CapturePlace(self._name, offset, len(member))
        if offset + len(member) >= self.max_bytes:
            self.close()
        return place

    def close(self) -> None:
        """Finish the current file: fsync, then its final name."""
        stream, self._stream = self._stream, None
        if stream is None:
            return
        try:
            with stream:
                os.fsync(stream.fileno())
            (self.folder / (self._name + OPEN_SUFFIX)).replace(self.folder / self._name)
            fsync_folder(self.folder)
        except OSError as error:
            raise explain_os_error(error, self.folder / self._name) from error


def _append(stream: FileIO, data: bytes) -> None:
    """Write all of `data`, or leave the file as long as it was."""
    start = stream.tell()
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[stream.write(rest) :]
    except OSError:
        stream.truncate(start)
        stream.seek(start)
        raise


def _files(folder: Path, site: str) -> Iterator[tuple[int, Path]]:
    """Number and path of the site's capture files; site `a` has none of site `a-b`'s."""
    name = re.compile(rf"{re.escape(site)}-(\d+)\.warc\.gz({re.escape(OPEN_SUFFIX)})?")
    for path in sorted(folder.glob(f"{site}-*")):
        match = name.fullmatch(path.name)
        if match:
            yield int(match[1]), path


def _record(answer: Answer) -> bytes:
    buffer = io.BytesIO()
    writer = WARCWriter(buffer, gzip=False, warc_version="WARC/1.1")
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    kept = [(k, v) for k, v in answer.headers if k.lower() not in DROPPED_HEADERS]
    moment = answer.received_at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    record = writer.create_warc_record(
        answer.url,
        "response",
        payload=io.BytesIO(answer.body),
        http_headers=StatusAndHeaders(f"{answer.status} {phrase}", kept, protocol="HTTP/1.1"),
        warc_headers_dict={"WARC-Date": moment},
    )
    writer.write_record(record)
    return buffer.getvalue()


def repair(folder: Path, site: str, ends: Iterable[tuple[str, int]]) -> set[str]:
    """Finish the files that a killed process left open; returns the names whose bytes are short.

    `ends` gives, for each file that committed pages name, the end of its last named record: what
    lies behind it was never committed and is cut off. A file that ends earlier lost data (a
    power failure), and its pages have to be fetched again.
    """
    short = set()
    named = dict(ends)
    for _, path in _files(folder, site):
        name = path.name.removesuffix(OPEN_SUFFIX)
        if name == path.name:
            continue
        if name not in named:
            path.unlink()
            continue
        with path.open("r+b") as stream:
            stream.truncate(min(named[name], path.stat().st_size))
            os.fsync(stream.fileno())
        path.replace(folder / name)
    for name, end in named.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size < end:
            short.add(name)
    return short
