"""Sightings: a product as one page showed it."""

import pyarrow as pa

from runtime.tables.column import INSTANT, PATHS, TEXT, Column, Table

SIGHTINGS = Table(
    "sightings",
    "a product as one page showed it",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column("site", TEXT, "short key of the shop", False),
        Column("product_id", TEXT, "the shop's own id of the product"),
        Column("product_url", TEXT, "canonical URL of the product's own page", False),
        Column("page_url", TEXT, "canonical URL of the page that showed it", False),
        Column("page_kind", TEXT, "product (its own page) or listing (a grid)", False),
        Column("position", pa.int32(), "place on that page, from 0", False),
        Column("title", TEXT, "title as extracted, not yet cleaned"),
        Column("image_url", TEXT, "absolute URL of the best picture"),
        Column("category_paths", PATHS, "breadcrumb trails on this page, root first", False),
        Column("extracted_by", TEXT, "JSON object: field -> extractor that won it", False),
        Column("opt_out", TEXT, "the page's words that forbid use (noai …); null if none"),
        Column("fetched_at", INSTANT, "WARC-Date of the page's capture", False),
        Column("capture_file", TEXT, "file under captures/ that holds the page", False),
        Column("capture_offset", pa.int64(), "byte offset of the page's WARC record", False),
    ),
)
