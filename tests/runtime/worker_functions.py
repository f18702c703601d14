"""What the pool tests run in worker processes, which find it by this module's name."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from runtime.errors import PartError
from runtime.parts import PartFolder
from runtime.tables import Column, Table

NUMBERS = Table("numbers", "a number", (Column("n", pa.int64(), "the number", False),))


def square(number: int) -> int:
    return number * number


@dataclass(frozen=True)
class Start:
    """A unit that notes its start in a folder."""

    number: int
    folder: Path


def note_start(unit: Start) -> int:
    (unit.folder / f"{unit.number}").touch()
    return unit.number


def kill_always(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def refuse(number: int) -> int:
    if number == 1:
        raise PartError(Path("somewhere.parquet"), "expected rows, got none")
    return number


@dataclass(frozen=True)
class NumberWork:
    """A part of numbers to make."""

    folder: Path
    name: str
    key: str
    number: int


def write_number(work: NumberWork) -> None:
    with (work.folder.parent / "made.log").open("a") as log:
        log.write(f"{work.name}\n")
    rows = pa.table({"n": [work.number]}, schema=NUMBERS.schema)
    PartFolder(work.folder, NUMBERS).write(work.name, rows, work.key, {"sum": work.number})
