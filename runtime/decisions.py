"""Decision rows of one part and one stage, collected column by column.

In come verdicts as they are reached; out goes the table that the stage seals.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from runtime import columns
from runtime.tables import DECISIONS


class Decisions:
    """The decisions of one stage of one run on the records of one part."""

    def __init__(self, stage: str, run_id: str) -> None:
        self._stage = stage
        self._run_id = run_id
        self._columns: dict[str, list[Any]] = {name: [] for name in DECISIONS.schema.names}

    def add(
        self,
        record_id: str,
        rule: str,
        verdict: str,
        reason: str,
        value: object = None,
        threshold: object = None,
        peer_id: str | None = None,
    ) -> None:
        """One rule's verdict on one record. A `threshold` that is no number is left out."""
        row = {
            "record_id": record_id,
            "stage": self._stage,
            "rule": rule,
            "verdict": verdict,
            "reason": reason,
            "value": None if value is None else str(value),
            "threshold": float(threshold) if isinstance(threshold, int | float) else None,
            "peer_id": peer_id,
            "run_id": self._run_id,
        }
        for name, cell in row.items():
            self._columns[name].append(cell)

    def __len__(self) -> int:
        return len(self._columns["record_id"])

    def table(self) -> pa.Table:
        """All decisions, in the order in which they were added."""
        return columns.table(self._columns, DECISIONS.schema)
