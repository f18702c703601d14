"""Pages: what became of every URL that a crawl wanted to see."""

import pyarrow as pa

from runtime.tables.column import INSTANT, TEXT, Column, Table

PAGES = Table(
    "pages",
    "one URL of a site's crawl, with its last outcome",
    (
        Column("site", TEXT, "short key of the shop", False),
        Column("url", TEXT, "canonical URL that was queued", False),
        Column("kind", TEXT, "what was expected there: start, category, product or sitemap", False),
        Column(
            "outcome",
            TEXT,
            "ok, redirect, carried, robots, capped, trap, http_404, timeout …",
            False,
        ),
        Column("status", pa.int16(), "HTTP status of the last answer; null when there was none"),
        Column("attempts", pa.int16(), "requests made for it, retries included", False),
        Column("fetched_at", INSTANT, "WARC-Date of the capture"),
        Column("capture_file", TEXT, "file under captures/ that holds the answer"),
        Column("capture_offset", pa.int64(), "byte offset of the WARC record in that file"),
        Column("error", TEXT, "what went wrong, in words"),
    ),
)
