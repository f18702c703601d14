"""Decisions: what each stage said of each record, and why."""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

VERDICTS = ("published", "duplicate", "rejected", "held", "merged", "removed", "kept", "flagged")

DECISIONS = Table(
    "decisions",
    "one verdict of one rule on one record",
    (
        Column("record_id", TEXT, "the record judged", False),
        Column("stage", TEXT, "import or merge, clean, map, dedupe or publish", False),
        Column("rule", TEXT, "rule with its version, for example title_too_short_v1", False),
        Column("verdict", TEXT, "a fate, or kept / flagged when the record goes on", False),
        Column("reason", TEXT, "the reason in words"),
        Column("value", TEXT, "what was measured"),
        Column("threshold", pa.float64(), "the bound it was held against"),
        Column("peer_id", TEXT, "the other record: representative, kept sighting"),
        Column("run_id", TEXT, "run that decided", False),
    ),
)
