"""How a table is declared: columns with a type and a description, and the Arrow schema of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pyarrow as pa

TEXT = pa.string()
INSTANT = pa.timestamp("us", tz="UTC")
PATHS = pa.list_(pa.list_(pa.string()))


@dataclass(frozen=True)
class Column:
    """One column: its name, Arrow type, meaning, and whether it may be null."""

    name: str
    type: pa.DataType
    description: str
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """One table of a run: what a row is, and its columns in order."""

    name: str
    row: str
    columns: tuple[Column, ...]

    @cached_property
    def schema(self) -> pa.Schema:
        """The Arrow schema, each field carrying its description as metadata."""
        return pa.schema(
            [
                pa.field(c.name, c.type, c.nullable, {"description": c.description})
                for c in self.columns
            ]
        )
