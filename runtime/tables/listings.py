"""Listings: one row per record, merged from all its sightings, or read from an imported copy.

An imported record has no page, URL, date or capture: those columns are null, and its picture lies
in the image part of the same name, in the row of its own.
"""

import pyarrow as pa

from runtime.tables.column import INSTANT, PATHS, TEXT, Column, Table

LISTINGS = Table(
    "listings",
    "one record of a site",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column("provenance", TEXT, "crawled or imported", False),
        Column("site", TEXT, "short key of the shop", False),
        Column("product_id", TEXT, "the shop's own id of the product"),
        Column("product_url", TEXT, "canonical URL of the product's own page"),
        Column("page_url", TEXT, "page whose sighting was kept"),
        Column("title", TEXT, "title as extracted, not yet cleaned"),
        Column("image_url", TEXT, "absolute URL of the picture"),
        Column("category_paths", PATHS, "every category path seen for the record", False),
        Column("opt_out", TEXT, "why its pages forbid use; null if they do not"),
        Column("fetched_at", INSTANT, "WARC-Date of the kept sighting's capture"),
        Column("capture_file", TEXT, "capture of the kept sighting"),
        Column("capture_offset", pa.int64(), "offset of the kept sighting's WARC record"),
        Column("sightings", pa.int32(), "how many sightings were merged into it", False),
        Column("first_seen", INSTANT, "WARC-Date of the first capture of any run with it"),
        Column("last_seen", INSTANT, "WARC-Date of the last capture with it"),
    ),
)
