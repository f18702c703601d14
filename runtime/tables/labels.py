"""Labels: the leaf category of every record that was cleaned, or why it is held."""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

SUGGESTION = pa.struct(
    [("level", TEXT), ("id", pa.int32()), ("confidence", pa.float64()), ("by", TEXT)]
)

LABELS = Table(
    "labels",
    "the label of one kept record",
    (
        Column("record_id", TEXT, "<site>:<percent-encoded product id>", False),
        Column("mapped", pa.bool_(), "false: held for review", False),
        Column("class_id", pa.int32(), "MEP-3M class, 1 to 14"),
        Column("class_name", TEXT, "its name"),
        Column("sub_class_id", pa.int32(), "MEP-3M sub-class, the leaf every record has"),
        Column("sub_class_name", TEXT, "its name"),
        Column("subsub_class_id", pa.int32(), "MEP-3M sub-sub-class, where there is one"),
        Column("subsub_class_name", TEXT, "its name"),
        Column("label_rule", TEXT, "versioned rule that decided or held", False),
        Column("evidence", TEXT, "what the rule saw", False),
        Column("suggestions", pa.list_(SUGGESTION), "guesses for review, best first", False),
        Column("title_leaf", SUGGESTION, "what the title alone says, by the title model"),
        Column("contradicted", pa.bool_(), "its title says another leaf than its path", False),
    ),
)
