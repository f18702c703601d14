"""A decision as people read it: one line with rule, verdict, what was measured and its bound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class DecisionLine:
    """One decision; `peer_title` is the title of the record it names."""

    stage: str
    rule: str
    verdict: str
    reason: str | None
    value: str | None
    threshold: float | None
    peer_id: str | None
    peer_title: str | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any], peer_title: str | None = None) -> DecisionLine:
        """The line of a row of the decisions table."""
        return cls(
            row["stage"], row["rule"], row["verdict"], row["reason"], row["value"],
            row["threshold"], row["peer_id"], peer_title,
        )  # fmt: skip

    def to_text(self) -> str:
        """`clean: rejected by title_too_short_v1 (…), value 1, threshold 4`."""
        text = f"{self.stage}: {self.verdict} by {self.rule}"
        if self.reason:
            text += f" ({self.reason})"
        if self.value:
            text += f", value {self.value}"
        if self.threshold is not None:
            text += f", threshold {self.threshold:g}"
        if self.peer_id:
            text += f", of {self.peer_id}"
            text += f" {self.peer_title}" if self.peer_title else ""
        return text
