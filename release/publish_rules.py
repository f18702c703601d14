"""The rules by which publish decides what a release holds, and the shape of its decisions."""

from __future__ import annotations

from typing import NamedTuple

NEWCOMER = "published_v1"
ALREADY = "already_published_v1"
ADOPTED = "adopted_v1"
REFUSED_SINCE = "refused_since_v1"


class Decided(NamedTuple):
    """A decision on one record; `value` is its split."""

    record_id: str
    rule: str
    verdict: str
    reason: str
    value: str
