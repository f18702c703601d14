"""Images: every attempt to fetch a picture, and the bytes of those that came."""

import pyarrow as pa

from runtime.tables.column import INSTANT, TEXT, Column, Table

IMAGES = Table(
    "images",
    "one attempt to fetch one image URL",
    (
        Column("image_url", TEXT, "absolute URL", False),
        Column("attempt", pa.int16(), "1 for the first request of this run", False),
        Column("outcome", TEXT, "ok, http_404, timeout, too_large, not_an_image, robots …", False),
        Column("status", pa.int16(), "HTTP status; null when there was no answer"),
        Column("fetched_at", INSTANT, "when the answer was complete", False),
        Column("content_type", TEXT, "declared Content-Type"),
        Column("etag", TEXT, "ETag of the answer"),
        Column("last_modified", TEXT, "Last-Modified of the answer"),
        Column("opt_out", TEXT, "X-Robots-Tag that forbids use; null if none"),
        Column("error", TEXT, "what went wrong, in words"),
        Column("sha256", TEXT, "hex SHA-256 of the bytes as received"),
        Column("image", pa.binary(), "the bytes as received; null unless the outcome is ok"),
    ),
)
