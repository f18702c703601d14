"""Mend titles whose bytes were read in the wrong encoding ("è‹¹æžœ" for 苹果).

In comes a title, out goes the title as it was meant, or the same one when nothing speaks against
it. ftfy mends UTF-8 read as a one-byte encoding, and its own measure of badness has to agree
first; what it cannot know, GB 2312 read as Latin-1 and UTF-8 read as GBK, is mended here. A cheap
search comes before either, so that a clean title never loads ftfy.
"""

import re

# Every sign that ftfy.badness looks for needs one of these: a control character of C1, one of the
# four capitals that it also doubts alone, or two neighbours of its classes, of which at least one
# is no plain Cyrillic or Greek letter. tests/cleaning/titles/test_mojibake.py holds it against
# ftfy.
_ODD = (
    "\xa0-\u024f\u02c6\u02c7\u02d8-\u02dd\u2010-\u2044\u20a0-\u20bf\u2116\u2122\u2190-\u22ff"
    "\u2310-\u23ff\u2500-\u25ff\ufb00-\ufb06\ufffd\uf8ff\u0384\u0385\u0402\u0490\u0491"
)
_LETTERS = "\u0370-\u052f"
_DOUBTFUL = re.compile(f"[\x80-\x9fÂÃŒœ]|[{_ODD}][{_ODD}{_LETTERS}]|[{_LETTERS}][{_ODD}]")
# One class is searched several times as fast as the choice above.
_ANY_ODD = re.compile(f"[\x80-\x9f{_ODD}]")

# UTF-8 of a Han character is E4..E9, 80..BF, 80..BF. Read as pairs of GBK, two of them in a row
# become a character of lead E4..E9, one of trail E4..E9 and one whose bytes are both 80..BF.
_LEADS, _TRAILS = range(0xE4, 0xEA), range(0x80, 0xC0)


def _gbk_class(firsts: range, seconds: range) -> str:
    pairs = (bytes((a, b)) for a in firsts for b in seconds if a > 0x80 and b != 0x7F)
    found = (pair.decode("gbk", "ignore") for pair in pairs)
    return "".join(re.escape(character) for character in found if len(character) == 1)


_READ_AS_GBK = re.compile(
    f"[{_gbk_class(_LEADS, _TRAILS)}][{_gbk_class(_TRAILS, _LEADS)}]"
    f"[{_gbk_class(_TRAILS, _TRAILS)}]"
)
_HAN_OF_GB2312 = re.compile("[\u4e00-\u9fff]")
_MIN_HAN = 2
_MIN_COMMON_SHARE = 0.8
"""Of the Han characters that mending yields, the share in GB 2312's first level (3,755 common
ones); chance pairs of accented letters spread over all of its rows."""


def maybe_misread(title: str) -> bool:
    """Whether `mend` might change ``title``: true for every title that ftfy could call bad."""
    if title.isascii():
        return False
    return _READ_AS_GBK.search(title) is not None or (
        _ANY_ODD.search(title) is not None and _DOUBTFUL.search(title) is not None
    )


def mend(title: str) -> str:
    """``title`` as it was before it was read in the wrong encoding; unchanged if it was not."""
    if not maybe_misread(title):
        return title
    meant = _utf8_read_as_gbk(title)
    if meant is not None:
        return meant
    # Loading ftfy takes longer than cleaning a thousand titles, and most sites never need it.
    from ftfy import fix_encoding
    from ftfy.badness import is_bad

    if not is_bad(title):
        return title
    return _gb2312_read_as_latin(title) or _plausible(fix_encoding(title), title)


def _plausible(mended: str, title: str) -> str:
    """``mended``, unless it only makes one foreign letter of two signs: "×²" is no Hebrew."""
    if len(title) - len(mended) > 1:
        return mended
    new = set(mended).difference(title)
    foreign = [character for character in new if character.isalpha() and character > "\u024f"]
    return title if foreign else mended


def _utf8_read_as_gbk(title: str) -> str | None:
    """The title if all of its bytes are UTF-8: chance does not reach that over many characters."""
    try:
        meant = title.encode("gbk").decode("utf-8")
    except UnicodeError:
        return None
    return meant if len(_HAN_OF_GB2312.findall(meant)) >= _MIN_HAN else None


def _gb2312_read_as_latin(title: str) -> str | None:
    """The title if all bytes above 7F pair up to common Chinese characters, and are not UTF-8."""
    for encoding in ("latin-1", "cp1252"):
        try:
            raw = title.encode(encoding)
        except UnicodeError:
            continue
        try:
            raw.decode("utf-8")
            return None
        except UnicodeError:
            pass
        try:
            meant = raw.decode("gb2312")
        except UnicodeError:
            continue
        han = _HAN_OF_GB2312.findall(meant)
        common = [character for character in han if character.encode("gb2312")[0] <= 0xD7]
        if len(han) >= _MIN_HAN and len(common) >= _MIN_COMMON_SHARE * len(han):
            return meant
    return None
