"""A difference as text, the first entries of each kind, and as JSON, all of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from provenance.decision_line import DecisionLine
from provenance.diff.difference import KINDS, Difference, Entry
from runtime.console import Streamed

_SIGN = {"added": "+", "removed": "-", "changed": "~"}
_LONGEST = 120


def to_text(found: Difference, limit: int) -> str:
    """The counts, the rules behind them, and up to `limit` records of each kind."""
    a, b = found.a.manifest, found.b.manifest
    counts = ", ".join(f"{found.count(kind)} {kind}" for kind in KINDS)
    lines = [
        f"{a.version} -> {b.version}: {a.counts.records} -> {b.counts.records} records, {counts}",
        f"shards: {found.shared} of {found.shards} are shared with {a.version}",
    ]
    for word, names in (("new", found.columns.added), ("lost", found.columns.removed)):
        lines += [f"{word} columns: {', '.join(names)}"] if names else []
    for kind in KINDS:
        rules = sorted((rule, n) for (of, rule), n in found.rules.items() if of == kind)
        if rules:
            lines.append(f"{kind} by " + ", ".join(f"{rule} {count}" for rule, count in rules))
    for kind in KINDS:
        total = found.count(kind)
        if total:
            shown = f" (the first {limit} of {total}; --limit or --json for more)"
            lines += ["", f"{kind}{shown if total > limit else ''}:"]
            for entry in found.entries(kind, limit):
                lines += _entry_lines(kind, entry)
    return "\n".join(lines)


def _entry_lines(kind: str, entry: Entry) -> Iterator[str]:
    head = f"{_SIGN[kind]} {entry['record_id']}"
    if kind != "changed":
        decision = entry["decision"]
        told = DecisionLine.of(decision).to_text() if decision else entry.get("why", "-")
        yield f"{head}  {told}"
        return
    yield head
    for change in entry["changes"]:
        by = change["by"] or "no decision"
        yield f"    {change['column']}: {_cell(change['from'])} -> {_cell(change['to'])}, by {by}"


def _cell(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def to_json(found: Difference) -> dict[str, Any]:
    """Every entry; the lists are read as they are printed."""
    return {
        **{
            name: {
                "version": copy.manifest.version,
                "folder": str(copy.folder),
                "records": copy.manifest.counts.records,
            }
            for name, copy in (("a", found.a), ("b", found.b))
        },
        "counts": {kind: found.count(kind) for kind in KINDS},
        "shards": {"shared": found.shared, "all": found.shards},
        "columns": {"added": found.columns.added, "removed": found.columns.removed},
        "rules": [
            {"kind": kind, "rule": rule, "count": count}
            for (kind, rule), count in sorted(found.rules.items())
        ],
        **{kind: Streamed(found.entries(kind)) for kind in KINDS},
    }
