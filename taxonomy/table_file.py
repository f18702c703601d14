"""Reading a small hand-kept CSV file strictly: its rows with their row numbers, or a clear error.

Both the category tree and the mapping files are such tables. Row numbers are those of the lines
of the file (the header is row 1), so that a message leads an editor to the place.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from taxonomy.errors import TaxonomyError


@dataclass(frozen=True)
class TableRow:
    """One data row: the line it ends on, and its cells by column, stripped of outer spaces."""

    number: int
    cells: dict[str, str]


def read_table(path: Path, columns: Sequence[str], optional: Sequence[str] = ()) -> list[TableRow]:
    """The rows of a UTF-8 CSV file with exactly these columns; wholly empty lines are skipped.

    `optional` columns are all there, behind the others, or all absent, and then empty. A byte order
    mark is accepted: spreadsheet programs write one. Raises TaxonomyError.
    """
    header = ",".join(columns) + (f"[,{','.join(optional)}]" if optional else "")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            first = next(reader, None)
            found = [cell.strip() for cell in first or ()]
            if found not in ([*columns], [*columns, *optional]):
                received = "an empty file" if first is None else ",".join(first)
                raise TaxonomyError(path, 1, f"the header {header}", received)
            rows = [_row(path, reader.line_num, cells, found) for cells in reader if any(cells)]
    except OSError as error:
        raise TaxonomyError(path, None, "a readable CSV file", str(error.strerror)) from error
    except UnicodeDecodeError as error:
        raise TaxonomyError(
            path,
            None,
            'UTF-8 text ("CSV UTF-8" in spreadsheet programs)',
            f"byte 0x{error.object[error.start]:02x} at {error.start}",
        ) from error
    except csv.Error as error:
        raise TaxonomyError(path, reader.line_num, "well-formed CSV", str(error)) from error
    missing = dict.fromkeys(optional, "")
    return [TableRow(row.number, missing | row.cells) for row in rows]


def _row(path: Path, number: int, cells: list[str], columns: Sequence[str]) -> TableRow:
    if len(cells) != len(columns):
        raise TaxonomyError(
            path, number, f"{len(columns)} cells ({','.join(columns)})", f"{len(cells)}"
        )
    return TableRow(number, {name: cell.strip() for name, cell in zip(columns, cells, strict=True)})
