"""One capture read back: the answer as it was recorded, for reading its page again."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from crawler.captures import Answer

Headers = tuple[tuple[str, str], ...]
_HEAD_END = re.compile(rb"\r?\n\r?\n")
_FOLD = re.compile(rb"\r?\n[ \t]+")


def read_answer(path: Path, offset: int) -> Answer:
    """The answer of the WARC record at `offset`, its content coding untouched.

    Raises OSError or ValueError when there is no whole response at that place.
    """
    with path.open("rb") as stream:
        stream.seek(offset)
        for record in ArchiveIterator(stream, parse_http=False, auto_decode="none"):
            if record.record_type != WarcRecordType.response:
                break
            block = record.reader.read()
            if len(block) != record.content_length:
                raise ValueError(f"expected {record.content_length} bytes, got {len(block)}")
            status, headers, body = parse_answer(block)
            date = datetime.fromisoformat(record.headers["WARC-Date"])
            return Answer(record.headers["WARC-Target-URI"], status, headers, body, date)
    raise ValueError(f"expected a response record at {offset}, found none")


def parse_answer(block: bytes) -> tuple[int, Headers, bytes]:
    """Status, headers and body of an HTTP answer; headers as Latin-1, which keeps every byte.

    Raises ValueError for a block that is none.
    """
    end = _HEAD_END.search(block)
    head, body = (block, b"") if end is None else (block[: end.start()], block[end.end() :])
    first, *lines = _FOLD.sub(b" ", head).splitlines()
    version, _, rest = first.partition(b" ")
    status = rest.strip()[:3]
    if not version.startswith(b"HTTP/") or not status.isdigit():
        raise ValueError(f"expected an HTTP answer, got {first[:40]!r}")
    pairs = (line.partition(b":") for line in lines if b":" in line)
    return (
        int(status),
        tuple((k.decode("latin-1").strip(), v.decode("latin-1").strip()) for k, _, v in pairs),
        body,
    )
