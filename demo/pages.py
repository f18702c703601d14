"""What both shops answer with: a page is a status, headers and a body, whatever it shows.

Also the addresses that absolute links are built from, and the few answers the shops share.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True)
class ShopAddresses:
    """Base URLs of the four hosts, without a slash at the end, and the access logs' paths."""

    shop_a: str
    outlet: str
    shop_b: str
    images: str
    shop_a_log: Path
    shop_b_log: Path


@dataclass(frozen=True)
class Page:
    """One HTTP response."""

    status: int
    content_type: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def html_page(text: str, encoding: str, *headers: tuple[str, str]) -> Page:
    """An HTML page; what `encoding` cannot hold becomes numeric character references."""
    body = text.encode(encoding, "xmlcharrefreplace")
    return Page(200, f"text/html; charset={encoding}", body, headers)


def text_page(text: str) -> Page:
    """A plain text page, robots.txt above all."""
    return Page(200, "text/plain; charset=utf-8", text.encode())


def redirect(status: int, location: str) -> Page:
    """A redirect to a path or URL."""
    return Page(status, "text/plain; charset=utf-8", b"moved\n", (("Location", location),))


def not_found() -> Page:
    """The 404 of both shops."""
    return Page(404, "text/html; charset=utf-8", "<h1>404 页面不存在</h1>".encode())


def script_json(value: object) -> str:
    """JSON for a script element: no text in it can close the element."""
    return json.dumps(value, ensure_ascii=False).replace("</", "<\\/")


def attribute(text: str) -> str:
    """Text escaped for an attribute or an element."""
    return escape(text, quote=True)


def page_of(items: Sequence[Item], number: int, size: int) -> Sequence[Item]:
    """The items on page `number`, counted from 1."""
    return items[(number - 1) * size : number * size]


def page_number(text: str) -> int:
    """A page number from a query, 1 where it is none."""
    return max(1, int(text)) if text.isascii() and text.isdigit() else 1
