"""The publish decisions: which records go into the release, stay in it or leave it.

Comes in: one listings part, its survivors, and the current release's lineage in the range of the
part's record ids. Goes out: the part's publish decisions, which the later passes follow; beside
them, what a run saw otherwise than it was published (verdict `flagged`). The row stays, unless a
major release is asked for: that one adopts what differs, and today's rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from release.adoption import adopting
from release.publish_rules import ADOPTED, ALREADY, NEWCOMER, REFUSED_SINCE, Decided
from release.published import LEVELS, RULES, Change, changes, label_text, read_published
from release.split_plan import splits_of
from release.splits import Splitter, load_splitter
from runtime.errors import PartError
from runtime.optouts import OPTED_OUT_RULE, forbids
from runtime.tables import DECISIONS
from runtime.workspace import Run

OPT_OUT_PREFIX = "opted_out_"  # of the rules by which clean honours opt-outs, pictures' included
_CHANGE_COUNTS = [(rule, rule.rpartition("_v")[0]) for rule, _, _ in RULES]


@dataclass(frozen=True)
class DecideWork:
    """One listings part; `parent` is the current release's folder.

    `published` is the table of what that release shows of its records, `splits` the file of
    `plan_splits`. `bound` is None unless differences are adopted; then it is the Arrow file of the
    records that have to keep their picture.
    """

    run: Run
    part: str
    key: str
    parent: Path | None
    published: Path
    splits: Path
    honour: tuple[str, ...]
    bound: Path | None = None


def decide_part(work: DecideWork) -> None:
    """Write the part's publish decisions, sorted by record_id.

    Raises PartError when dedupe has not finished the part.
    """
    run = work.run
    listings = run.listings.read(work.part, ["record_id", "opt_out"])
    if run.survivors.seal(work.part) is None:
        raise PartError(run.survivors.path(work.part), "expected the dedupe stage to finish it")
    survivors = run.survivors.read(work.part, ["record_id", "leak_group"])
    judged = _judge(work, listings, survivors, load_splitter(work.splits))
    stay = {record_id for record_id, rule, *_ in judged if rule == ALREADY}
    labels = _labels(work)
    found = _changes(work, stay, labels)
    if work.bound is not None:
        differing = found.keys() & labels.keys()
        judged = adopting(run, work.part, work.bound, judged, differing)
    changed = [
        Decided(record_id, c.rule, "flagged", f"its {c.what} was published as {c.published}", c.now)
        for record_id, of_record in found.items()
        for c in of_record
    ]
    rows = [
        {
            "record_id": record_id, "stage": "publish", "rule": rule, "verdict": verdict,
            "reason": reason, "value": value, "threshold": None, "peer_id": None,
            "run_id": run.run_id,
        }
        for record_id, rule, verdict, reason, value in sorted(judged + changed)
    ]  # fmt: skip
    counts = {
        **{name: sum(row["rule"] == rule for row in rows) for rule, name in _CHANGE_COUNTS},
        "newcomers": sum(row["rule"] == NEWCOMER for row in rows),
        "already_published": sum(row["rule"] == ALREADY for row in rows),
        "adopted": sum(row["rule"] == ADOPTED for row in rows),
        "refused_since": sum(row["rule"] == REFUSED_SINCE for row in rows),
        "removed": sum(row["verdict"] == "removed" for row in rows),
    }
    table = pa.Table.from_pylist(rows, DECISIONS.schema)
    run.decisions("publish").write(work.part, table, work.key, counts)


def _judge(
    work: DecideWork, listings: pa.Table, survivors: pa.Table, splitter: Splitter
) -> list[Decided]:
    """What is decided of the records that publish has a say in."""
    published = splits_of(work.parent, listings["record_id"])
    groups: dict[str, str] = dict(_pairs(survivors, "leak_group"))
    image_opt_outs = _image_opt_outs(work) if published else {}
    found = []
    for record_id, opt_out in _pairs(listings, "opt_out"):
        split = published.get(record_id)
        image_reason = image_opt_outs.get(record_id) if work.honour else None
        reason = opt_out if forbids(opt_out, work.honour) else image_reason
        if split is None:
            if record_id in groups:
                split = splitter.split(groups[record_id])
                found.append(Decided(record_id, NEWCOMER, "published", "nothing refused it", split))
        elif reason:
            said = f"opted out since: {reason}"
            found.append(Decided(record_id, OPTED_OUT_RULE, "removed", said, split))
        else:
            said = "seen again; it stays as first published"
            found.append(Decided(record_id, ALREADY, "published", said, split))
    return found


def _changes(
    work: DecideWork, stay: set[str], labels: Mapping[str, str]
) -> dict[str, list[Change]]:
    """What differs from the published rows, by record id."""
    run = work.run
    if not stay or run.cleaned.seal(work.part) is None:
        return {}
    published = read_published(work.published, min(stay), max(stay))
    listings = dict(_pairs(run.listings.read(work.part, ["record_id", "image_url"]), "image_url"))
    found = {}
    for row in run.cleaned.read(
        work.part, ["record_id", "title", "title_raw", "sha256"]
    ).to_pylist():
        record_id = row["record_id"]
        if record_id in stay and record_id in published:
            now = {**row, "image_url": listings.get(record_id), "label": labels.get(record_id)}
            if differing := changes(published[record_id], now):
                found[record_id] = differing
    return found


def _labels(work: DecideWork) -> dict[str, str]:
    """Today's labels, by record id; a record that is held has none."""
    folder = work.run.labels
    if folder.seal(work.part) is None:
        return {}
    table = folder.read(work.part, ["record_id", "mapped", *LEVELS])
    return {
        row["record_id"]: label_text([row[level] for level in LEVELS])
        for row in table.to_pylist()
        if row["mapped"]
    }


def _pairs(table: pa.Table, column: str) -> list[tuple[str, Any]]:
    return list(zip(table["record_id"].to_pylist(), table[column].to_pylist(), strict=True))


def _image_opt_outs(work: DecideWork) -> dict[str, str]:
    """Records whose picture its host's headers now forbid to use, with the words.

    The listing does not know of them: clean refuses such records by a rule named for it.
    """
    folder = work.run.decisions("clean")
    if folder.seal(work.part) is None:
        return {}
    table = folder.read(work.part, ["record_id", "rule", "verdict", "reason", "value"])
    return {
        row["record_id"]: row["value"] or row["reason"] or row["rule"]
        for row in table.to_pylist()
        if row["verdict"] == "rejected" and row["rule"].startswith(OPT_OUT_PREFIX)
    }
