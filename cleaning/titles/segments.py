"""Take promotional brackets out of a title, and tell which bracket was never closed.

In comes plain text; out go the text without 【包邮】 and its like, what was taken out in order, and
whether an opening bracket has no end. Brackets nest and shops mix their kinds ("(FOODMANOR]").
"""

import re
from typing import NamedTuple

from cleaning.titles.promotions import MAX_CHARS, is_promotional

_PAIRS = ("【】", "〖〗", "[]", "()", "「」", "『』", "〔〕", "{}", "《》")
_CLOSING = {pair[0]: pair[1] for pair in _PAIRS}
_BRACKETS = re.compile("[" + re.escape("".join(_PAIRS)) + "]").finditer
_BOOK_TITLE = "《"
"""What stands in these names a work: no words in them are an offer."""

NEVER = -1
_MAX_DEPTH = 16
"""Brackets nested deeper are not looked into: no title needs it, and hostile ones cost no time."""


class Segments(NamedTuple):
    """``title`` without its promotions; ``unclosed`` is the place of the first open bracket."""

    title: str
    removed: tuple[str, ...]
    unclosed: int


class _Cut(NamedTuple):
    """A promotion, from its opening bracket to behind its closing one."""

    start: int
    end: int


def take_promotions(title: str) -> Segments:
    """Remove the promotional brackets of ``title``, innermost first."""
    stack: list[tuple[int, str]] = []
    cuts: list[_Cut] = []
    for found in _BRACKETS(title):
        place, bracket = found.start(), found.group()
        closing = _CLOSING.get(bracket)
        if closing is not None:
            if len(stack) < _MAX_DEPTH:
                stack.append((place, bracket))
        elif stack and (start := _opening_of(bracket, stack)) is not None:
            _judge(title, start, place + 1, cuts, stack)
    unclosed = stack[0][0] if stack else NEVER
    if not cuts:
        return Segments(title, (), unclosed)
    kept, place = [], 0
    for cut in cuts:
        kept.append(title[place : cut.start])
        place = cut.end
    kept.append(title[place:])
    return Segments(
        " ".join(" ".join(kept).split()), tuple(title[c.start : c.end] for c in cuts), unclosed
    )


def _opening_of(closing: str, stack: list[tuple[int, str]]) -> int | None:
    """The place of the bracket that ``closing`` ends, taken from the stack."""
    for depth in range(len(stack) - 1, -1, -1):
        place, bracket = stack[depth]
        if _CLOSING[bracket] == closing:
            del stack[depth:]
            return place
        if bracket == _BOOK_TITLE:
            return None
    if closing == "》":
        return None
    return stack.pop()[0]


def _judge(
    title: str, start: int, end: int, cuts: list[_Cut], stack: list[tuple[int, str]]
) -> None:
    """Add the segment to ``cuts`` if it only advertises, in place of the cuts inside it."""
    if title[start] == _BOOK_TITLE or any(bracket == _BOOK_TITLE for _, bracket in stack):
        return
    inner = len(cuts)
    while inner and cuts[inner - 1].start > start:
        inner -= 1
    content = title[start + 1 : end - 1]
    if inner < len(cuts):
        pieces, place = [], start + 1
        for cut in cuts[inner:]:
            pieces.append(title[place : cut.start])
            place = cut.end
        content = " ".join(" ".join((*pieces, title[place : end - 1])).split())
        if not content:
            cuts[inner:] = [_Cut(start, end)]
            return
    if len(content) <= MAX_CHARS and is_promotional(content):
        cuts[inner:] = [_Cut(start, end)]
