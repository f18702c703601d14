"""What verification reports: one fault of a release, where it lies and what it is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Failure:
    """A fault: the file by its path inside the release, the row in it where known, the problem."""

    file: str
    row: int | None
    problem: str

    def __str__(self) -> str:
        place = self.file if self.row is None else f"{self.file} row {self.row}"
        return f"{place}: {self.problem}"
