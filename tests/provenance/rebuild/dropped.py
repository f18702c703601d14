"""Image parts whose bytes were dropped, as may be done once they are published."""

import pyarrow as pa

from runtime.parts import PartFolder


def drop_bytes(images: PartFolder, name: str) -> int:
    """Keep the rows of a part without their pictures; returns how many there were."""
    rows, seal = images.read(name), images.seal(name)
    assert seal is not None
    place = rows.schema.get_field_index("image")
    empty = rows.set_column(place, "image", pa.nulls(len(rows), pa.binary()))
    images.write(name, empty, seal.key, seal.counts)
    return len(rows) - rows["image"].null_count
