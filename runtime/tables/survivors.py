"""Survivors: the records that nothing refused, with the group they must share a split with."""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

SURVIVORS = Table(
    "survivors",
    "a record that goes into the next release",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column(
            "leak_group",
            TEXT,
            "smallest record_id of its near pairs, colour ignored; title:<hash> without a picture",
            False,
        ),
        Column("row", pa.int32(), "row of the record in its listings part", False),
    ),
)
