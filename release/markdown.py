"""Text for Markdown: what shops and configurations say, shown as it is and never as markup."""

from __future__ import annotations

import re
from collections.abc import Sequence

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!&])")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def plain(text: str) -> str:
    """One line of text without any meaning in Markdown, for tables as well."""
    return _MARKUP.sub(r"\\\1", _CONTROLS.sub(" ", text))


def code(text: str) -> str:
    """One line of code, for tables as well."""
    return "`" + _CONTROLS.sub(" ", text).replace("`", "'").replace("|", "\\|") + "`"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int = 0) -> str:
    """A Markdown table of finished cells whose last `numbers` columns are set to the right."""
    rule = ["---"] * (len(head) - numbers) + ["---:"] * numbers
    return "".join(f"| {' | '.join(row)} |\n" for row in (head, rule, *rows))
