"""Decisions are collected into the rows that every stage seals."""

from __future__ import annotations

import pyarrow as pa

from runtime.decisions import Decisions
from runtime.tables import DECISIONS


def test_decisions_keep_their_order_and_their_figures() -> None:
    decisions = Decisions("clean", "20261122T081100Z")
    decisions.add("shop:1", "title_too_short_v1", "rejected", "too short", 2, 4)
    decisions.add("shop:1", "title_language_v1", "rejected", "not admitted", "ko", "zh")
    decisions.add("shop:2", "same_bytes_v1", "duplicate", "equal files", peer_id="shop:1")
    assert len(decisions) == 3
    row = {"record_id": "shop:1", "stage": "clean", "run_id": "20261122T081100Z"}
    expected = [
        {
            **row, "rule": "title_too_short_v1", "verdict": "rejected", "reason": "too short",
            "value": "2", "threshold": 4.0,
        },
        {
            **row, "rule": "title_language_v1", "verdict": "rejected", "reason": "not admitted",
            "value": "ko",
        },
        {
            **row, "record_id": "shop:2", "rule": "same_bytes_v1", "verdict": "duplicate",
            "reason": "equal files", "peer_id": "shop:1",
        },
    ]  # fmt: skip
    assert decisions.table().equals(pa.Table.from_pylist(expected, DECISIONS.schema))
