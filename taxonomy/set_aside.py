"""A part that no worker lived to map: each of its kept records is held, without a label."""

from __future__ import annotations

import pyarrow as pa

from runtime.set_aside import SET_ASIDE, SET_ASIDE_RULE, held_decisions, set_aside_key
from runtime.tables import LABELS
from taxonomy.labelling import MapWork


def set_aside_part(work: MapWork, why: str) -> None:
    """Write the part's decisions and its labels, which name no leaf."""
    run, key = work.run, set_aside_key(work.key)
    kept = run.cleaned.read(work.name, ["record_id", "kept"])
    ids = kept.filter(kept["kept"])["record_id"].to_pylist()
    decisions = held_decisions("map", run.run_id, ids, why)
    unlabelled = {
        "mapped": False, "label_rule": SET_ASIDE_RULE, "evidence": why, "suggestions": [],
        "contradicted": False,
    }  # fmt: skip
    rows = [{"record_id": record_id, **unlabelled} for record_id in ids]
    run.decisions("map").write(work.name, decisions, key)
    labels = pa.Table.from_pylist(rows, LABELS.schema)
    run.labels.write(work.name, labels, key, {SET_ASIDE: len(ids), "held": len(ids)})
