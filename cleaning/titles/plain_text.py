"""Turn what a page shows as a title into plain text: no markup, no invisible or full-width forms.

In comes a title as extracted, out goes the same words in Unicode's NFC with single spaces. Most
titles are plain already; one search finds that out, and only the others are rewritten.
"""

import html
import html.entities
import re
import unicodedata

from cleaning.titles.mojibake import maybe_misread, mend

_MAX_PASSES = 8
"""Unescaping may uncover a tag and a tag may uncover an entity; real titles need two passes."""

# Entities need their semicolon: html.unescape alone reads "R&notebook" as "R¬ebook". &nbsp is
# the one that templates really leave behind without it. "&amp;amp;…" is undone in one step.
_ENTITY = re.compile(
    r"&(?:amp;)*(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});|&(?:amp;)*nbsp\b"
)

# Only names of HTML elements count as tags, so that "<Apple>" or "3<x" survive.
_BLOCK = "br|hr|p|div|li|ul|ol|td|th|tr|table|h[1-6]|section|dd|dt|dl|option"
_INLINE = (
    "span|b|i|em|strong|font|a|img|u|s|sub|sup|small|big|label|mark|del|ins|code|tt|center|wbr"
    "|input|button|html|body|head|title|meta|link|svg|path|iframe|script|style|strike|bdi|bdo"
)
_HIDDEN_TEXT = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.S)
_BLOCK_TAG = re.compile(rf"</?(?:{_BLOCK})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_INLINE_TAG = re.compile(rf"</?(?:{_INLINE})(?:\s[^<>]*)?/?>", re.IGNORECASE)

# Controls, zero-width and direction marks, private use and lone surrogates (which no UTF-8 file
# can hold). The joiners U+200C/D stay inside scripts that spell with them, and between emoji.
_INVISIBLE_CLASS = (
    "\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e"
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff9-\ufffb"
    "\ufffe\uffff\ud800-\udfff\ue000-\uf8ff\U000e0000-\U000e0fff\U000f0000-\U0010ffff"
)
_EMOJI = "[\u2600-\u27bf\U0001f000-\U0001faff]"
_JOINED_EMOJI = rf"(?:(?<={_EMOJI})|(?<={_EMOJI}\ufe0f))\u200d(?={_EMOJI})"
_INVISIBLE = re.compile(
    f"[{_INVISIBLE_CLASS}]|(?<![\u0600-\u06ff\u0900-\u0dff])(?!{_JOINED_EMOJI})[\u200c\u200d]"
)
_SPACES = re.compile(r"\s+")

# Sentence punctuation belongs to Chinese typography and keeps its full width.
_KEPT_FULL_WIDTH = "，！：；？"
_COMPATIBILITY_RANGES = (
    *((0xFF01, 0xFFEE), (0x2F00, 0x2FD5)),
    *((0xFB00, 0xFB06), (0x1D400, 0x1D7FF)),
)


def _compatibility_table() -> dict[int, str]:
    """The safe part of NFKC: forms of width and font, never symbols that mean something.

    Full-width ASCII and signs, half-width katakana and hangul, Kangxi radicals, Latin ligatures
    and mathematical letters (which only adorn in a title). Left alone on purpose: superscripts,
    circled numbers, fractions, units, trademarks.
    """
    return {
        code: unicodedata.normalize("NFKC", chr(code))
        for first, last in _COMPATIBILITY_RANGES
        for code in range(first, last + 1)
        if chr(code) not in _KEPT_FULL_WIDTH
    }


_COMPATIBILITY = _compatibility_table()

# What `rewrite` may act on, each by one character that it cannot do without: markup, spaces other
# than U+0020, the classes above.
_TO_REWRITE = re.compile(
    "[&<\t-\r\x85\xa0\u1680\u2000-\u200d\u2028\u2029\u202f\u205f\u3000"
    + _INVISIBLE_CLASS
    + "\uff02-\uff0b\uff0d-\uff19\uff1c-\uff1e\uff20-\uffee\u2f00-\u2fd5\ufb00-\ufb06"
    + "\U0001d400-\U0001d7ff]"
).search


def plain_text(text: str) -> str:
    """``text`` without markup, invisible characters, forms of width, and wrongly read bytes.

    Applying it twice changes nothing.
    """
    if "（" in text:
        # Over half of all Chinese titles need this and nothing else.
        text = text.replace("（", "(").replace("）", ")")
    return text if is_plain(text) else rewrite(text)


def is_plain(text: str) -> bool:
    """Whether `rewrite` would surely leave ``text`` as it is."""
    return (
        _TO_REWRITE(text) is None
        and "  " not in text
        and text[:1] != " "
        and text[-1:] != " "
        and unicodedata.is_normalized("NFC", text)
        and not maybe_misread(text)
    )


def rewrite(text: str) -> str:
    """`plain_text` for any text, whether it needs it or not."""
    for _ in range(_MAX_PASSES):
        before, text = text, _pass(text)
        if text == before or not ("&" in text or "<" in text or maybe_misread(text)):
            return text
    # Nested on purpose. Without these two no pass can uncover markup again.
    return _pass(text.replace("&", " ").replace("<", " "))


def _pass(text: str) -> str:
    if "&" in text:
        text = _ENTITY.sub(_unescaped, text)
    # Before anything goes that could be half of a wrongly read character.
    text = mend(text)
    text = _INVISIBLE.sub("", text).translate(_COMPATIBILITY)
    if "<" in text:
        text = _HIDDEN_TEXT.sub(" ", text)
        text = _INLINE_TAG.sub("", _BLOCK_TAG.sub(" ", text))
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def _unescaped(match: re.Match[str]) -> str:
    entity = match.group().replace("amp;", "")
    # html.unescape reads the beginning of a name that it does not know: "&notit;" as "¬it;".
    known = entity[1:2] == "#" or entity[1:] in html.entities.html5
    return html.unescape(entity) if known else entity
