"""Opt-outs: which recorded words forbid the use of a page or a picture, by the `honour` setting.

In comes what was recorded ("X-Robots-Tag: noai; TDMRep header: tdm-reservation") and the words
that are honoured; out comes whether it counts.
"""

from __future__ import annotations

from collections.abc import Collection

OPTED_OUT_RULE = "opted_out_v1"
"""The rule of the clean stage by which a record goes whose page or picture opted out."""

ROBOTS_WORDS = frozenset({"noai", "noimageai", "noindex", "none"})
TDM_RESERVATION = "tdm-reservation"  # of the TDM Reservation Protocol, as header and as meta
# Words that say the same as another one, which the setting names.
_MEANS = {"none": "noindex"}


def words_of(opt_out: str) -> list[str]:
    """The words of a recorded opt-out, without where they stood."""
    clauses = (clause.rpartition(":")[2] for clause in opt_out.split(";"))
    return [word.strip().lower() for clause in clauses for word in clause.split(",")]


def forbids(opt_out: str | None, honour: Collection[str]) -> bool:
    """Whether a recorded opt-out counts where the words of `honour` are honoured.

    What is no such word (that robots.txt disallows the page) has a setting of its own, and counts
    whenever it was recorded.
    """
    known = ROBOTS_WORDS | {TDM_RESERVATION}
    return bool(opt_out) and any(
        _MEANS.get(word, word) in honour or word not in known for word in words_of(opt_out or "")
    )
