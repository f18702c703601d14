"""Bodies without their content coding: gzip, deflate, br, one over the other, within a bound.

Pure, and used alike for live answers, captures and WARC files, so that all are read as one.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable

import brotli

ACCEPT_ENCODING = "gzip, deflate, br"
MAX_CODINGS = 4
MAX_MEMBERS = 16_384  # of one gzip stream; a member of nothing takes 20 bytes and a new inflater
_PIECE_BYTES = 16 * 1024
_GZIP, _GZIP_START = 31, b"\x1f\x8b"
# Not codings, but seen in their place.
_NONE = frozenset({"", "identity", "none", "utf-8", "utf8", "8bit", "binary"})


class BodyFault(Exception):
    """A body that cannot be decoded; `outcome` is `bad_coding` or `too_large`."""

    def __init__(self, outcome: str, words: str) -> None:
        super().__init__(words)
        self.outcome = outcome


def decoded(headers: Iterable[tuple[str, str]], body: bytes, max_bytes: int) -> bytes:
    """The body with its Content-Encoding undone, of at most `max_bytes`. Raises BodyFault."""
    named = [value for name, value in headers if name.lower() == "content-encoding"]
    codings = [word.strip().lower() for value in named for word in value.split(",")]
    codings = [word for word in codings if word not in _NONE]
    if len(codings) > MAX_CODINGS:
        raise BodyFault(
            "bad_coding", f"expected at most {MAX_CODINGS} content codings, got {len(codings)}"
        )
    for coding in reversed(codings):
        if not body:
            break  # as redirects have it: a coding of nothing at all
        undo = _CODINGS.get(coding)
        if undo is None:
            raise BodyFault(
                "bad_coding", f"expected one of {', '.join(sorted(_CODINGS))}, got {coding[:40]!r}"
            )
        try:
            body = undo(body, max_bytes)
        except (zlib.error, brotli.error) as error:
            raise BodyFault("bad_coding", f"expected {coding}, got {error}") from error
    if len(body) > max_bytes:
        raise BodyFault("too_large", f"expected at most {max_bytes} bytes, got {len(body)}")
    return body


def _inflated(body: bytes, max_bytes: int, window: int) -> bytes:
    """The stream, of gzip all its members; what follows is no part of it."""
    out, view, at = bytearray(), memoryview(body), 0
    for _ in range(MAX_MEMBERS):
        member = zlib.decompressobj(window)
        while not member.eof:
            # In pieces: zlib copies what is left of its input at every member's end.
            piece = view[at : at + _PIECE_BYTES]
            if not piece:
                raise zlib.error("a stream that is cut off")
            out += member.decompress(piece, max_bytes + 1 - len(out))
            if len(out) > max_bytes:
                raise BodyFault(
                    "too_large", f"expected at most {max_bytes} bytes without its coding"
                )
            at += len(piece) - len(member.unused_data)
        if window != _GZIP or view[at : at + 2] != _GZIP_START:
            return bytes(out)
    raise zlib.error(f"more than {MAX_MEMBERS} members")


def _gunzip(body: bytes, max_bytes: int) -> bytes:
    # Archives often keep the header over a body that was decoded before it was stored.
    return _inflated(body, max_bytes, _GZIP) if body[:2] == _GZIP_START else body


def _inflate(body: bytes, max_bytes: int) -> bytes:
    """RFC 9110 means a zlib stream; many servers send a bare one."""
    try:
        return _inflated(body, max_bytes, 15)
    except zlib.error:
        return _inflated(body, max_bytes, -15)


def _unbrotli(body: bytes, max_bytes: int) -> bytes:
    stream = brotli.Decompressor()
    out = bytearray(stream.process(body, output_buffer_limit=max_bytes + 1))
    while len(out) <= max_bytes and not stream.can_accept_more_data():
        out += stream.process(b"", output_buffer_limit=max_bytes + 1 - len(out))
    if len(out) > max_bytes:
        raise BodyFault("too_large", f"expected at most {max_bytes} bytes without its coding")
    if not stream.is_finished():
        raise brotli.error("a stream that is cut off")
    return bytes(out)


_CODINGS: dict[str, Callable[[bytes, int], bytes]] = {
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _inflate,
    "br": _unbrotli,
}
