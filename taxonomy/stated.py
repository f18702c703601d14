"""Labels that an existing dataset states: ids and names on three levels, held against the tree.

In come the six values of a row; out goes the tree's label, or the words for what it does not know.
The map stage labels imported records by them, with a rule of their own.
"""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa

from runtime.errors import ConfigError
from taxonomy.batches import BatchVerdicts
from taxonomy.mapper import MapVerdict
from taxonomy.names import normalise_name
from taxonomy.tree import Label, Level, Tree

RULE = "imported_label_v1"
REASON = "the imported copy states it, and the category tree knows it"
COLUMNS = (
    "class_id", "class_name", "sub_class_id", "sub_class_name", "subsub_class_id",
    "subsub_class_name",
)  # fmt: skip


def told(label: Label) -> str:
    """A label that a row states, in words fit for a line of a terminal."""
    levels = [(label.class_id, label.class_name), (label.sub_class_id, label.sub_class_name)]
    if label.subsub_class_id is not None:
        levels.append((label.subsub_class_id, label.subsub_class_name or ""))
    text = " > ".join(f"{id} {name[:60]}" for id, name in levels)
    return "".join(sign if sign.isprintable() else "\ufffd" for sign in text)


def read_stated(stated: Label, tree: Tree) -> Label | str:
    """The tree's label for a stated one, or what is wrong.

    It may lack an id, or give it another name or another parent.
    """
    levels = [(Level.CLASS, stated.class_id, stated.class_name)]
    levels.append((Level.SUB_CLASS, stated.sub_class_id, stated.sub_class_name))
    if stated.subsub_class_id is not None:
        levels.append((Level.SUBSUB_CLASS, stated.subsub_class_id, stated.subsub_class_name or ""))
    above = None
    for level, id, name in levels:
        node = tree.get(level, id)
        if node is None:
            return f"the category tree has no {level} {id}"
        if normalise_name(node.name) != normalise_name(name):
            return f"{level} {id} is {node.name} in the category tree, not {name[:60]}"
        if above is not None and node.parent_id != above:
            return f"{node} belongs to {tree.parent(node)} in the category tree, not to {above}"
        above = id
    leaf = tree.get(*levels[-1][:2])
    assert leaf is not None
    return tree.label(leaf)


def stated_verdicts(rows: pa.Table, tree: Tree) -> BatchVerdicts:
    """A verdict on each of some rows of the annotations, by what they state.

    Raises ConfigError, naming the record, for a label that this tree does not give: the copy was
    imported with another tree.
    """
    columns = [rows[name].to_pylist() for name in COLUMNS]
    places: dict[tuple[object, ...], int] = {}
    verdicts: list[MapVerdict] = []
    of = np.empty(rows.num_rows, np.int64)
    for row, values in enumerate(zip(*columns, strict=True)):
        place = places.setdefault(values, len(verdicts))
        if place == len(verdicts):
            stated = Label(*values)
            label = read_stated(stated, tree)
            if isinstance(label, str):
                record = rows["record_id"][row].as_py()
                raise ConfigError(
                    f"record {record}: expected a label of the category tree, got {told(stated)}: "
                    f"{label}; set `map.taxonomy` to the tree it was imported with"
                )
            evidence = json.dumps([{"stated": told(stated)}], ensure_ascii=False)
            verdicts.append(MapVerdict(label, RULE, REASON, evidence))
        of[row] = place
    return BatchVerdicts(tuple(verdicts), of)
