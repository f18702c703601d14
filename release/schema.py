"""The schema of a release: every column once, with meaning, unit and an example.

The card prints these descriptions. The schema carries the Hugging Face feature types in its
metadata, so that `datasets.load_dataset` decodes the pictures of shards that no library of
theirs wrote; every other reader ignores that key.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa

from runtime.columns import column
from runtime.origins import CRAWLED
from runtime.tables import FINGERPRINT
from runtime.tables.column import INSTANT, PATHS, TEXT

PICTURE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
IMAGE_BYTES = "image.bytes"  # the one Parquet leaf that is compressed already

EXTENSIONS = {"JPEG": "jpg", "PNG": "png", "WEBP": "webp", "GIF": "gif", "BMP": "bmp"}


Required = Literal["", "all", "pictured", "crawled", "imported"]
"""Of which records a value is required. Crawled ones are pictured; of an imported copy titles may
be all there is."""


@dataclass(frozen=True)
class ReleaseColumn:
    """One column of a release; `unit` is empty where there is none.

    `required` names the records that publish refuses without it. The Arrow field admits nulls all
    the same, since `datasets` overlooks the feature types of fields that do not (4.0 to 5.2).
    """

    name: str
    type: pa.DataType
    description: str
    unit: str
    example: str
    required: Required = ""


COLUMNS: tuple[ReleaseColumn, ...] = (
    ReleaseColumn(
        "record_id", TEXT,
        "lasting name of the record: <site>:<percent-encoded product id>, or, of an imported copy, "
        "mep3m:<folder>/<file stem> of its picture", "", "shop-a:100012043978", required="all",
    ),
    ReleaseColumn(
        "image", PICTURE,
        "the picture: origin bytes as received, and <sha256>.<true format>; null where an imported "
        "copy had none", "", "{bytes: FFD8FFE0…, path: 9f86d081….jpg}", required="pictured",
    ),
    ReleaseColumn("title", TEXT, "normalised title", "", "淡水珍珠项链 9-10mm", required="all"),
    ReleaseColumn(
        "title_raw", TEXT, "title as the page or the imported copy gave it", "",
        "【包邮】淡水珍珠项链 9-10mm", required="all",
    ),
    ReleaseColumn("class_id", pa.int32(), "MEP-3M class", "1 to 14", "10", required="all"),
    ReleaseColumn("class_name", TEXT, "name of the class", "", "箱包/钟表/珠宝", required="all"),
    ReleaseColumn(
        "sub_class_id", pa.int32(), "MEP-3M sub-class, which every record has", "1 to 599", "298",
        required="all",
    ),
    ReleaseColumn("sub_class_name", TEXT, "name of the sub-class", "", "饰品", required="all"),
    ReleaseColumn(
        "subsub_class_id", pa.int32(), "MEP-3M sub-sub-class; null where there is none",
        "600 to 688", "602",
    ),
    ReleaseColumn("subsub_class_name", TEXT, "name of the sub-sub-class", "", "珍珠"),
    ReleaseColumn(
        "label_rule", TEXT, "versioned rule that gave the label", "", "path_name_v2",
        required="all",
    ),
    ReleaseColumn(
        "width", pa.int32(), "width of the picture after EXIF orientation", "pixels", "800",
        required="pictured",
    ),
    ReleaseColumn(
        "height", pa.int32(), "height of the picture after EXIF orientation", "pixels", "800",
        required="pictured",
    ),
    ReleaseColumn(
        "site", TEXT, "short key of the shop; mep3m of imported records", "", "shop-a",
        required="all",
    ),
    ReleaseColumn("product_id", TEXT, "the shop's own id of the product", "", "100012043978"),
    ReleaseColumn(
        "product_url", TEXT, "canonical URL of the product's own page", "",
        "https://shop.example/item/100012043978",
        required="crawled",
    ),
    ReleaseColumn(
        "image_url", TEXT, "URL the picture was fetched from", "",
        "https://img.shop.example/100012043978.jpg",
        required="crawled",
    ),
    ReleaseColumn(
        "category_paths", PATHS, "every category path the shop gave, root first", "",
        "[[珠宝, 饰品, 珍珠]]", required="all",
    ),
    ReleaseColumn(
        "sha256", TEXT, "SHA-256 of the origin bytes, which are image.bytes", "hexadecimal",
        "9f86d081884c7d65…", required="pictured",
    ),
    ReleaseColumn(
        "phash", pa.uint64(),
        "64-bit perceptual hash, of the version that the manifest's `fingerprint` names; the value "
        "of imagehash.phash's hex string where that says `exact`, near it where it says `reduced`",
        "", "17289301308300324847", required="pictured",
    ),
    ReleaseColumn(
        "fetched_at", INSTANT, "WARC-Date of the capture of the page", "UTC",
        "2026-01-31T08:11:00Z",
        required="crawled",
    ),
    ReleaseColumn(
        "first_seen", INSTANT, "WARC-Date of the first page of any run that showed the record",
        "UTC", "2026-01-31T08:09:12Z",
    ),
    ReleaseColumn(
        "run_id", TEXT, "run that brought the record in", "", "20260131T080900Z", required="all"
    ),
    ReleaseColumn(
        "capture_file", TEXT, "WARC file of that run with the page", "", "shop-a-00000.warc.gz",
        required="crawled",
    ),
    ReleaseColumn(
        "capture_offset", pa.int64(), "where the page's WARC record starts in it", "bytes", "48211",
        required="crawled",
    ),
    ReleaseColumn(
        "provenance", TEXT,
        "crawled, or imported from an existing copy: such a record has no URL, date or capture",
        "", "crawled", required="all",
    ),
    ReleaseColumn(
        "imported_path", TEXT, "path of its picture in the copy it was imported from", "",
        "Images/1/15.png", required="imported",
    ),
    ReleaseColumn(
        "imported_resolution", pa.list_(pa.int32()),
        "height, width and channels of its picture as that copy states them", "pixels",
        "[220, 220, 3]",
    ),
    ReleaseColumn("ocr", TEXT, "text in the picture as that copy states it", "", "新西兰原装进口"),
)  # fmt: skip

COLUMN_NAMES = tuple(column.name for column in COLUMNS)


def required_of(provenance: str, *, pictured: bool) -> tuple[str, ...]:
    """The columns that a record must have a value of."""
    kinds = {"all", provenance, *(["pictured"] if pictured or provenance == CRAWLED else [])}
    return tuple(c.name for c in COLUMNS if c.required and c.required in kinds)


def _feature(type_: pa.DataType) -> dict[str, Any]:
    """The type as datasets 5.2 writes it in its schema metadata."""
    if type_ == PICTURE:
        return {"_type": "Image"}
    if pa.types.is_list(type_):
        return {"feature": _feature(type_.value_type), "_type": "List"}
    return {"dtype": str(type_), "_type": "Value"}


def _release_schema() -> pa.Schema:
    features = {column.name: _feature(column.type) for column in COLUMNS}
    fields = [pa.field(c.name, c.type, metadata={"description": c.description}) for c in COLUMNS]
    return pa.schema(fields, {"huggingface": json.dumps({"info": {"features": features}})})


RELEASE_SCHEMA = _release_schema()


def released_schema(fingerprint: str | None) -> pa.Schema:
    """The schema of a shard: it and its `phash` column name the version of the fingerprints."""
    if fingerprint is None:
        return RELEASE_SCHEMA
    told = {FINGERPRINT: fingerprint}
    place = RELEASE_SCHEMA.get_field_index("phash")
    field = RELEASE_SCHEMA.field(place)
    named = field.with_metadata({**field.metadata, **told})
    schema = RELEASE_SCHEMA.set(place, named)
    return schema.with_metadata({**RELEASE_SCHEMA.metadata, **told})


def as_released(rows: pa.Table) -> pa.Table:
    """Rows of an earlier release with the columns that came since: all of them were crawled."""
    for number, field in enumerate(RELEASE_SCHEMA):
        if field.name not in rows.schema.names:
            known = [CRAWLED] * rows.num_rows if field.name == "provenance" else None
            values = pa.nulls(rows.num_rows, field.type) if known is None else column(known, TEXT)
            rows = rows.add_column(number, field, values)
    return rows


def schema_digest(schema: pa.Schema) -> str:
    """Hex SHA-256 over names and types, one column a line.

    Descriptions are left out: better words are not another schema.
    """
    lines = [f"{field.name}\t{field.type}\n" for field in schema]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def leaf_paths(schema: pa.Schema) -> tuple[str, ...]:
    """Parquet's dotted paths of the leaf columns, in order, as PyArrow 26 names them."""
    return tuple(path for field in schema for path in _leaves(field.name, field.type))


def _leaves(path: str, type_: pa.DataType) -> list[str]:
    if pa.types.is_struct(type_):
        return [leaf for field in type_ for leaf in _leaves(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(type_):
        return _leaves(f"{path}.list.element", type_.value_type)
    return [path]


def image_path(sha256: str, format_: str) -> str:
    """The file name a picture travels under: its digest and its format by the bytes."""
    return f"{sha256}.{EXTENSIONS.get(format_, format_.lower())}"
