"""The newcomers of a listings part: their rows as the release shows them, pictures aside.

Joins the part's listings, cleaned, labels and survivors tables, and the rows of an imported copy,
which lie side by side under one name. What leaves is sorted by record_id and carries, beside the
release's columns, what lineage and fingerprints need and where the picture lies.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from release.lineage import LINEAGE_FILE, read_range
from release.publish_rules import ADOPTED, NEWCOMER
from release.schema import COLUMNS, image_path, required_of
from runtime.errors import GateError, PartError
from runtime.parts import PartFolder
from runtime.tables import CLEANED, FINGERPRINTS
from runtime.workspace import Run

_LISTING = (
    "provenance", "site", "product_id", "product_url", "image_url", "category_paths", "fetched_at",
    "first_seen", "capture_file", "capture_offset",
)  # fmt: skip
_FINGERPRINTS = tuple(n for n in FINGERPRINTS.schema.names if n in CLEANED.schema.names)
_CLEANED = (
    "title", "title_raw", "width", "height", "format", "image_part", "image_row",
    *(name for name in _FINGERPRINTS if name != "record_id"),
)  # fmt: skip
_LABEL = (
    "class_id", "class_name", "sub_class_id", "sub_class_name", "subsub_class_id",
    "subsub_class_name", "label_rule",
)  # fmt: skip
_IMPORTED = {  # column of the release -> of the imported copy's rows
    "imported_path": "img_path", "imported_resolution": "resolution", "ocr": "ocr",
}  # fmt: skip
_OF_PICTURE = ("format", "image_part", "image_row", *_FINGERPRINTS)


def newcomers(run: Run, part: str) -> pa.Table:
    """The part's newcomers: release columns but those of the picture, fingerprints, picture place.

    Raises PartError when the tables do not lie side by side, GateError when a newcomer lacks
    what every published record has.
    """
    chosen = _decided(run, part, NEWCOMER)
    ids = chosen["record_id"]
    survivors = _matched(run.survivors, part, ids, ("leak_group", "row"))
    rows = survivors["row"]
    listings = _at(run.listings, part, ids, rows, _LISTING)
    cleaned = _at(run.cleaned, part, ids, rows, _CLEANED)
    return _joined(run, part, listings, cleaned, chosen, survivors["leak_group"])


def adopted(run: Run, part: str, parent: Path) -> pa.Table:
    """The same of published records, as a major release shows them from now on; they keep their
    leak group and split. Raises likewise."""
    chosen = _decided(run, part, ADOPTED)
    ids = chosen["record_id"]
    listings = _matched(run.listings, part, ids, _LISTING)
    cleaned = _matched(run.cleaned, part, ids, _CLEANED)
    return _joined(run, part, listings, cleaned, chosen, _leak_groups(parent, ids))


def _decided(run: Run, part: str, rule: str) -> pa.Table:
    decisions = run.decisions("publish").read(part, ["record_id", "rule", "value"])
    return decisions.filter(pc.equal(decisions["rule"], rule))


def _leak_groups(parent: Path, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    span = pc.min_max(ids).as_py()
    columns = ["record_id", "leak_group"]
    lineage = read_range(parent / LINEAGE_FILE, span["min"] or "", span["max"] or "", columns)
    return lineage["leak_group"].take(pc.index_in(ids, value_set=lineage["record_id"]))


def _joined(
    run: Run, part: str, listings: pa.Table, cleaned: pa.Table, chosen: pa.Table,
    leak_groups: pa.ChunkedArray,
) -> pa.Table:  # fmt: skip
    ids = chosen["record_id"]
    labels = _matched(run.labels, part, ids, _LABEL)
    columns: dict[str, pa.ChunkedArray | pa.Array] = {"record_id": ids}
    for table in (cleaned, labels, listings):
        columns |= dict(zip(table.schema.names, table.columns, strict=True))
    columns |= _imported(run, part, ids)
    columns |= {
        "split": chosen["value"],
        "leak_group": leak_groups,
        "run_id": pa.array([run.run_id] * len(ids), pa.string()),
        "path": pa.array(_paths(cleaned), pa.string()),
    }
    joined = pa.table(columns)
    _require(joined)
    return joined


def fingerprint_rows(rows: pa.Table) -> pa.Table:
    """The newcomers' part of the release's fingerprints table: those that have a picture."""
    pictured = rows.filter(pc.is_valid(rows["sha256"]))
    return pictured.select(FINGERPRINTS.schema.names).cast(FINGERPRINTS.schema)


def _imported(run: Run, part: str, ids: pa.ChunkedArray) -> dict[str, pa.ChunkedArray | pa.Array]:
    """What an imported copy says of its rows beside title and label; null for crawled ones."""
    if run.annotations.seal(part) is None:
        types = {column.name: column.type for column in COLUMNS}
        return {name: pa.nulls(len(ids), types[name]) for name in _IMPORTED}
    rows = _matched(run.annotations, part, ids, tuple(_IMPORTED.values()))
    return {name: rows[stated] for name, stated in _IMPORTED.items()}


def _matched(
    folder: PartFolder, part: str, ids: pa.ChunkedArray, columns: tuple[str, ...]
) -> pa.Table:
    """Rows of a table by record id, in the order of `ids`."""
    table = folder.read(part, ["record_id", *columns])
    places = pc.index_in(ids, value_set=table["record_id"])
    if places.null_count:
        missing = ids.filter(pc.is_null(places))[0]
        raise PartError(folder.path(part), f"expected a row of record {missing}, found none")
    return table.take(places).select(list(columns))


def _at(
    folder: PartFolder, part: str, ids: pa.ChunkedArray, rows: pa.ChunkedArray,
    columns: tuple[str, ...],
) -> pa.Table:  # fmt: skip
    """Rows of a table by place, checked to be those of `ids`."""
    table = folder.read(part, ["record_id", *columns])
    if len(rows) and not 0 <= pc.min(rows).as_py() <= pc.max(rows).as_py() < table.num_rows:
        raise PartError(folder.path(part), f"expected the survivors' rows, got {table.num_rows}")
    found = table.take(rows)
    if found["record_id"].to_pylist() != ids.to_pylist():
        raise PartError(folder.path(part), "expected its rows in the order of the listings part")
    return found.select(list(columns))


def _paths(cleaned: pa.Table) -> list[str | None]:
    pairs = zip(cleaned["sha256"].to_pylist(), cleaned["format"].to_pylist(), strict=True)
    return [
        image_path(sha256, format_) if sha256 and format_ else None for sha256, format_ in pairs
    ]


def _require(rows: pa.Table) -> None:
    """Raise GateError for a record without what it must have."""
    pictured = rows.filter(pc.is_valid(rows["sha256"]))
    _require_columns(pictured, _OF_PICTURE)
    for provenance in rows["provenance"].unique().to_pylist():
        for some, with_picture in ((rows, False), (pictured, True)):
            of_kind = some.filter(pc.equal(some["provenance"], provenance))
            needed = required_of(provenance, pictured=with_picture)
            _require_columns(of_kind, [name for name in needed if name != "image"])


def _require_columns(rows: pa.Table, names: Sequence[str]) -> None:
    for name in names:
        if rows[name].null_count:
            record = rows["record_id"].filter(pc.is_null(rows[name]))[0]
            raise GateError(
                f"record {record}: expected a value of `{name}`, got none; nothing was published"
            )
