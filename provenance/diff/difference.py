"""The difference of two releases: what was added, removed and changed, each with its decision.

Comes in: two release folders. Goes out: a `Difference`, whose entries lie sorted in an SQLite
database of its own on disk, so that two releases of any size are compared in the memory of some
row groups and 40 bytes for each row of the shards that they do not share.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, islice
from pathlib import Path
from types import TracebackType
from typing import Any

from provenance.diff.causes import Decision, cell_cause, membership_cause, newest_decisions
from provenance.diff.membership import windows
from provenance.diff.rows import Columns, changed_rows, columns_of, unshared_shards
from provenance.release_copy import ReleaseCopy, open_copy
from runtime.stages import utc_text

KINDS = ("added", "removed", "changed")
_AT_ONCE = 2000
_TAKEN_DOWN = "no decision of either release; the second one's tombstones are others"
Entry = dict[str, Any]


@dataclass
class Difference:
    """What lies between two releases; close it, or use it as a context.

    `rules` counts entries by kind and rule; `shared` and `shards` count the second one's shards.
    """

    a: ReleaseCopy
    b: ReleaseCopy
    columns: Columns
    shared: int
    shards: int
    db: sqlite3.Connection
    rules: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, kind: str) -> int:
        """How many records of a kind there are."""
        query = "SELECT COUNT(*) FROM entries WHERE kind = ?"
        return int(self.db.execute(query, (kind,)).fetchone()[0])

    def entries(self, kind: str, limit: int | None = None) -> Iterator[Entry]:
        """The records of a kind in the order of their ids, the first `limit` or all."""
        query = "SELECT entry FROM entries WHERE kind = ? ORDER BY record_id"
        rows = self.db.execute(query, (kind,))
        for (text,) in rows if limit is None else islice(rows, limit):
            entry: Entry = json.loads(text)
            yield entry

    def __enter__(self) -> Difference:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.db.close()


def compare(first: Path, second: Path) -> Difference:
    """Compare the releases in two folders, inside a workspace or not.

    Raises ConfigError for a withdrawn one, WorkspaceError where a file cannot be read.
    """
    a, b = open_copy(first), open_copy(second)
    db = sqlite3.connect("", isolation_level=None)  # a file without a name, gone when closed
    db.execute("PRAGMA synchronous = OFF")
    db.execute(
        "CREATE TABLE entries(kind TEXT, record_id TEXT, entry TEXT, PRIMARY KEY(kind, record_id))"
        " WITHOUT ROWID"
    )
    db.execute(
        "CREATE TABLE cells(record_id TEXT, origin TEXT, side INTEGER, cells TEXT,"
        " PRIMARY KEY(record_id, origin, side)) WITHOUT ROWID"
    )
    left, right = unshared_shards(a, b)
    shards = len(b.manifest.shards)
    found = Difference(a, b, columns_of(a, b), shards - len(right), shards, db)
    db.execute("BEGIN")
    _compare_lineage(found)
    if left and right:
        for row in changed_rows(a, b, found.columns.common):
            _keep_cells(found, row.record_id, "row", row.side, row.cells)
    _explain_changes(found)
    db.execute("DROP TABLE cells")
    db.execute("COMMIT")
    return found


def _compare_lineage(found: Difference) -> None:
    for window in windows(found.a, found.b):
        for record_id, *sides in window.moved:
            for side, cells in enumerate(sides):
                _keep_cells(found, record_id, "lineage", side, cells)
        for kind, ids in (("added", window.added), ("removed", window.removed)):
            ours, theirs = (newest_decisions(copy, ids) for copy in (found.a, found.b))
            for record_id in ids:
                said = theirs.get(record_id, [])
                cause = membership_cause(ours.get(record_id, []), said)
                if kind == "removed" and not said and _has_other_tombstones(found):
                    cause = None
                _keep_entry(found, kind, record_id, cause, {})


def _has_other_tombstones(found: Difference) -> bool:
    before, after = found.a.manifest.tombstones, found.b.manifest.tombstones
    return after is not None and before != after


def _keep_cells(
    found: Difference, record_id: str, origin: str, side: int, cells: dict[str, Any]
) -> None:
    text = json.dumps(cells, ensure_ascii=False, default=_instant)
    found.db.execute(
        "INSERT OR REPLACE INTO cells VALUES (?, ?, ?, ?)", (record_id, origin, side, text)
    )


def _instant(value: Any) -> str:
    return utc_text(value) if isinstance(value, datetime) else str(value)


def _keep_entry(
    found: Difference, kind: str, record_id: str, cause: Decision | None, more: Entry
) -> None:
    decision = None if cause is None else {k: v for k, v in cause.items() if k != "record_id"}
    entry: Entry = {"record_id": record_id, "decision": decision, **more}
    if kind == "removed" and cause is None:
        entry["why"] = _TAKEN_DOWN if _has_other_tombstones(found) else "no decision tells"
    if kind != "changed":
        found.rules[kind, cause["rule"] if cause else "no rule"] += 1
    found.db.execute(
        "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
        (kind, record_id, json.dumps(entry, ensure_ascii=False)),
    )


def _explain_changes(found: Difference) -> None:
    """The cells that differ, record by record, with the newer release's decisions on them."""
    newer = max((found.a, found.b), key=lambda copy: max(copy.manifest.runs, default=""))
    rows = found.db.execute("SELECT * FROM cells ORDER BY record_id, origin, side")
    records = groupby(rows, key=lambda row: row[0])
    batch: list[tuple[str, list[Entry]]] = []
    for record_id, sides in records:
        batch.append((record_id, _differing(list(sides))))
        if len(batch) == _AT_ONCE:
            _explain(found, newer, batch)
            batch = []
    _explain(found, newer, batch)


def _differing(rows: Sequence[tuple[str, str, int, str]]) -> list[Entry]:
    changes: list[Entry] = []
    for _, sides in groupby(rows, key=lambda row: row[1]):
        before, after = (json.loads(row[3]) for row in sides)
        changes += [
            {"column": name, "from": before[name], "to": after[name]}
            for name in before
            if before[name] != after[name]
        ]
    return changes


def _explain(
    found: Difference, newer: ReleaseCopy, batch: Sequence[tuple[str, list[Entry]]]
) -> None:
    said = newest_decisions(newer, [record_id for record_id, _ in batch])
    versions = {copy.manifest.fingerprint for copy in (found.a, found.b)}
    for record_id, changes in batch:
        causes: list[Decision] = []
        for change in changes:
            cause = cell_cause(
                change["column"], change["from"], change["to"], said.get(record_id, [])
            )
            if cause is not None:
                change["by"] = cause["rule"]
                causes += [cause] if cause not in causes else []
            elif change["column"] == "phash" and len(versions) > 1:
                change["by"] = f"fingerprints of version {found.b.manifest.fingerprint}"
            else:
                change["by"] = None
            found.rules["changed", change["by"] or f"no rule ({change['column']})"] += 1
        decisions = [{k: v for k, v in row.items() if k != "record_id"} for row in causes]
        _keep_entry(found, "changed", record_id, None, {"changes": changes, "decisions": decisions})
