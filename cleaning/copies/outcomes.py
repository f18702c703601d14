"""What dedupe writes of one part: a decision on every record it judged, and the survivors.

In come verdicts as arrays and the names they point to; out go Arrow tables, made column by column.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from cleaning.copies import verdict
from cleaning.copies.pairs import PICTURES
from cleaning.copies.scratch import map_column, save_columns
from cleaning.copies.verdict import Verdicts
from cleaning.titles.sketch import SKETCH_BYTES
from runtime.columns import column, from_numbers
from runtime.stages import Counts
from runtime.storage import atomic_path
from runtime.tables import DECISIONS, SURVIVORS


@dataclass(frozen=True)
class _Rule:
    """What is said of a candidate with a verdict's code."""

    name: str
    verdict: str
    reason: str


RULES: Mapping[int, _Rule] = {
    verdict.UNIQUE: _Rule("unique_v1", "kept", "no earlier record shows the same picture"),
    verdict.SAME_BYTES: _Rule("same_bytes_v1", "duplicate", "its image file equals the other's"),
    verdict.SAME_FINGERPRINT: _Rule(
        "same_fingerprint_v1", "duplicate", "its picture has the same perceptual hash"
    ),
    verdict.NEAR_FINGERPRINT: _Rule(
        "near_fingerprint_v1", "duplicate", "its picture is within the radius"
    ),
    verdict.PLACEHOLDER: _Rule(
        "placeholder_image_v2", "rejected", "many unlike titles of the site share its picture"
    ),
    verdict.BRIDGES: _Rule(
        "bridges_splits_v1", "rejected", "near copies of it are in two published splits"
    ),
}


@dataclass(frozen=True)
class Names:
    """The texts of some rows, which ascend."""

    rows: NDArray[np.int64]
    texts: pa.Array

    def of(self, rows: NDArray[np.signedinteger[Any]]) -> list[str]:
        """The text of each row; every one must be known."""
        found: list[str] = self.texts.take(
            from_numbers(np.searchsorted(self.rows, rows))
        ).to_pylist()
        return found

    def save(self, folder: Path) -> None:
        """Write them to a folder."""
        save_columns(folder, {"rows": self.rows})
        with atomic_path(folder / _TEXTS) as path, pa.OSFile(str(path), "wb") as file:
            table = pa.table({"text": self.texts})
            with pa.ipc.new_file(file, table.schema) as writer:
                writer.write_table(table)

    @classmethod
    def load(cls, folder: Path) -> Names:
        """What was saved in a folder, mapped."""
        with pa.memory_map(str(folder / _TEXTS)) as file:
            texts = pa.ipc.open_file(file).read_all()["text"].combine_chunks()
        return cls(map_column(folder, "rows"), texts)


_TEXTS = "texts.arrow"


@dataclass(frozen=True)
class Outcome:
    """The tables of one part."""

    decisions: pa.Table
    survivors: pa.Table
    counts: Counts


def outcome(
    verdicts: Verdicts,
    rows: NDArray[np.int64],
    places: NDArray[np.int32],
    record_ids: pa.Array,
    peers: Names,
    groups: Names,
    run_id: str,
    radius: int,
    placeholder_records: int,
) -> Outcome:
    """The tables of a part whose candidates are `rows`, at `places` among its `record_ids`.

    `peers` names the representatives, `groups` the leak groups that are not named after the record
    itself. Held records that represent themselves are left to the map stage's decision.
    """
    judged = verdicts.code[rows] != verdict.HELD
    rows, places = rows[judged], places[judged]
    codes = verdicts.code[rows]
    ids = record_ids.take(from_numbers(places))
    bounds: list[float | None] = [None] * len(RULES)
    bounds[verdict.SAME_BYTES] = bounds[verdict.SAME_FINGERPRINT] = 0.0
    bounds[verdict.NEAR_FINGERPRINT] = float(radius)
    bounds[verdict.PLACEHOLDER] = float(placeholder_records)
    decided = _decisions(verdicts, rows, codes, ids, peers, bounds, run_id)
    counts: Counts = Counter()
    for code, count in zip(*np.unique(codes, return_counts=True), strict=True):
        rule = RULES[int(code)]
        counts[rule.verdict] += int(count)
        counts[f"rule.{rule.name}"] += int(count)
    flags = verdicts.flag[rows]
    flagged = np.flatnonzero(flags != verdict.UNIQUE)
    if len(flagged):
        some = ids.take(from_numbers(flagged))
        told = _decisions(
            verdicts, rows[flagged], flags[flagged], some, peers, bounds, run_id, "flagged"
        )
        decided = pa.concat_tables([decided, told])
        counts["flagged"] += len(flagged)
    unique = np.flatnonzero(codes == verdict.UNIQUE)
    return Outcome(
        decided,
        _survivors(verdicts, rows[unique], places[unique], ids.take(from_numbers(unique)), groups),
        counts,
    )


def _decisions(
    verdicts: Verdicts,
    rows: NDArray[np.int64],
    codes: NDArray[np.uint8],
    ids: pa.Array,
    peers: Names,
    bounds: Sequence[float | None],
    run_id: str,
    said: str | None = None,
) -> pa.Table:
    """A decision on each row by its code; `said` stands for the verdicts of the rules."""
    copied = np.isin(codes, verdict.COPIES)
    peer_ids: list[str | None] = [None] * len(rows)
    for place, name in zip(
        np.flatnonzero(copied).tolist(), peers.of(verdicts.peer[rows[copied]]), strict=True
    ):
        peer_ids[place] = name
    reasons, values = _reasons(verdicts, rows, codes)
    columns: dict[str, Any] = {
        "record_id": ids,
        "stage": ["dedupe"] * len(rows),
        "rule": [RULES[code].name for code in codes.tolist()],
        "verdict": [said or RULES[code].verdict for code in codes.tolist()],
        "reason": reasons,
        "value": values,
        "threshold": [bounds[code] for code in codes.tolist()],
        "peer_id": peer_ids,
        "run_id": [run_id] * len(rows),
    }
    return _table(columns, DECISIONS.schema)


def _reasons(
    verdicts: Verdicts, rows: NDArray[np.int64], codes: NDArray[np.uint8]
) -> tuple[list[str], list[str | None]]:
    """The reason of each decision with what was measured, and the one figure it turned on."""
    reasons = [RULES[code].reason for code in codes.tolist()]
    values: list[str | None] = [None] * len(rows)
    for place in np.flatnonzero(codes != verdict.UNIQUE).tolist():
        row, code = rows[place], int(codes[place])
        if code == verdict.PLACEHOLDER:
            values[place] = str(verdicts.shared[row])
        elif code == verdict.SAME_BYTES:
            values[place] = "0"
        elif code in verdict.COPIES:
            values[place] = str(verdicts.distance[row])
            reasons[place] = f"{RULES[code].reason}: {_measured(verdicts, row)}"
    return reasons, values


def _measured(verdicts: Verdicts, row: np.int64) -> str:
    agreement = int(verdicts.agreement[row])
    titles = (
        f"titles share {agreement} of {SKETCH_BYTES}"
        if agreement <= SKETCH_BYTES
        else "as for another record with its very file"
    )
    return (
        f"{verdicts.distance[row]} bits between {PICTURES[verdicts.via[row]]}, "
        f"colours differ by {verdicts.colour_difference[row]}, {titles}"
    )


def _survivors(
    verdicts: Verdicts,
    rows: NDArray[np.int64],
    places: NDArray[np.int32],
    ids: pa.Array,
    groups: Names,
) -> pa.Table:
    names = ids.to_pylist()
    joined = np.flatnonzero(verdicts.group[rows] != rows)
    for place, name in zip(
        joined.tolist(), groups.of(verdicts.group[rows[joined]]), strict=True
    ):  # fmt: skip
        names[place] = name
    columns = {"record_id": ids, "leak_group": names, "row": places.tolist()}
    return _table(columns, SURVIVORS.schema)


def _table(columns: Mapping[str, Any], schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        values = columns[field.name]
        arrays.append(values if isinstance(values, pa.Array) else column(values, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)
