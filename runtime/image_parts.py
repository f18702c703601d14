"""Names of image parts: the host, the run that recorded them, a number.

Parts move on from run to run, so their names differ over all runs and sort by age within a host.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runtime.workspace import file_key

# A host's key may hold anything, so the run and the number are read from the end.
_NAME = re.compile(r"(.+)-(\d{8}T\d{6}Z(?:-\d+)?)-(\d+)")


@dataclass(frozen=True)
class ImagePartName:
    """A part's name, taken apart; `run_id` is None in a name that does not say it."""

    host_key: str
    run_id: str | None
    number: int

    @classmethod
    def parse(cls, name: str) -> ImagePartName:
        """The name taken apart; any name is accepted."""
        match = _NAME.fullmatch(name)
        if match:
            return cls(match[1], match[2], int(match[3]))
        host_key, _, number = name.rpartition("-")
        return cls(host_key, None, int(number)) if number.isdecimal() else cls(name, None, 0)

    def of(self, run_id: str) -> str:
        """The name in full; `run_id` is the run it lies in where it does not say one itself."""
        return f"{self.host_key}-{self.run_id or run_id}-{self.number:06d}"


def next_part(host: str, run_id: str, names: Iterable[str]) -> str:
    """The name of the next part of a host in a run whose folder holds `names`."""
    first = ImagePartName(file_key(host), run_id, 0)
    start = first.of(run_id)[:-6]
    taken = [
        ImagePartName.parse(name).number
        for name in names
        if name.startswith(start) and name[len(start) :].isdecimal()
    ]
    return ImagePartName(first.host_key, run_id, max(taken, default=-1) + 1).of(run_id)
