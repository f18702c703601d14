"""Cleaned: title and image facts of every listing, and whether it goes on.

The schema of its parts names the version of the fingerprints, as `fingerprints.py` says.
"""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

CLEANED = Table(
    "cleaned",
    "one listing after the title and image rules",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column("kept", pa.bool_(), "true when no rule refused it", False),
        Column("title", TEXT, "normalised title"),
        Column("title_raw", TEXT, "title as extracted"),
        Column("removed_segments", pa.list_(pa.string()), "promotional segments taken out", False),
        Column("language", TEXT, "ISO 639-1 code; null when undetermined"),
        Column("width", pa.int32(), "pixels, after EXIF orientation"),
        Column("height", pa.int32(), "pixels, after EXIF orientation"),
        Column("format", TEXT, "JPEG, PNG, WEBP … by the bytes, not by the name"),
        Column("sha256", TEXT, "hex SHA-256 of the origin bytes"),
        Column("phash", pa.uint64(), "64-bit perceptual hash of the picture"),
        Column("phash_trim", pa.uint64(), "the same after trimming uniform borders"),
        Column("colour", pa.binary(48), "4x4 grid of mean Lab colours, uint8, row by row"),
        Column("colour_trim", pa.binary(48), "the same after trimming uniform borders"),
        Column("content_width", pa.int32(), "pixels across inside uniform borders"),
        Column("content_height", pa.int32(), "pixels down inside uniform borders"),
        Column("sketch", pa.binary(32), "b-bit MinHash of the title's character 3-grams"),
        Column("image_part", TEXT, "image part that holds the origin bytes"),
        Column("image_row", pa.int32(), "row in that part"),
    ),
)
