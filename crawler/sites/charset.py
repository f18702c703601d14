"""The encoding of a page, decided from its bytes: what it declares is often wrong.

Bytes that are valid UTF-8 are UTF-8, whatever they are declared as; others are what is declared,
if they can be that, or the East Asian encoding whose common characters they spell. Pure: the same
bytes and header give the same text everywhere.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator

from w3lib.encoding import (
    html_body_declared_encoding,
    http_content_type_encoding,
    read_bom,
    resolve_encoding,
)

UTF8 = "utf-8"
# Declared by servers that do not know; whoever means another encoding seldom names one of these.
_DEFAULTS = frozenset({UTF8, "cp1252", "iso8859-1", "ascii"})
_KNOWN = re.compile(
    r"utf-8|gb18030|gbk|gb2312|big5(hkscs)?|cp9(32|49|50)|cp125\d|iso8859-\d+|koi8-[ru]|cp8(66|74)"
    r"|euc[_-](jp|kr)|shift_jis|iso2022_jp|mac-\w+|tis-620|ascii|utf-16(-[lb]e)?|hz|johab"
)
_BEYOND_TWO_BYTES = re.compile("[\u0800-\U0010ffff]")
_ENOUGH_TWO_BYTES = 6
_WRONG_SHARE = 0.01  # of a page's characters: a cut or a stray byte, not another encoding
_COMMON_SHARE = 0.7  # of a page's other characters that are common ones in its own encoding
_SAMPLE_CHARS = 20_000


def decode_page(body: bytes, content_type: str | None = None) -> tuple[str, str]:
    """A page's (encoding, text); `content_type` is the HTTP header. Never raises."""
    bom, mark = read_bom(body)
    if bom and mark:
        rest = body[len(mark) :]
        text = _strictly(rest, bom)
        if text is not None:
            return bom, text
        body = rest if bom == UTF8 else body
    header = _known(http_content_type_encoding(content_type) if content_type else None)
    if header and header.startswith("utf-16") and body[:400].count(0) * 4 > len(body[:400]):
        return header, body.decode(header, "replace")
    text = _strictly(body, UTF8)
    if text is not None and (header == UTF8 or _is_surely_utf8(text, body, header)):
        return UTF8, text
    return _weighed(body, text, header)


def _known(name: str | None) -> str | None:
    """The Python codec that is meant; None for what is no encoding of web pages."""
    resolved = resolve_encoding(name) if name else None
    if resolved is None or not _KNOWN.fullmatch(resolved):
        return None
    return "gb18030" if resolved in ("gbk", "gb2312", "hz") else resolved


def _declared_in(body: bytes) -> str | None:
    try:
        name = _known(html_body_declared_encoding(body))
    except (LookupError, ValueError):
        return None
    # A page whose bytes could be read for this declaration is not in UTF-16 (HTML standard).
    return UTF8 if name and name.startswith("utf-16") else name


def _strictly(body: bytes, encoding: str) -> str | None:
    try:
        return body.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _is_surely_utf8(text: str, body: bytes, header: str | None) -> bool:
    """Whether valid UTF-8 is not another encoding by chance.

    A few two-byte characters can be: one in twelve GBK characters is one of UTF-8 as well.
    """
    if body.isascii():
        return header != "iso2022_jp" and b"\x1b$" not in body
    if header is None and _declared_in(body) in (None, UTF8):
        return True
    if header in _DEFAULTS or _BEYOND_TWO_BYTES.search(text) is not None:
        return True
    return len(body) - len(text) >= _ENOUGH_TWO_BYTES


def _weighed(body: bytes, as_utf8: str | None, header: str | None) -> tuple[str, str]:
    """The encoding of bytes that are not plainly UTF-8."""
    meta = _declared_in(body)
    for name in (header, meta):
        if name is not None and name not in _DEFAULTS:
            text = body.decode(name, "replace")
            if _wrong(text) <= _WRONG_SHARE:
                return name, text
    if as_utf8 is not None:
        return UTF8, as_utf8
    text = body.decode(UTF8, "replace")
    if _utf8_share(body) >= 0.5:
        return UTF8, text  # cut in the middle of a character, or with a foreign piece in it
    found = max(_guesses(body), key=lambda guess: guess[0], default=None)
    if found is not None:
        return found[1], found[2]
    # A foreign piece in a page of ASCII has no encoding to find: keep what was declared.
    name = next((n for n in (header, meta) if n not in (None, UTF8)), None) or "cp1252"
    return name, body.decode(name, "replace")


def _wrong(text: str) -> float:
    """The share of replaced characters among those that are not ASCII."""
    foreign = len(text) - len(text.encode("ascii", "ignore"))
    return text.count("\ufffd") / foreign if foreign else 0.0


def _utf8_share(body: bytes) -> float:
    """The share of the bytes above 127 that belong to valid UTF-8 characters."""
    high = len(body) - len(body.decode("ascii", "ignore"))
    good = body.decode(UTF8, "ignore").encode()
    return (len(good) - len(good.decode("ascii", "ignore"))) / high if high else 1.0


def _gb2312_level1(text: str) -> float:
    """Common hanzi are GB 2312's first level, rows 16 to 55; marks and kana are rows 1 to 9."""
    return _rows(text, "gb2312", 0xB0, 0xD7, 0xA1, 0xA3)


def _big5_level1(text: str) -> float:
    return _rows(text, "big5", 0xA4, 0xC6, 0xA1, 0xA3)


def _rows(text: str, codec: str, first: int, last: int, mark_first: int, mark_last: int) -> float:
    hits = letters = 0
    for char in text:
        lead = char.encode(codec, "ignore")[:1]
        if lead and mark_first <= lead[0] <= mark_last:
            continue
        letters += 1
        hits += bool(lead) and first <= lead[0] <= last
    return hits / letters if letters else 0.0


def _japanese(text: str) -> float:
    """Japanese has kana between its kanji; without any, it is not Japanese."""
    kana = sum("\u3041" <= c <= "\u30fe" for c in text)
    kanji = sum("\u4e00" <= c <= "\u9fff" or "\u3000" <= c <= "\u303f" for c in text)
    half = sum("\uff61" <= c <= "\uff9f" for c in text)  # what GBK looks like in Shift_JIS
    return (kana + kanji - half) / len(text) if kana * 5 > len(text) else 0.0


def _korean(text: str) -> float:
    """Hangul lies where GB 2312 has some of its common hanzi: a few characters tell nothing."""
    # EUC-KR spells the rare ones in eight bytes.
    common = sum("\uac00" <= c <= "\ud7a3" and len(c.encode("euc_kr", "ignore")) == 2 for c in text)
    return common / len(text) if len(text) >= 20 else 0.0


# Among equals the first wins: Korean is also common hanzi, but Chinese is not all Hangul.
_SCORES: tuple[tuple[str, Callable[[str], float]], ...] = (
    ("cp949", _korean),
    ("gb18030", _gb2312_level1),
    ("euc_jp", _japanese),
    ("cp932", _japanese),
    ("big5hkscs", _big5_level1),
)


def _guesses(body: bytes) -> Iterator[tuple[float, str, str]]:
    """(score, encoding, text) of the East Asian encodings that the bytes can be."""
    for name, score in _SCORES:
        text = body.decode(codecs.lookup(name).name, "replace")
        foreign = "".join(c for c in text[: 4 * _SAMPLE_CHARS] if not c.isascii())[:_SAMPLE_CHARS]
        if foreign and _wrong(text) <= _WRONG_SHARE and (got := score(foreign)) >= _COMMON_SHARE:
            yield got, name, text
