"""The dedupe stage: copies, placeholders and leak groups over the run and the current release.

Reads the fingerprints that clean stored and those the release keeps, judges all of them together
in one worker, and writes per listings part the survivors and a decision on every record judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from cleaning.copies.reindex import comparable_index
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
    barred: tuple[Tombstone, ...] = ()


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
    work = DedupeWork(run, parts, index, version, earlier, key, settings, barred)
    outputs = [run.decisions("dedupe"), run.survivors]
    units = [Unit(name, key, work) for name in parts]
    stale = stale_units(outputs, units)
    if stale:
        # All records are judged together, so one unit of work makes every part.
        with progress("dedupe", quiet=context.quiet):
            list(context.pool.map(dedupe_all, [work]))
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


def dedupe_all(work: DedupeWork) -> None:
    """Judge all records and write every part, in a worker: only there its libraries are loaded."""
    from cleaning.copies import judgement

    judgement.judge_all(work)
