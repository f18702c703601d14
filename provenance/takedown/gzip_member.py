"""A gzip member of a given length, to stand where a purged capture was.

Every record behind it keeps its offset. It holds a small WARC record that says what happened, and
its comment field is padded; where that does not fit, it holds nothing.
"""

from __future__ import annotations

import base64
import hashlib
import zlib

_HEADER = b"\x1f\x8b\x08\x10\x00\x00\x00\x00\x02\xff"  # deflate, with a comment, no time, Unix
_NOTE = b"mep3m: purged by a takedown\r\n"
PURGED_TYPE = "application/x-mep3m-purged"
"""Content-Type of the record that stands for a purged capture."""


def purged_record(at: str) -> bytes:
    """The WARC record that says that a capture was purged on `at`, a date."""
    sha1 = hashlib.sha1(_NOTE, usedforsecurity=False)
    lines = (
        "WARC/1.1",
        "WARC-Type: metadata",
        f"WARC-Date: {at}T00:00:00Z",
        "WARC-Record-ID: <urn:uuid:00000000-0000-4000-8000-000000000000>",
        f"Content-Type: {PURGED_TYPE}",
        f"WARC-Block-Digest: sha1:{base64.b32encode(sha1.digest()).decode()}",
        f"Content-Length: {len(_NOTE)}",
        "",
        "",
    )
    return "\r\n".join(lines).encode() + _NOTE + b"\r\n\r\n"


def member_of_length(content: bytes, length: int) -> bytes:
    """A gzip member of exactly `length` bytes with the content, or with none where it is too long.

    Raises ValueError below 21 bytes, where no member has a comment.
    """
    for data in (content, b""):
        compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
        body = compressor.compress(data) + compressor.flush()
        check = zlib.crc32(data).to_bytes(4, "little") + len(data).to_bytes(4, "little")
        room = length - len(_HEADER) - 1 - len(body) - len(check)
        if room >= 0:
            return _HEADER + b" " * room + b"\x00" + body + check
    raise ValueError(f"expected room for a gzip member, 21 bytes or more, got {length}")
