"""Captures: every answer that counted, as WARC response records in rotating `.warc.gz` files.

Each record is a gzip member of its own, so that an offset is enough to read one. A file is named
`.open` while it is written, and verified before it gets its name, which no other run uses; what a
killed process left behind no committed page names it by.
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import uuid
import zlib
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from io import FileIO
from pathlib import Path

from fastwarc.warc import ArchiveIterator

from runtime import clock
from runtime.errors import WorkspaceError
from runtime.storage import explain_os_error, fsync_folder
from runtime.version import SOFTWARE, VERSION

# Secrets and session state never reach a capture; framing headers no longer describe the payload.
DROPPED_HEADERS = frozenset({"set-cookie", "set-cookie2", "transfer-encoding", "connection"})
OPEN_SUFFIX = ".open"
CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Answer:
    """An HTTP answer as it came, content encoding untouched."""

    url: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    received_at: datetime

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((v for k, v in self.headers if k.lower() == name.lower()), None)


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
        # Verifying a full file takes seconds, which the next pages need not wait for.
        self._finishing = ThreadPoolExecutor(1)
        self._finished: list[Future[None]] = []

    def _next_number(self) -> int:
        self.folder.mkdir(parents=True, exist_ok=True)
        return max((number for number, _ in own_files(self.folder, self.site)), default=-1) + 1

    def _open(self) -> FileIO:
        if self._stream is None:
            run = self.folder.resolve().parent.name
            self._name = f"{self.site}-{run}-{self._number:05d}.warc.gz"
            self._number += 1
            # Unbuffered: what a full disk refused must not be tried again when the file closes.
            self._stream = (self.folder / (self._name + OPEN_SUFFIX)).open("xb", buffering=0)
            _append(self._stream, _member(self._warcinfo(), self.level))
        return self._stream

    def _warcinfo(self) -> bytes:
        fields = {
            "software": f"{SOFTWARE}/{VERSION}",
            "format": "WARC File Format 1.1",
            "mep3m-config": self._config_digest,
            "mep3m-normalised": f"headers left out: {', '.join(sorted(DROPPED_HEADERS))}; "
            "header names and values as received, in their order; transfer coding undone, "
            "content coding kept",
        }
        block = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        now = clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return _record(
            {"WARC-Type": "warcinfo", "WARC-Date": now, "WARC-Filename": self._name,
             "Content-Type": "application/warc-fields"},
            block,
        )  # fmt: skip

    def member(self, answer: Answer) -> bytes:
        """The answer's record, compressed; may be called from any thread."""
        return _member(_response(answer), self.level)

    def write(self, answer: Answer) -> CapturePlace:
        """Append one answer and hand it to the operating system; returns its place."""
        return self.append(self.member(answer))

    def append(self, member: bytes) -> CapturePlace:
        """The same with what `member` made."""
        try:
            stream = self._open()
            offset = stream.tell()
            _append(stream, member)
        except OSError as error:
            raise explain_os_error(error, self.folder / self._name) from error
        place = CapturePlace(self._name, offset, len(member))
        if offset + len(member) >= self.max_bytes:
            self._rotate()
        self._raise_faults(wait=False)
        return place

    def _rotate(self) -> None:
        """The current file is full; the next answer begins another one."""
        stream, self._stream = self._stream, None
        if stream is not None:
            path = self.folder / self._name
            self._finished.append(self._finishing.submit(_finish, stream, path))

    def _raise_faults(self, *, wait: bool) -> None:
        """Raise what went wrong with a file that was finished meanwhile."""
        done = [future for future in self._finished if wait or future.done()]
        self._finished = [future for future in self._finished if future not in done]
        for future in done:
            future.result()

    def close(self) -> None:
        """Finish every file: fsync, every record verified, then its final name.

        Raises WorkspaceError for a file that does not hold what was written; its pages are
        queued again when the crawl goes on.
        """
        self._rotate()
        self._raise_faults(wait=True)


def _finish(stream: FileIO, path: Path) -> None:
    """Give a written file its final name, if it holds what was written."""
    try:
        with stream:
            os.fsync(stream.fileno())
        written = path.with_name(path.name + OPEN_SUFFIX)
        good = verified_end(written)
        if good < written.stat().st_size:
            raise WorkspaceError(
                f"{written}: expected the record at {good} as it was written, got another; "
                "check the disk and run again"
            )
        written.replace(path)
        fsync_folder(path.parent)
    except OSError as error:
        raise explain_os_error(error, path) from error


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


def own_files(folder: Path, site: str) -> Iterator[tuple[int, Path]]:
    """Number and path of the run's own capture files; site `a` has none of site `a-b`'s."""
    run = re.escape(folder.resolve().parent.name)
    name = re.compile(rf"{re.escape(site)}-{run}-(\d+)\.warc\.gz({re.escape(OPEN_SUFFIX)})?")
    for path in sorted(folder.glob(f"{site}-*")):
        match = name.fullmatch(path.name)
        if match:
            yield int(match[1]), path


def _response(answer: Answer) -> bytes:
    """A WARC response record with the answer, byte for byte but for what is left out."""
    try:
        phrase = HTTPStatus(answer.status).phrase
    except ValueError:
        phrase = "Unknown"
    kept = [f"{k}: {v}" for k, v in answer.headers if k.lower() not in DROPPED_HEADERS]
    head = "\r\n".join([f"HTTP/1.1 {answer.status} {phrase}", *kept, "", ""])
    return _record(
        {
            "WARC-Type": "response",
            "WARC-Target-URI": answer.url,
            "WARC-Date": answer.received_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "WARC-Payload-Digest": _digest(answer.body),
            "Content-Type": "application/http; msgtype=response",
        },
        head.encode("latin-1", "replace") + answer.body,
    )


def _record(headers: dict[str, str], block: bytes) -> bytes:
    """A WARC 1.1 record (ISO 28500:2017)."""
    named = {
        **headers,
        "WARC-Block-Digest": _digest(block),
        "WARC-Record-ID": f"<urn:uuid:{uuid.uuid4()}>",
    }
    lines = [f"{name}: {value}" for name, value in named.items()]
    head = "\r\n".join(["WARC/1.1", *lines, f"Content-Length: {len(block)}", "", ""])
    return head.encode() + block + b"\r\n\r\n"


def _digest(data: bytes) -> str:
    """As WARC files name it: SHA-1 in base 32."""
    sha1 = hashlib.sha1(data, usedforsecurity=False)
    return f"sha1:{base64.b32encode(sha1.digest()).decode()}"


def verified_end(path: Path) -> int:
    """Where the first record begins that is damaged or cut; the file's size when all are whole.

    Every gzip member passes its checksum and holds one record that FastWARC reads, with the
    digests that it names.
    """
    offset, rest = 0, b""
    with path.open("rb") as stream:
        while data := rest or stream.read(CHUNK_BYTES):
            member, out, used = zlib.decompressobj(31), bytearray(), 0
            try:
                while not member.eof:
                    if not data and not (data := stream.read(CHUNK_BYTES)):
                        return offset
                    out += member.decompress(data)
                    used += len(data)
                    data = b""
            except zlib.error:
                return offset
            rest = member.unused_data
            if not _is_sound(bytes(out)):
                return offset
            offset += used - len(rest)
    return offset


def _is_sound(member: bytes) -> bool:
    records = 0
    for record in ArchiveIterator(io.BytesIO(member), parse_http=False, auto_decode="none"):
        records += 1
        # FastWARC takes what is left of a record for its block: before the HTTP head is parsed.
        if not record.verify_block_digest():
            return False
        if "WARC-Payload-Digest" in record.headers:
            record.parse_http()
            if not record.verify_payload_digest():
                return False
    return records == 1


def repair(folder: Path, site: str, ends: Iterable[tuple[str, int]]) -> set[str]:
    """Finish the files that a killed process left open; returns the names whose bytes are short.

    `ends` gives, for each file that committed pages name, the end of its last named record: what
    lies behind it was never committed and is cut off. A file that ends earlier, or holds a damaged
    record, lost data (a power failure), and the pages behind have to be fetched again.
    """
    short = set()
    named = dict(ends)
    for _, path in own_files(folder, site):
        name = path.name.removesuffix(OPEN_SUFFIX)
        if name == path.name:
            continue
        if name not in named:
            path.unlink()
            continue
        end = min(named[name], verified_end(path))
        with path.open("r+b") as stream:
            stream.truncate(end)
            os.fsync(stream.fileno())
        path.replace(folder / name)
    for name, end in named.items():
        path = folder / name
        if not path.is_file() or path.stat().st_size < end:
            short.add(name)
    return short
