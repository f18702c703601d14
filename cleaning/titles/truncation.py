"""Tell a title that was cut off by whoever showed it.

In comes a normalised title; out goes what betrays the cut, or ``None``. Such a title still names
its product, so it is flagged and kept.
"""

import re

_LONGEST_END = 16
_CUT_END = re.compile(
    r"(?:\.{2,}|…+|⋯+|。{2,}|\ufffd)\s*[\])】)»”\"]?$"  # an ellipsis; half a character
    r"|&(?:#\d{0,6}|#x[0-9a-f]{0,5}|a(?:mp?|p|po|pos)?|n(?:b|bs|bsp)|q(?:u|uo|uot)|l(?:t|dq|dqu)|g(?:t)"
    r"|m(?:i|id|da|das)|h(?:e|el|ell))$"
    r"|[、，,;；]$|\s[-–—/&+|·]$|(?:\s|^)(?:and|with|for|of|the)$",
)
# What the expression above cannot do without.
_LAST_CHARACTERS = frozenset('.…⋯。\ufffd])】)»”"、，,;；-–—/&+|·')
_LAST_WORDS = ("and", "with", "for", "of", "the")
_CUT_TAG = re.compile(r"<[/a-z][^<>]*$", re.IGNORECASE)


def truncation(title: str, unclosed: int) -> str | None:
    """The end of ``title`` that shows a cut: an ellipsis, half an entity, an open bracket.

    ``unclosed`` is the place of the first bracket that is never closed, or -1.
    """
    if unclosed >= 0:
        return title[unclosed:]
    found = None
    if title[-1:] in _LAST_CHARACTERS or "&" in title or title.endswith(_LAST_WORDS):
        found = _CUT_END.search(title, max(0, len(title) - _LONGEST_END))
    if found is None and "<" in title:
        found = _CUT_TAG.search(title)
    if found is not None:
        return found.group()
    if "“" in title and "”" not in title[(place := title.rfind("“")) :]:
        return title[place:]
    return None
