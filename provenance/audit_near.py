"""Why the records with the nearest pictures were, or were not, the record's duplicates.

Comes in: a record's fingerprints, from the newest run that cleaned it or from a release. Goes out:
its nearest neighbours with what was measured between them, recomputed now from the fingerprints,
and the decision or the bound that answers for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cleaning.copies.pairs import Pair, compare
from cleaning.copies.thresholds import NeighbourThresholds
from provenance.lookup import Row, part_of, rows_of
from provenance.nearest import (
    Near,
    near_of,
    nearest_in_run,
    nearest_published,
    print_of,
    row_of_release,
)
from provenance.release_copy import ReleaseCopy
from provenance.story import Neighbour
from runtime.tables import FINGERPRINT
from runtime.workspace import Run

COUNT = 5
"""How many neighbours are told."""


@dataclass(frozen=True)
class Subject:
    """Whose neighbours are told: its row of `run.cleaned`, or of a release where no run is left."""

    record_id: str
    row: Row
    run: Run | None


def neighbours(
    subject: Subject, release: ReleaseCopy | None, bounds: NeighbourThresholds
) -> tuple[Neighbour, ...]:
    """The nearest records of the subject's run and of `release`, the current one.

    Whose copy the record was judged to be is among them, however many are nearer.
    """
    one = print_of(subject.row)
    if one is None:
        return ()
    found: dict[str, Near] = {}
    if subject.run is not None:
        near = nearest_in_run(subject.run, one, COUNT, subject.record_id)
        found = {neighbour.record_id: neighbour for neighbour in near}
    if release is not None and _comparable(subject.run, release):
        for near_by in nearest_published(release.folder, one, COUNT, subject.record_id):
            found[near_by.record_id] = near_by
    peers = {row["peer_id"] for row in _dedupe_rows(subject.run, subject.record_id)}
    for peer_id in sorted(peers - {None, subject.record_id, *found}):
        peer = near_of(subject.run, release.folder if release else None, peer_id)
        if peer is not None:
            found[peer_id] = peer
    pairs = {near_by: compare(one, near_by.print, bounds) for near_by in found.values()}
    told = sorted(
        (pair.bits, near_by.record_id, near_by, pair)
        for near_by, pair in pairs.items()
        if pair is not None
    )
    return tuple(
        _neighbour(subject, near_by, pair, release)
        for place, (_, record_id, near_by, pair) in enumerate(told)
        if place < COUNT or record_id in peers
    )


def subject_of_release(release: ReleaseCopy, record_id: str) -> Subject | None:
    """The record as a release's fingerprints have it."""
    row = row_of_release(release.folder, record_id)
    return None if row is None else Subject(record_id, row, None)


def _comparable(run: Run | None, release: ReleaseCopy) -> bool:
    """Hashes of two versions cannot be compared."""
    if run is None:
        return True
    version = release.manifest.fingerprint
    told = {run.cleaned.metadata(name).get(FINGERPRINT) for name in run.cleaned.names()[:1]}
    return told <= {version, None} or version is None


def _neighbour(subject: Subject, near: Near, pair: Pair, release: ReleaseCopy | None) -> Neighbour:
    same = near.sha256 == subject.row["sha256"]
    return Neighbour(
        near.record_id, near.title or _title(subject.run, near.record_id), near.where, same,
        pair.bits, pair.pictures, pair.lightness, pair.chroma, pair.agreement,
        _verdict(subject, near, pair, release, same=same),
    )  # fmt: skip


def _title(run: Run | None, record_id: str) -> str | None:
    part = part_of(run.cleaned, record_id) if run is not None else None
    if run is None or part is None:
        return None
    rows = rows_of(run.cleaned, part, "record_id", record_id, ["title"])
    return rows[0]["title"] if rows else None


def _verdict(
    subject: Subject, near: Near, pair: Pair, release: ReleaseCopy | None, *, same: bool
) -> str:
    """The decision that made one the other's copy, else what kept them apart."""
    own = _dedupe_rows(subject.run, subject.record_id)
    theirs = _dedupe_rows(subject.run, near.record_id)
    for rows, one, other in ((own, "this record", near), (theirs, near.record_id, subject)):
        for row in rows:
            if row["peer_id"] == other.record_id:
                return f"{one} is its {row['verdict']} by {row['rule']}: {row['reason']}"
    if pair.apart is not None and not same:
        return f"no copy: {pair.apart}"
    within = "within all bounds"
    for rows, whose in ((own, "this record"), (theirs, "it")):
        for row in rows:
            if row["verdict"] in ("duplicate", "rejected"):
                of = f" of {row['peer_id']}" if row["peer_id"] else ""
                return f"{within}, but {whose} was {row['verdict']}{of} by {row['rule']}"
    if subject.run is not None and not own:
        return f"{within}, but this record was judged before copies were looked for, or was held"
    if release is not None and near.where.startswith("release"):
        return f"{within}; what is published already is not compared with itself"
    return f"{within}, but neither was compared with the other"


def _dedupe_rows(run: Run | None, record_id: str) -> Sequence[Row]:
    part = part_of(run.listings, record_id) if run is not None else None
    if run is None or part is None:
        return []
    return rows_of(run.decisions("dedupe"), part, "record_id", record_id)
