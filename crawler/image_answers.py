"""What an answer for a picture means: an outcome's name, and the bytes where it is a picture.

Pure in status, headers and body, and the same for answers from the network and from archives.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from crawler.bodies import BodyFault, decoded
from crawler.http import Headers
from crawler.politeness import opt_out_of
from runtime.imagetypes import sniff
from runtime.optouts import TDM_RESERVATION, forbids

NETWORK, ARCHIVE = "network", "archive"
RETRY_STATUSES = (408, 425, 429, 500, 502, 503, 504)
RETRY_OUTCOMES = frozenset(
    {"timeout", "connection_lost", "connection_refused", "dns", "incomplete"}
    | {f"http_{status}" for status in RETRY_STATUSES}
)
LOST_OUTCOMES = frozenset({"connection_refused", "dns", "timeout"})
# Asked for again when `fetch` is run again. `not_modified` says nothing where the bytes are gone.
AGAIN_OUTCOMES = (
    *sorted(RETRY_OUTCOMES), "host_unreachable", "robots_unreachable", "not_modified",
)  # fmt: skip
# Without a contact nobody asks a public host; with one, these are asked for.
NO_CONTACT_OUTCOMES = ("not_recorded", "no_contact")

_OPT_OUT_HEADERS = frozenset({"x-robots-tag", TDM_RESERVATION})
_OPT_OUT_SIZES = frozenset(map(len, _OPT_OUT_HEADERS))
_MEDIA_TYPES = {
    "JPEG": "image/jpeg",
    "PNG": "image/png",
    "GIF": "image/gif",
    "BMP": "image/bmp",
    "TIFF": "image/tiff",
    "WEBP": "image/webp",
    "AVIF": "image/avif",
    "HEIF": "image/heif",
}
_SAME_TYPES = {"image/jpg": "image/jpeg", "image/pjpeg": "image/jpeg", "image/x-png": "image/png"}


@dataclass(frozen=True)
class Attempt:
    """One try of one URL; `body` only where the outcome is `ok`."""

    url: str
    number: int
    outcome: str
    at: datetime
    status: int | None = None
    source: str | None = None
    redirects: int = 0
    redirect_url: str | None = None
    headers: Headers = ()
    opt_out: str | None = None
    sniffed: str | None = None
    error: str | None = None
    body: bytes | None = None

    @property
    def is_lost(self) -> bool:
        """Whether the host gave no sign of life."""
        return self.outcome in LOST_OUTCOMES

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return _header(self.headers, name)

    def row(self) -> dict[str, Any]:
        """The row of the images table."""
        return {
            "image_url": self.url,
            "attempt": self.number,
            "outcome": self.outcome,
            "status": self.status,
            "fetched_at": self.at,
            "source": self.source,
            "redirects": self.redirects,
            "redirect_url": self.redirect_url,
            "content_type": self.header("content-type"),
            "sniffed_type": self.sniffed,
            "etag": self.header("etag"),
            "last_modified": self.header("last-modified"),
            "opt_out": self.opt_out,
            "error": self.error,
            "sha256": None if self.body is None else hashlib.sha256(self.body).hexdigest(),
            "image": self.body,
        }


def _header(headers: Headers, name: str) -> str | None:
    size = len(name)
    for key, value in headers:
        if len(key) == size and key.lower() == name:
            return value
    return None


def opt_out_in(headers: Headers) -> str | None:
    """The headers' words that forbid use; None if there are none."""
    named = [
        (low, value)
        for key, value in headers
        if len(key) in _OPT_OUT_SIZES and (low := key.lower()) in _OPT_OUT_HEADERS
    ]
    if not named:
        return None
    return opt_out_of(
        (value for key, value in named if key == "x-robots-tag"),
        tdm_headers=(value for key, value in named if key == TDM_RESERVATION),
    )


def announced_bytes(headers: Headers) -> int:
    """The declared Content-Length; 0 where there is none to go by."""
    value = (_header(headers, "content-length") or "").strip()
    return int(value) if value.isascii() and value.isdigit() and len(value) < 19 else 0


def judged(blank: Attempt, body: bytes, *, honour: Collection[str], max_bytes: int) -> Attempt:
    """The attempt with its outcome; `blank` carries status and headers.

    A body that is no picture as it stands, but is one without its content coding, is taken
    without it: nobody asked for one, and archives and shops declare codings that are not there.
    """
    if blank.status not in (200, 304):
        return replace(blank, outcome=f"http_{blank.status}")
    opt_out = opt_out_in(blank.headers)
    if forbids(opt_out, honour):
        return replace(blank, outcome="opted_out", opt_out=opt_out)
    if opt_out is not None:
        blank = replace(blank, opt_out=opt_out)
    if blank.status == 304:
        return replace(blank, outcome="not_modified")
    if max(len(body), announced_bytes(blank.headers)) > max_bytes:
        return replace(blank, outcome="too_large", error=f"expected at most {max_bytes} bytes")
    if not body:
        return replace(blank, outcome="empty")
    return _picture(blank, body, max_bytes)


def _picture(blank: Attempt, body: bytes, max_bytes: int) -> Attempt:
    name, words = sniff(body), []
    coding = _header(blank.headers, "content-encoding") if name is None else None
    if coding is not None:
        try:
            plain = decoded(blank.headers, body, max_bytes)
        except BodyFault as fault:
            return replace(blank, outcome=fault.outcome, error=str(fault)[:300])
        name = sniff(plain)
        if name is not None and plain != body:
            body = plain
            words.append(f"its content coding ({coding[:40]}) was undone")
    if name is None:
        return replace(blank, outcome="not_an_image", error=f"starts with {body[:24]!r}")
    sniffed = _MEDIA_TYPES.get(name, f"image/{name.lower()}")
    declared = (_header(blank.headers, "content-type") or "").partition(";")[0].strip().lower()
    if declared and _SAME_TYPES.get(declared, declared) != sniffed:
        words.append(f"declared as {declared[:80]}, is {sniffed}")
    error = "; ".join(words) or None
    return replace(blank, outcome="ok", sniffed=sniffed, error=error, body=body)
