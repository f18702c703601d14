"""A part that no worker lived to clean: each of its records is held, and none goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from runtime.set_aside import SET_ASIDE, held_decisions, set_aside_key
from runtime.tables import CLEANED

if TYPE_CHECKING:
    from cleaning.stage import CleanWork


def set_aside_part(work: CleanWork, why: str) -> None:
    """Write the part's decisions and its cleaned rows, which are not kept."""
    run, key = work.run, set_aside_key(work.key)
    ids = run.listings.read(work.name, ["record_id"])["record_id"].to_pylist()
    decisions = held_decisions("clean", run.run_id, ids, why)
    rows = [{"record_id": record_id, "kept": False, "removed_segments": []} for record_id in ids]
    run.decisions("clean").write(work.name, decisions, key)
    cleaned = pa.Table.from_pylist(rows, CLEANED.schema)
    run.cleaned.write(work.name, cleaned, key, {SET_ASIDE: len(ids)})
