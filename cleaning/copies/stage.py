"""The dedupe stage: copies, placeholders and leak groups over the run and the current release.

Reads the fingerprints that clean stored and those the release keeps, judges all of them together,
and writes per listings part the survivors and a decision on every record judged. Shares of the
parts are loaded and written, and the bands of the join worked, as units side by side, all of which
map one table; only the verdicts themselves are found one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from cleaning.copies.reindex import comparable_index
from cleaning.copies.scratch import scratch_folder
from cleaning.hashes import VERSIONS
from runtime.config import DedupeConfig
from runtime.errors import WorkspaceError
from runtime.parts import PartFolder, run_key
from runtime.progress import progress
from runtime.run_ids import start_of
from runtime.stages import Context, StageResult, Unit, add_counts, stale_units
from runtime.storage import sha256_file
from runtime.tables import FINGERPRINT
from runtime.tombstones import IMAGE, Tombstone, load_tombstones
from runtime.workspace import Run

VERSION = "4"
BANDS = 4  # of a hash; of the library that the search is compiled with, which is not loaded here
SHARE_ROWS = 25_000
APART_ROWS = 50_000
"""Candidates from which on the units are worked on side by side; fewer are done before they met."""


@dataclass(frozen=True)
class DedupeWork:
    """The whole stage: its parts, and an index of what is published, of the run's own version.

    `earlier` are the ids of the runs up to this one, in order; `barred` the pictures that were
    taken down.
    """

    run: Run
    parts: tuple[str, ...]
    index: Path | None
    version: str
    earlier: tuple[str, ...]
    key: str
    settings: DedupeConfig
    scratch: Path
    bounds: tuple[int, ...]
    barred: tuple[Tombstone, ...] = ()

    def shares(self) -> list[Share]:
        """What is published, then the parts, some side by side."""
        pairs = enumerate(pairwise(self.bounds), start=1)
        return [Share(self, 0), *(Share(self, n, range(*bounds)) for n, bounds in pairs)]

    def bands(self) -> list[Band]:
        """The bands of the join."""
        return [Band(self, number) for number in range(BANDS)]

    def steps(self) -> list[tuple[Callable[[Any], None], list[Any]]]:
        """What is to be done, in order; the units of a step do not mind one another."""
        return [
            (load_share, self.shares()),
            (join_shares, [self]),
            (join_band, self.bands()),
            (judge, [self]),
            (write_share, self.shares()),
        ]


@dataclass(frozen=True)
class Share:
    """Some of the parts, by their numbers; share 0 is what is published."""

    work: DedupeWork
    number: int
    parts: range = range(0)


@dataclass(frozen=True)
class Band:
    """A band of the join."""

    work: DedupeWork
    number: int


def dedupe(context: Context) -> StageResult:
    """Judge all kept records; skipped where nothing changed since it last ran.

    Where the release holds fingerprints of another version, those of this one are taken first.
    Raises WorkspaceError where the run's own are of another version than the configuration's.
    """
    run, settings = context.run, context.config.dedupe
    cleaned, labels = run.cleaned.seals(), run.labels.seals()
    parts = tuple(name for name in run.listings.names() if name in cleaned and name in labels)
    version = VERSIONS[context.config.clean.fingerprints]
    _require_version(run.cleaned, parts, version)
    index = comparable_index(context, version)
    ids = (earlier.run_id for earlier in context.workspace.runs())
    earlier = tuple(name for name in ids if name <= run.run_id and start_of(name))
    inputs = {f"cleaned/{name}": cleaned[name].sha256 for name in parts}
    inputs |= {f"labels/{name}": labels[name].sha256 for name in parts}
    inputs["release"] = "" if index is None else sha256_file(index)
    barred = tuple(load_tombstones(run.workspace).of_kind(IMAGE))
    declared = [settings.model_dump(mode="json"), earlier, *map(asdict, barred)]
    key = run_key("dedupe", f"{VERSION} {version}", declared, inputs)
    rows = [cleaned[name].rows for name in parts]
    work = DedupeWork(
        run, parts, index, version, earlier, key, settings, run.folder / "dedupe",
        _share_bounds(rows), barred,
    )  # fmt: skip
    outputs = [run.decisions("dedupe"), run.survivors]
    units = [Unit(name, key, work) for name in parts]
    stale = stale_units(outputs, units)
    if stale:
        # All records are judged together: where one part is stale, so are all.
        with progress("dedupe", quiet=context.quiet), scratch_folder(work.scratch):
            apart = sum(rows) + _published_rows(index) >= APART_ROWS
            for step, its_units in work.steps() if apart else [(dedupe_all, [work])]:
                list(context.pool.map(step, its_units))
    return StageResult(add_counts(outputs[-1], units), len(stale))


def _require_version(cleaned: PartFolder, parts: Sequence[str], version: str) -> None:
    """Before anything is changed: hashes of two versions cannot be compared."""
    for name in parts:
        found = cleaned.metadata(name).get(FINGERPRINT, version)
        if found != version:
            raise WorkspaceError(
                f"{cleaned.path(name)}: expected fingerprints {version}, as `clean.fingerprints` "
                f"asks for, found {found}; run `mep3m clean` and `mep3m map` first"
            )


def _published_rows(index: Path | None) -> int:
    return 0 if index is None else int(pq.read_metadata(index).num_rows)


def _share_bounds(rows: Sequence[int]) -> tuple[int, ...]:
    """Between which parts shares of some rows begin and end."""
    bounds, taken = [0], 0
    for number, count in enumerate(rows, start=1):
        taken += count
        if taken >= SHARE_ROWS or number == len(rows):
            bounds.append(number)
            taken = 0
    return tuple(bounds)


# ------------------------------------------- in a worker: only there its libraries are loaded


def dedupe_all(work: DedupeWork) -> None:
    """Every step, one after the other."""
    for step, units in work.steps():
        for unit in units:
            step(unit)


def load_share(share: Share) -> None:
    """Load what a share's candidates are compared by."""
    from cleaning.copies import judgement

    judgement.load_share(share)


def join_shares(work: DedupeWork) -> None:
    """Make one table of what was loaded."""
    from cleaning.copies import judgement

    judgement.join_shares(work)


def join_band(band: Band) -> None:
    """Find the rows that have a neighbour."""
    from cleaning.copies import judgement

    judgement.join_band(band)


def judge(work: DedupeWork) -> None:
    """Judge all records."""
    from cleaning.copies import judgement

    judgement.judge(work)


def write_share(share: Share) -> None:
    """Write what was found of a share's parts."""
    from cleaning.copies import judgement

    judgement.write_share(share)
