"""What a major release adopts: how a run saw published records, and what today's rules refuse.

Ordinary releases leave published rows as they are. Where a major release is asked for, a row takes
the title, picture and label that the run found, and leaves where clean refuses it now. Id, split
and leak group stay; a picture that came to be near another record's does not come in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from release.publish_rules import ADOPTED, ALREADY, REFUSED_SINCE, Decided
from runtime.stages import Context
from runtime.workspace import Run

ADOPTING = "adopted"
"""In a run's record: it was asked for a major release."""


def is_adopting(run: Run) -> bool:
    """Whether the run's release adopts what differs."""
    return bool(run.record.get(ADOPTING))


def find_bound(context: Context, fingerprints: Path, target: Path) -> None:
    """Write the ids of the records that have to keep their picture, as an Arrow file.

    `fingerprints` are those of the release, in the run's version.
    """
    run = context.run
    parts = tuple(name for name in run.listings.names() if run.cleaned.seal(name) is not None)
    radius = context.config.dedupe.radius
    list(context.pool.map(_find_bound, [(run, parts, fingerprints, radius, target)]))


def _find_bound(work: tuple[Run, tuple[str, ...], Path, int, Path]) -> None:
    from cleaning.copies.replaced import ReplacedWork, write_bound  # only a worker loads its search

    write_bound(ReplacedWork(*work))


def adopting(
    run: Run, part: str, bound: Path, judged: Sequence[Decided], differing: Collection[str]
) -> list[Decided]:
    """The decisions of a major release, made of those on a part that leave published rows alone.

    What is refused today leaves, and what differs is adopted, unless its picture is bound.
    """
    refused, held_back = _refused(run, part), _bound(bound)
    found = []
    for decided in judged:
        record_id = decided.record_id
        if decided.rule == ALREADY and record_id in refused:
            said = f"by today's rules: {refused[record_id]}"
            decided = decided._replace(rule=REFUSED_SINCE, verdict="removed", reason=said)
        elif decided.rule == ALREADY and record_id in held_back:
            said = "its new picture is near another record's; it stays as published"
            decided = decided._replace(reason=said)
        elif decided.rule == ALREADY and record_id in differing:
            said = "a major release adopts what it shows now"
            decided = decided._replace(rule=ADOPTED, reason=said)
        found.append(decided)
    return found


def _refused(run: Run, part: str) -> dict[str, str]:
    """Records that clean refuses today, with the first rule's words.

    A picture that did not come is no reason: the published one is still there.
    """
    cleaned, decisions = run.cleaned, run.decisions("clean")
    if cleaned.seal(part) is None:
        return {}
    facts = cleaned.read(part, ["record_id", "kept", "sha256"])
    came = facts.filter(pc.and_(pc.invert(facts["kept"]), pc.is_valid(facts["sha256"])))
    ids = set(came["record_id"].to_pylist())
    found: dict[str, str] = {}
    for row in decisions.read(part, ["record_id", "rule", "verdict", "reason"]).to_pylist():
        if row["verdict"] == "rejected" and row["record_id"] in ids:
            found.setdefault(row["record_id"], f"{row['rule']}: {row['reason']}")
    return found


def _bound(file: Path) -> set[str]:
    with pa.memory_map(str(file)) as source:
        return set(pa.ipc.open_file(source).read_all()["record_id"].to_pylist())
