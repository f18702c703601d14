"""Fold traditional Chinese characters to simplified ones, one for one, to look words up.

In comes a text of any script; out goes one of equal length, so that places found in it hold in the
original. A vocabulary is written in simplified characters and folded as well, for what it has of
Japanese. Nobody is shown a folded title.
"""

import re

from opencc import OpenCC

_FIRST, _LAST = 0x4E00, 0x9FFF


def _table() -> dict[int, str]:
    """Every character that OpenCC's dictionary simplifies to one other; about 3,000."""
    characters = [chr(code) for code in range(_FIRST, _LAST + 1)]
    # A line each, so that no words of several characters are seen.
    folded = OpenCC("t2s").convert("\n".join(characters)).split("\n")
    return {
        ord(before): after
        for before, after in zip(characters, folded, strict=True)
        if before != after and len(after) == 1
    }


_TABLE = _table()
_TRADITIONAL = re.compile(f"[{''.join(map(chr, _TABLE))}]")


def simplified(text: str) -> str:
    """`text` with each traditional character replaced by its simplified form."""
    return text.translate(_TABLE) if _TRADITIONAL.search(text) is not None else text


def folded_pattern(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """`pattern` compiled to find its words in folded text."""
    return re.compile(simplified(pattern), flags)
