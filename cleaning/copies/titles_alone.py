"""Records of which titles are all there is: nothing to compare, so each is kept.

In comes a part; out go a decision and a survivor for every mapped record without a picture, as an
imported copy may hold them. Equal titles share a split: their leak group is named after the title
itself, so that it is the same in every release and needs no look at the others.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from runtime import columns
from runtime.decisions import Decisions
from runtime.keys import digest
from runtime.tables import SURVIVORS
from runtime.workspace import Run

RULE = "title_alone_v1"


def judge_titles_alone(run: Run, part: str) -> tuple[pa.Table, pa.Table]:
    """The part's decisions and survivors; both empty where every record has a picture."""
    cleaned = run.cleaned.read(part, ["record_id", "kept", "sha256", "title"])
    row = columns.column(range(cleaned.num_rows), pa.int32())
    kept = cleaned.append_column("row", row).filter(cleaned["kept"])
    # Labels has the kept rows alone, in their order.
    mapped = run.labels.read(part, ["mapped"])["mapped"]
    alone = kept.filter(pc.and_(mapped, pc.is_null(kept["sha256"])))
    decisions = Decisions("dedupe", run.run_id)
    survivors: dict[str, list[object]] = {name: [] for name in SURVIVORS.schema.names}
    for record in alone.select(["record_id", "title", "row"]).to_pylist():
        decisions.add(record["record_id"], RULE, "kept", "it has no picture to compare")
        survivors["record_id"].append(record["record_id"])
        survivors["leak_group"].append(f"title:{digest(record['title'])}")
        survivors["row"].append(record["row"])
    return decisions.table(), columns.table(survivors, SURVIVORS.schema)
