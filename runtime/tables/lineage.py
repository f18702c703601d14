"""Lineage: which split and leak group a record has, and which release brought it."""

from runtime.tables.column import TEXT, Column, Table

LINEAGE = Table(
    "lineage",
    "one published record",
    (
        Column("record_id", TEXT, "the published record", False),
        Column("split", TEXT, "train, validation or test", False),
        Column("leak_group", TEXT, "records of one group share a split", False),
        Column("first_release", TEXT, "version that first held it", False),
    ),
)
