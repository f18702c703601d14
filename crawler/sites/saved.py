"""A saved page that is to be checked, with the address that it came from, where it says so."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urljoin

from lxml import etree

from crawler.addresses import RefusedAddressError, host_of
from crawler.sites.charset import decode_page
from crawler.sites.document import parse_html
from crawler.sites.pages import PageInput
from runtime.errors import ConfigError

UNKNOWN_ADDRESS = "http://shop.invalid/"  # RFC 2606: it never resolves
_OWN_ADDRESS = etree.XPath(
    "string((//link[@rel='canonical']/@href | //meta[@property='og:url']/@content)[1])",
    smart_strings=False,
)
_SAVED_FROM = re.compile(rb"<!--\s*saved from url=\(\d+\)(\S+)\s*-->")


def saved_page(path: Path, url: str | None, base_url: str | None) -> tuple[PageInput, bool]:
    """A saved page, and whether its address is known: given, or named in the page itself.

    Raises ConfigError where the file cannot be read or `url` is no address.
    """
    try:
        body = path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"{path}: expected a saved page, got {error.strerror or error}; check the path"
        ) from None
    is_wide = body.startswith((b"\xff\xfe", b"\xfe\xff"))  # UTF-16 has zero bytes
    if body.startswith(b"%PDF-") or (b"\0" in body[:4096] and not is_wide):
        raise ConfigError(f"{path}: expected an HTML page, got binary data; save the page itself")
    if url is not None:
        try:
            host_of(url)
        except RefusedAddressError as error:
            raise ConfigError(f"--url: {error}") from None
    known = url or _named_address(body, base_url)
    address = known or base_url or UNKNOWN_ADDRESS
    return PageInput(address, "start", 200, (), body), known is not None


def _named_address(body: bytes, base_url: str | None) -> str | None:
    saved = _SAVED_FROM.search(body[:4096])
    _, text = decode_page(body)
    own = _OWN_ADDRESS(parse_html(text)).strip() or (saved[1].decode("latin-1") if saved else "")
    try:
        address = urljoin(base_url or "", own) if own else ""
        host_of(address)
    except (ValueError, RefusedAddressError):
        return None
    return address
