"""What the pool tests run in worker processes, which find it by this module's name."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from runtime.errors import PartError
from runtime.parts import PartFolder
from runtime.tables import Column, Table

NUMBERS = Table("numbers", "a number", (Column("n", pa.int64(), "the number", False),))


def square(number: int) -> int:
    return number * number


def loaded(name: str) -> str | None:
    """The file of a module that this process has imported before."""
    return getattr(sys.modules.get(name), "__file__", None)


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


def kill_once(unit: tuple[Path, int]) -> int:
    """The fourth unit kills its process unless the marker is there."""
    marker, number = unit
    if number == 3 and not marker.exists():
        marker.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@dataclass(frozen=True)
class Risk:
    """A unit that logs each try; one that kills first waits until unit `after` has begun."""

    number: int
    folder: Path
    kills: bool = False
    after: int = 0
    careful: bool = False


def take_risk(unit: Risk) -> tuple[int, bool]:
    log = unit.folder / "tries.log"
    with log.open("a") as file:
        file.write(f"{unit.number}{' with care' * unit.careful}\n")
    if unit.kills and not unit.careful:
        deadline = time.monotonic() + 30
        while str(unit.after) not in log.read_text().split("\n") and time.monotonic() < deadline:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)
    return unit.number, unit.careful


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
