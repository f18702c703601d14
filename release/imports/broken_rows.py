"""Where a row that is no JSON ends, so that the row after it is read.

In comes the text from a broken row on, out goes the place behind it. Brackets frame the row, and
what JSON never holds ends it early: a string goes over no line end, and inside an object `{` comes
behind a colon. So a quote or bracket that is missing takes no neighbour with it.
"""

from __future__ import annotations

import re

_OUTSIDE = re.compile(r'["{}\[\]]')
_INSIDE = re.compile(r'["\\\x00-\x1f]')
_BETWEEN_ROWS = re.compile(r"\}(?=[ \t]*,[ \t]*\{[ \t]*\Z)")
_SPACES = " \t\n\r"
_GOES_ON = re.compile(r'[ \t\n\r]*,[ \t\n\r]*"')
_OBJECT = re.compile(r"[ \t\n\r]*\{")
_BEHIND_ROW = re.compile(r"[ \t\n\r]*(?:[,\]]|\Z)")
_KEY = re.compile(r'[ \t\n\r]*["}]')
_LIST_OF_OBJECTS = "[{"
_COMMA = re.compile(r"[ \t]*,[ \t]*\{[ \t]*")
_REST = re.compile(r"[ \t\n\r]*")


def broken_end(text: str, start: int, limit: int) -> int | None:
    """The place behind the row that starts at `start`, None where it has no end before `limit`."""
    opened = [text[start]] if text[start] == "{" else []
    objects = len(opened)  # of those in `opened`
    place = start + objects
    while (found := _OUTSIDE.search(text, place, limit)) is not None:
        sign, place = found[0], found.end()
        if sign == '"':
            closed = _behind_string(text, place, limit)
            if closed is None:
                return None
            if opened and text[closed - 1] == '"':
                # A quote too few or too many before it: this "string" is what parts two rows.
                if _COMMA.fullmatch(text, place, closed - 1):
                    return place
                if between := _BETWEEN_ROWS.search(text, place, closed - 1):
                    return between.end()
            place = closed
        elif sign == "{":
            if not _KEY.match(text, place, limit):
                continue  # a part of some text
            before = _behind_ink(text, found.start())
            inside = opened[:1] == ["{"] and opened[-1] != _LIST_OF_OBJECTS
            if inside and text[before - 1] != ":":  # the next row: this one has no end of its own
                return before - 1 if text[before - 1] == "," else before
            opened.append(sign)
            objects += 1
        elif sign == "[":
            opened.append(_LIST_OF_OBJECTS if _OBJECT.match(text, place, limit) else sign)
        elif sign == "}":
            if objects == 1 and not _BEHIND_ROW.match(text, place, limit):
                continue  # a part of some text
            if opened[-1] != "{" and _GOES_ON.match(text, place, limit):
                opened.pop()  # it was meant to be `]`
            else:
                while opened and opened.pop() != "{":
                    pass  # a `]` is missing
                objects -= 1
        elif opened and opened[-1] != "{":
            opened.pop()
        elif _REST.match(text, place, limit).end() == limit:  # type: ignore[union-attr]
            return found.start()  # the end of the file, which no `}` stands before
        if not opened:
            return place
    return None


def _behind_ink(text: str, place: int) -> int:
    """The place behind the last character before this one that is no space."""
    while text[place - 1] in _SPACES:
        place -= 1
    return place


def _behind_string(text: str, place: int, limit: int) -> int | None:
    """Behind the closing quote, or at the control character that no string can hold."""
    while (found := _INSIDE.search(text, place, limit)) is not None:
        if found[0] == "\\":
            place = found.end() + 1
        else:
            return found.end() if found[0] == '"' else found.start()
    return None
