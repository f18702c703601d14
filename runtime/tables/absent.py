"""Absent: records of a site that earlier runs saw and this one did not."""

import pyarrow as pa

from runtime.tables.column import INSTANT, TEXT, Column, Table

ABSENT = Table(
    "absent",
    "a record that earlier runs saw and this one did not",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column("product_url", TEXT, "canonical URL of the product's own page", False),
        Column("first_seen", INSTANT, "WARC-Date of the first capture that showed it", False),
        Column("last_seen", INSTANT, "WARC-Date of the last capture that showed it", False),
        Column("last_run", TEXT, "run that saw it last", False),
        Column("missed", pa.int32(), "complete crawls in a row without it, up to this", False),
        Column("gone", pa.bool_(), "true from `gone_after` missed crawls on", False),
    ),
)
