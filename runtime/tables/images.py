"""Images: every attempt to fetch a picture, and the bytes of those that came.

An imported picture has its path in the copy for a URL, and no date.
"""

import pyarrow as pa

from runtime.tables.column import INSTANT, TEXT, Column, Table

IMAGES = Table(
    "images",
    "one attempt to fetch one image URL",
    (
        Column("image_url", TEXT, "absolute URL, or path in an imported copy", False),
        Column("attempt", pa.int16(), "1 for the first attempt of the run that made it", False),
        Column("outcome", TEXT, "ok, not_modified, redirect, http_404, timeout, robots …", False),
        Column("status", pa.int16(), "HTTP status; null when there was no answer"),
        Column("fetched_at", INSTANT, "when the answer was complete, or was recorded"),
        Column(
            "source", TEXT, "network, archive (a WARC file) or import; null if nothing was asked"
        ),
        Column("redirects", pa.int16(), "redirects followed within the host"),
        Column("redirect_url", TEXT, "where a redirect to another host leads"),
        Column("content_type", TEXT, "declared Content-Type"),
        Column("sniffed_type", TEXT, "media type by the first bytes; null if they are no picture"),
        Column("etag", TEXT, "ETag of the answer"),
        Column("last_modified", TEXT, "Last-Modified of the answer"),
        Column("opt_out", TEXT, "X-Robots-Tag that forbids use; null if none"),
        Column("error", TEXT, "what went wrong or was put right, in words"),
        Column("sha256", TEXT, "hex SHA-256 of `image`"),
        Column("image", pa.binary(), "the picture as the server has it; null unless outcome is ok"),
    ),
)
