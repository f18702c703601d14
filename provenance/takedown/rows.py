"""What becomes of one table's rows in a takedown: those of what leaves go, others stop naming it.

Pure: a table comes in, a table goes out, or None where nothing in it has to change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from provenance.takedown.names import REMOVED, Names
from runtime.columns import from_numbers
from runtime.tables import LINKS

SUBJECTS = ("record_id", "product_url", "url", "target_url", "img_path")
"""Columns that say what a row is about; a row about what leaves goes whole."""
_TEXTS = frozenset({"error", "reason", "value", "evidence"})
_KEPT_OF_PICTURE = frozenset({"image_url", "attempt", "outcome", "fetched_at"})


def dropped_rows(rows: pa.Table, table: str, names: Names) -> NDArray[np.bool_]:
    """Which rows are about something that leaves."""
    mask = np.zeros(rows.num_rows, np.bool_)
    subjects = [*SUBJECTS, *(["page_url"] if table == LINKS.name else [])]
    exact = pa.array(sorted(names.exact), pa.string())
    for name in subjects:
        if name in rows.schema.names:
            mask |= _mask(pc.is_in(rows[name], value_set=exact))
    if "record_id" in rows.schema.names:
        repeated = pc.replace_substring_regex(rows["record_id"], r"#\d{10}$", "")
        mask |= _mask(pc.is_in(repeated, value_set=exact))
        for site in names.sites:
            mask |= _mask(pc.starts_with(rows["record_id"], f"{site}:"))
    if "site" in rows.schema.names and names.sites:
        mask |= _mask(pc.is_in(rows["site"], value_set=pa.array(sorted(names.sites), pa.string())))
    return mask


def renamed(rows: pa.Table, names: Names, groups: Mapping[str, str]) -> pa.Table | None:
    """Rows that stay, without a name of what leaves; None where they hold none."""
    changed = False
    for place, field in enumerate(rows.schema):
        if field.type != pa.string() or field.name == "record_id":
            continue
        say = _sayer(field.name, names, groups)
        words = pc.unique(rows[field.name]).to_pylist()
        told = {word: say(word) for word in words if word}
        told = {word: new for word, new in told.items() if new != word}
        if told:
            values = [told.get(value, value) for value in rows[field.name].to_pylist()]
            rows = rows.set_column(place, field, pa.array(values, pa.string()))
            changed = True
    return rows if changed else None


def _sayer(column: str, names: Names, groups: Mapping[str, str]) -> Callable[[str], str]:
    if column == "leak_group":
        return lambda text: groups.get(text, text)
    if column in _TEXTS:
        return names.without
    if column == "peer_id":
        return lambda text: REMOVED if names.is_record(text) else text
    return lambda text: REMOVED if text in names.exact else text


def purged(rows: pa.Table, table: str, names: Names, groups: Mapping[str, str]) -> pa.Table | None:
    """A table without what leaves; None where it holds nothing of it."""
    mask = dropped_rows(rows, table, names)
    kept = rows.filter(pa.array(~mask)) if mask.any() else rows
    told = renamed(kept, names, groups)
    if told is not None:
        return told
    return kept if mask.any() else None


def pictures_of(rows: pa.Table, names: Names, pictures: pa.Array) -> NDArray[np.bool_]:
    """Which rows of an image part are of a picture that leaves; its bytes are not looked at."""
    exact = pa.array(sorted(names.exact), pa.string())
    mask = _mask(pc.is_in(rows["sha256"], value_set=pictures))
    for name in ("image_url", "redirect_url"):
        if name in rows.schema.names:
            mask |= _mask(pc.is_in(rows[name], value_set=exact))
    return mask


def blanked(rows: pa.Table, mask: NDArray[np.bool_], names: Names) -> pa.Table:
    """Image rows of which some say no more than that there was one: others keep their places."""
    chosen = pa.array(mask)
    for place, field in enumerate(rows.schema):
        if field.name not in _KEPT_OF_PICTURE:
            blank = pa.scalar(None, field.type)
            rows = rows.set_column(place, field, pc.if_else(chosen, blank, rows[field.name]))
    place = rows.schema.get_field_index("outcome")
    outcome = pc.if_else(chosen, pa.scalar(REMOVED), rows["outcome"])
    rows = rows.set_column(place, rows.schema.field(place), outcome)
    exact = pa.array(sorted(names.exact), pa.string())
    barred = pc.is_in(rows["image_url"], value_set=exact)
    place = rows.schema.get_field_index("image_url")
    url = pc.if_else(barred, pa.scalar(REMOVED), rows["image_url"])
    return rows.set_column(place, rows.schema.field(place), url)


def placed(rows: pa.Table, column: str, record_ids: pa.Array, of: pa.Array | None) -> pa.Table:
    """Rows with the place of their record among `record_ids` in a column, where `of` says so."""
    places = pc.index_in(rows["record_id"], value_set=record_ids).cast(pa.int32())
    index = rows.schema.get_field_index(column)
    if of is not None:
        places = pc.if_else(of, places, rows[column])
    return rows.set_column(index, rows.schema.field(index), places)


def without_rows(rows: pa.Table, mask: NDArray[np.bool_]) -> pa.Table:
    """The rows that are not marked, in their order."""
    return rows.take(from_numbers(np.flatnonzero(~mask)))


def _mask(found: pa.ChunkedArray | pa.Array) -> NDArray[np.bool_]:
    array = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    mask: NDArray[np.bool_] = array.fill_null(False).to_numpy(zero_copy_only=False)
    return mask
