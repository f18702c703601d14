"""What verification reports: one fault of a release, where it lies and what it is."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

_SHOWN = 900


@dataclass(frozen=True)
class Failure:
    """A fault: the file by its path inside the release, the row in it where known, the problem.

    A warning is something that differs and may: another platform's decoder, say.
    """

    file: str
    row: int | None
    problem: str
    is_warning: bool = False

    def __str__(self) -> str:
        """One line of bounded length that moves no cursor: what it quotes may be a stranger's."""
        place = self.file if self.row is None else f"{self.file} row {self.row}"
        line = f"{place}: {self.problem}"
        if len(line) > _SHOWN:
            line = f"{line[:_SHOWN]}… ({len(line)} characters)"
        return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in line)


@dataclass
class Findings:
    """Everything found: what makes a release unsound, and what is only worth a word."""

    version: str | None = None
    failures: list[Failure] = field(default_factory=list)
    warnings: list[Failure] = field(default_factory=list)
    pictures: int = 0

    def add(self, found: Iterable[Failure]) -> None:
        """Sort what a check found into the two."""
        for fault in found:
            (self.warnings if fault.is_warning else self.failures).append(fault)
