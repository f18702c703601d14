"""Known: what earlier runs knew of a site's records, as merge took it from the product memory."""

import pyarrow as pa

from runtime.tables.column import INSTANT, TEXT, Column, Table

KNOWN = Table(
    "known",
    "a record of the site that an earlier run saw, as it stood before this run",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column("product_url", TEXT, "canonical URL of the product's own page", False),
        Column("first_seen", INSTANT, "WARC-Date of the first capture that showed it", False),
        Column("last_seen", INSTANT, "WARC-Date of the last capture that showed it", False),
        Column("last_run", TEXT, "run that saw it last", False),
        Column("missed", pa.int32(), "complete crawls in a row since then without it", False),
    ),
)
