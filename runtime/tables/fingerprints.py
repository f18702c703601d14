"""Fingerprints: what a release keeps of its pictures, for later runs to compare with.

Hashes of two versions cannot be compared. The version, which names algorithms, resampling and
decoding, stands in the schema of every file that holds some, under `FINGERPRINT`.
"""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

FINGERPRINT = "fingerprint"

FINGERPRINTS = Table(
    "fingerprints",
    "the fingerprints of one published record",
    (
        Column("record_id", TEXT, "the published record", False),
        Column("sha256", TEXT, "hex SHA-256 of the origin bytes", False),
        Column("phash", pa.uint64(), "64-bit perceptual hash of the picture", False),
        Column("phash_trim", pa.uint64(), "the same after trimming uniform borders", False),
        Column("colour", pa.binary(48), "4x4 grid of mean Lab colours, uint8, row by row", False),
        Column("colour_trim", pa.binary(48), "the same after trimming uniform borders", False),
        Column("sketch", pa.binary(32), "b-bit MinHash of the title's character 3-grams", False),
        Column("leak_group", TEXT, "records of one group share a split", False),
        Column("split", TEXT, "train, validation or test", False),
    ),
)

_OF_PICTURES = ("record_id", "phash", "phash_trim", "colour", "colour_trim")
REPRINTS = Table(
    "reprints",
    "the fingerprints of one row of a published shard, in another version than it was published",
    tuple(column for column in FINGERPRINTS.columns if column.name in _OF_PICTURES),
)
