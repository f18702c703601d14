"""Annotations: the rows of an imported copy, as its file says them; an import's sightings.

Every row of the file is here, in the order of the record ids. A row that became no record has a
`fault`, the rule by which it was rejected, and a name of its own: `mep3m:#<row>`, or, where an
earlier row has its id already, `<that id>#<row>`.
"""

import pyarrow as pa

from runtime.tables.column import TEXT, Column, Table

ANNOTATIONS = Table(
    "annotations",
    "one row of the annotations of an imported copy",
    (
        Column("record_id", TEXT, "mep3m:<sub-class folder>/<file stem>", False),
        Column("row", pa.int64(), "place in the file, from 1", False),
        Column("byte", pa.int64(), "where the row starts in the file", False),
        Column("img_path", TEXT, "path of its picture in the copy"),
        Column("title", TEXT, "title, byte for byte"),
        Column("class_id", pa.int32(), "MEP-3M class as stated"),
        Column("class_name", TEXT, "its name as stated"),
        Column("sub_class_id", pa.int32(), "MEP-3M sub-class as stated"),
        Column("sub_class_name", TEXT, "its name as stated"),
        Column("subsub_class_id", pa.int32(), "MEP-3M sub-sub-class as stated, if any"),
        Column("subsub_class_name", TEXT, "its name as stated"),
        Column("resolution", pa.list_(pa.int32()), "height, width and channels as stated"),
        Column("ocr", TEXT, "text in the picture as stated"),
        Column("fault", TEXT, "rule that rejected the row; null if it became a record"),
        Column("reason", TEXT, "why, in words"),
        Column("value", TEXT, "what was found there"),
        Column("peer_id", TEXT, "the record that has its id already"),
    ),
)
