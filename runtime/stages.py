"""How a stage works through its parts: skip what is current, redo what changed or is damaged.

A stage hands over its units, each with the name and key of the part it makes; the function that
makes a part runs in a worker, writes the part itself, and its seal's counts are added up here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Generic, TypeVar

from runtime import logs
from runtime.config import Config
from runtime.executor import WorkerPool
from runtime.parts import PartFolder
from runtime.progress import progress
from runtime.workspace import Run, Workspace

W = TypeVar("W")
Counts = Counter[str]


@dataclass(frozen=True)
class Context:
    """What every stage is given."""

    config: Config
    config_folder: Path
    workspace: Workspace
    run: Run
    pool: WorkerPool
    quiet: bool = False


@dataclass(frozen=True)
class Unit(Generic[W]):
    """One part to make: its name, its run key, and what the worker needs to know."""

    name: str
    key: str
    work: W


@dataclass(frozen=True)
class StageResult:
    """What a stage did: its counts over all parts, how many were made now, sites that failed."""

    counts: Counts
    made: int = 0
    failed_sites: dict[str, str] = field(default_factory=dict)
    set_aside: dict[str, str] = field(default_factory=dict)
    """By part, why it was set aside."""


def run_units(
    context: Context,
    label: str,
    outputs: Sequence[PartFolder],
    units: Sequence[Unit[W]],
    function: Callable[[W], object],
    after_death: Callable[[W], W] | None = None,
    set_aside: Callable[[W, str], None] | None = None,
) -> StageResult:
    """Make every part that is not current and remove those no unit makes any more.

    `function` seals a part of the same name and key in each of `outputs`, the one whose counts
    are reported last. A damaged part is named on stderr and made again. `after_death` makes of
    the work that was in flight when a worker died what is tried next, one unit at a time. A part
    on which workers died again and again is written by `set_aside`, in this process, and named;
    without one it ends the stage.
    """
    stale = stale_units(outputs, units)
    lost: dict[str, str] = {}

    def give_up(place: int, work: W, deaths: int) -> None:
        assert set_aside is not None
        name, why = stale[place].name, f"workers died {deaths} times on this part"
        set_aside(work, why)
        lost[name] = why
        logs.warning(
            f"part {outputs[-1].path(name)}: {why}, expected one to finish it; it is set aside and "
            "tried again by the next run; look for memory limits or a damaged input file",
            part=name,
        )

    with progress(label, len(stale), quiet=context.quiet) as tick:
        works = [unit.work for unit in stale]
        results = context.pool.map(function, works, after_death, give_up if set_aside else None)
        for done, _ in enumerate(results, start=1):
            tick(done)
    return StageResult(add_counts(outputs[-1], units), made=len(stale), set_aside=lost)


def stale_units(outputs: Sequence[PartFolder], units: Sequence[Unit[W]]) -> list[Unit[W]]:
    """The units whose parts have to be made; parts that no unit makes any more are removed."""
    for folder in outputs:
        folder.prune(unit.name for unit in units)
    return [unit for unit in units if not all(_current(f, unit) for f in outputs)]


def add_counts(folder: PartFolder, units: Sequence[Unit[W]]) -> Counts:
    """The counts of all units' parts, added up."""
    counts: Counts = Counter()
    for unit in units:
        seal = folder.seal(unit.name)
        counts.update(seal.counts if seal else {})
    return counts


def _current(folder: PartFolder, unit: Unit[W]) -> bool:
    seal = folder.seal(unit.name)
    if seal is None or seal.key != unit.key:
        return False
    problem = folder.damage(unit.name, seal)
    if problem is not None:
        logs.warning(f"part {folder.path(unit.name)}: {problem}; making it again")
        return False
    return True


def utc_text(moment: datetime) -> str:
    """An instant as ISO 8601 with a Z, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
