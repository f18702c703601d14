"""What releases tell of a record: where its row lies, and the decisions that only they still hold.

Comes in: release folders and an id. Goes out: `Holding`s and `LedgerStory`s. A release needs no
workspace for it: shards, lineage and ledger say all of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from provenance.captures import Capture, capture_of
from provenance.decision_line import DecisionLine
from provenance.ledger import DECIDING_STAGES, Judgement, fate_of
from provenance.lookup import Row, lineage_row, shard_row
from provenance.release_copy import ReleaseCopy
from provenance.story import Holding, LedgerStory
from release.ledger_files import decisions_between, ledger_files
from runtime.workspace import Run

LEVELS = ("class_name", "sub_class_name", "subsub_class_name")
_FACTS = (
    "title", "title_raw", "sha256", *LEVELS, "label_rule", "product_url", "image_url", "run_id",
    "capture_file", "capture_offset",
)  # fmt: skip
Told = tuple[str | float | None, ...]


def holdings(
    releases: Sequence[ReleaseCopy], record_id: str, runs: Path, current: ReleaseCopy | None
) -> tuple[Holding, ...]:
    """Where each release holds the record, if it does; `runs` is the folder of the runs' folders.

    Raises WorkspaceError where a release cannot be read.
    """
    found = (_holding(r, record_id, runs, is_current=r is current) for r in releases)
    return tuple(held for held in found if held is not None)


def published_title(releases: Sequence[ReleaseCopy], record_id: str) -> str | None:
    """The record's title in the newest release that holds it. Raises WorkspaceError."""
    for release in reversed(releases):
        lineage = lineage_row(release.folder, record_id)
        if lineage is not None:
            split = lineage["split"]
            found = shard_row(release.folder, release.manifest, record_id, split, ["title"])
            return str(found[2]["title"]) if found else None
    return None


def _capture(runs: Path, row: Row) -> Capture | None:
    if row["capture_file"] is None:
        return None
    return capture_of(Run(runs / row["run_id"]), row["capture_file"], row["capture_offset"])


def _holding(
    release: ReleaseCopy, record_id: str, runs: Path, *, is_current: bool
) -> Holding | None:
    lineage = lineage_row(release.folder, record_id)
    if lineage is None:
        return None
    found = shard_row(release.folder, release.manifest, record_id, lineage["split"], _FACTS)
    missing: Row = dict.fromkeys(_FACTS)
    shard, place, row = found or ("no shard", -1, missing)
    return Holding(
        version=release.manifest.version, shard=shard, row=place, split=lineage["split"],
        leak_group=lineage["leak_group"], first_release=lineage["first_release"],
        title=row["title"], sha256=row["sha256"], title_raw=row["title_raw"],
        label=tuple(row[level] for level in LEVELS if row[level] is not None),
        label_rule=row["label_rule"], product_url=row["product_url"], image_url=row["image_url"],
        run_id=row["run_id"], capture=_capture(runs, row), is_current=is_current,
    )  # fmt: skip


def told(row: Row) -> Told:
    """A decision as a value, to tell it once alone."""
    return tuple(row[name] for name in sorted(row))


def ledger_stories(
    releases: Sequence[ReleaseCopy], record_id: str, known: Collection[Told]
) -> tuple[LedgerStory, ...]:
    """The decisions of all ledgers that are not `known`, each once, by run. WorkspaceError."""
    said = set(known)
    stories = []
    for version, rows in _ledgers(releases, record_id):
        new = [row for row in rows if told(row) not in said]
        said.update(map(told, new))
        # Rows of one file are of one run, in the order of stages; older layouts hold several.
        for run_id, group in groupby(new, key=lambda row: str(row["run_id"])):
            of_run = sorted(group, key=lambda row: DECIDING_STAGES.index(row["stage"]))
            judged = [Judgement(record_id, r["stage"], r["rule"], r["verdict"]) for r in of_run]
            lines = tuple(DecisionLine.of(row) for row in of_run)
            stories.append(LedgerStory(version, run_id, fate_of(judged), lines))
    return tuple(stories)


def _ledgers(releases: Sequence[ReleaseCopy], record_id: str) -> Iterator[tuple[str, list[Row]]]:
    """By version, what each file of decisions says of the record, oldest first; each file once."""
    seen: set[str] = set()
    for release in releases:
        for entry in ledger_files(release.manifest):
            if entry.sha256 not in seen:
                seen.add(entry.sha256)
                rows = decisions_between(release.folder, entry, record_id, record_id).to_pylist()
                yield release.manifest.version, sorted(rows, key=lambda row: str(row["run_id"]))
