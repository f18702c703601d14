"""The decisions that explain a difference between two releases, from the ledgers they ship.

Comes in: ids in order, of which a release's ledger is asked a range at a time. Goes out: for a
record that came or went its newest fate, for a changed cell the decision that changed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from provenance.ledger import Judgement, deciding
from provenance.release_copy import ReleaseCopy
from release.ledger_files import decisions_between, ledger_files
from release.publish_rules import ADOPTED, ALREADY, NEWCOMER
from release.published import RULES

Decision = dict[str, Any]
_LABEL = (
    "class_id", "class_name", "sub_class_id", "sub_class_name", "subsub_class_id",
    "subsub_class_name", "label_rule",
)  # fmt: skip
_RULE_OF = {column: rule for rule, column, _ in RULES}
# What a publish rule has to speak of to explain a column whose new value it does not carry.
_SUBJECTS: Mapping[str, str] = {
    **{column: rule for rule, column, _ in RULES},
    **dict.fromkeys(_LABEL, _RULE_OF["label"]),
    **dict.fromkeys(("width", "height", "phash"), _RULE_OF["sha256"]),
    "title_raw": _RULE_OF["title"],
}


def newest_decisions(copy: ReleaseCopy, ids: Sequence[str]) -> dict[str, list[Decision]]:
    """What the release's ledger says now of each of some ids, which ascend. WorkspaceError."""
    found: dict[str, list[Decision]] = {}
    waiting = list(ids)
    for entry in reversed(ledger_files(copy.manifest)):
        if not waiting:
            break
        rows = decisions_between(copy.folder, entry, waiting[0], waiting[-1])
        rows = rows.filter(pc.is_in(rows["record_id"], value_set=pa.array(waiting, pa.string())))
        for row in rows.to_pylist():
            found.setdefault(row["record_id"], []).append(row)
        waiting = [record_id for record_id in waiting if record_id not in found]
    return found


def fate_row(rows: Sequence[Decision]) -> Decision | None:
    """The decision that gave a record its fate."""
    judged = (Judgement(r["record_id"], r["stage"], r["rule"], r["verdict"]) for r in rows)
    for fate in deciding(judged):
        told = (fate.stage, fate.rule, fate.verdict)
        return next(row for row in rows if (row["stage"], row["rule"], row["verdict"]) == told)
    return None


def membership_cause(ours: Sequence[Decision], theirs: Sequence[Decision]) -> Decision | None:
    """Why only one of the releases holds a record: the newer of its fates in both ledgers."""
    fates = [fate for rows in (ours, theirs) if (fate := fate_row(rows)) is not None]
    return max(fates, key=lambda row: str(row["run_id"]), default=None)


def cell_cause(
    column: str, before: Any, after: Any, decisions: Sequence[Decision]
) -> Decision | None:
    """The decision that changed a cell: one that carries its value, its subject's, or the last word
    of publish on the whole row."""
    own = [
        row
        for row in decisions
        if row["stage"] == "publish" and row["rule"] not in (NEWCOMER, ALREADY)
    ]
    carried = [row for row in own if row["value"] in (after, before) and row["value"] is not None]
    spoken = [row for row in own if row["rule"] == _SUBJECTS.get(column)]
    adopted = [row for row in own if row["rule"] == ADOPTED]
    return next(iter([*carried, *spoken, *adopted]), None)
