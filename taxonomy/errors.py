"""The error of a category table or mapping file that cannot be used: which file, which row, why.

Such files are written by people, so the message names the place to mend and what belongs there.
"""

from __future__ import annotations

from pathlib import Path

from runtime.errors import ConfigError


class TaxonomyError(ConfigError):
    """A category table or a mapping file is missing or malformed."""

    def __init__(self, file: Path, row: int | None, expected: str, received: str) -> None:
        place = f"{file}, row {row}" if row is not None else str(file)
        super().__init__(f"{place}: expected {expected}, got {received}")
        self.file = file
        self.row = row
        self.expected = expected
        self.received = received

    def __reduce__(self) -> tuple[type[TaxonomyError], tuple[Path, int | None, str, str]]:
        # An exception with its own arguments would not survive the way out of a worker process.
        return type(self), (self.file, self.row, self.expected, self.received)
