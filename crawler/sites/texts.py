"""Texts as shops write them, made plain: entities undone, spaces single, nothing unstorable."""

from __future__ import annotations

import re
from html import unescape
from html.entities import html5

# With its semicolon: "R&D" and "?a=1&copy=2" are no entities.
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LAYERS = 3  # &amp;amp;quot; has been seen; more is no accident of a template


def clean(text: str) -> str:
    """One line without entities, however often they were escaped.

    Half a surrogate pair, which JSON can spell and no encoding can store, becomes U+FFFD.
    """
    if "&" in text:
        for _ in range(_LAYERS):
            before, text = text, _ENTITY.sub(_undone, text)
            if text == before:
                break
    return " ".join(whole(text).split())


def _undone(entity: re.Match[str]) -> str:
    # Left to itself, unescape reads &notice; as &not and "ice;".
    named = entity[0][1] != "#"
    return entity[0] if named and entity[0][1:] not in html5 else unescape(entity[0])


def whole(text: str) -> str:
    """The text with halves of surrogate pairs replaced."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)
