"""A guess which leaf a record belongs to: what review shows first, never a label by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from taxonomy.tree import Node


@dataclass(frozen=True)
class Suggestion:
    """One leaf, how sure the rule named in `by` is of it (0 to 1), best first in a sequence."""

    node: Node
    confidence: float
    by: str

    def to_row(self) -> dict[str, Any]:
        """As the labels table keeps it."""
        return {
            "level": str(self.node.level),
            "id": self.node.id,
            "confidence": self.confidence,
            "by": self.by,
        }
