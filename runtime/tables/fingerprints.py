"""Fingerprints: what a release keeps of its pictures, for later runs to compare with."""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

FINGERPRINTS = Table(
    "fingerprints",
    "the fingerprints of one published record",
    (
        Column("record_id", TEXT, "the published record", False),
        Column("sha256", TEXT, "hex SHA-256 of the origin bytes", False),
        Column("phash", pa.uint64(), "imagehash.phash of the picture, as an integer", False),
        Column("phash_trim", pa.uint64(), "the same after trimming uniform borders", False),
        Column("colour", pa.binary(48), "4x4 grid of mean Lab colours, uint8, row by row", False),
        Column("colour_trim", pa.binary(48), "the same after trimming uniform borders", False),
        Column("sketch", pa.binary(32), "b-bit MinHash of the title's character 3-grams", False),
        Column("leak_group", TEXT, "records of one group share a split", False),
        Column("split", TEXT, "train, validation or test", False),
    ),
)
