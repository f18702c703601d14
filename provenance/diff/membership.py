"""Which records only one of two releases holds, and which have another split or leak group now.

Comes in: the lineage tables of both, sorted by record id. Goes out: windows of some thousand ids in
order, so memory does not depend on the size of the releases.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from provenance.release_copy import ReleaseCopy
from release.lineage import LINEAGE_FILE, SortedStream, stream_table

COMPARED = ("split", "leak_group", "first_release")
Cells = dict[str, Any]


@dataclass(frozen=True)
class Window:
    """Some ids in order; `moved` are in both: (record_id, cells in A, cells in B)."""

    added: list[str]
    removed: list[str]
    moved: list[tuple[str, Cells, Cells]]


def windows(a: ReleaseCopy, b: ReleaseCopy) -> Iterator[Window]:
    """Where the two lineages differ, in the order of record ids. Raises WorkspaceError."""
    path = LINEAGE_FILE.as_posix()
    if a.digest(path) is not None and a.digest(path) == b.digest(path):
        return
    left, right = (SortedStream(stream_table(copy.lineage)) for copy in (a, b))
    while left.head is not None or right.head is not None:
        # Everything up to the smaller of the two heads' last ids is complete on both sides.
        bound = min(stream.last for stream in (left, right) if stream.head is not None)
        window = _window(left.up_to(bound), right.up_to(bound))
        if window.added or window.removed or window.moved:
            yield window


def _window(ours: pa.Table | None, theirs: pa.Table | None) -> Window:
    if ours is None or theirs is None:
        return Window(_ids(theirs), _ids(ours), [])
    if ours.equals(theirs):
        return Window([], [], [])
    removed = pc.invert(pc.is_in(ours["record_id"], value_set=theirs["record_id"]))
    added = pc.invert(pc.is_in(theirs["record_id"], value_set=ours["record_id"]))
    both = (ours.filter(pc.invert(removed)), theirs.filter(pc.invert(added)))
    moved = [
        (before["record_id"], _cells(before), _cells(after))
        for before, after in zip(*(side.to_pylist() for side in both), strict=True)
        if before != after
    ]
    return Window(_ids(theirs.filter(added)), _ids(ours.filter(removed)), moved)


def _ids(rows: pa.Table | None) -> list[str]:
    found: list[str] = [] if rows is None else rows["record_id"].to_pylist()
    return found


def _cells(row: Cells) -> Cells:
    return {name: row[name] for name in COMPARED}
