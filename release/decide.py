"""The publish decisions: which records go into the release, stay in it or leave it.

Comes in: one listings part, its survivors, and the current release's lineage in the range of the
part's record ids. Goes out: the part's publish decisions, which the later passes follow; beside
them, what a run saw otherwise than it was published (verdict `flagged`: the row stays).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from release.published import RULES, changes, read_published
from release.split_plan import splits_of
from release.splits import Splitter, load_splitter
from runtime.errors import PartError
from runtime.optouts import OPTED_OUT_RULE, forbids
from runtime.tables import DECISIONS
from runtime.workspace import Run

NEWCOMER = "published_v1"
ALREADY = "already_published_v1"
OPT_OUT_PREFIX = "opted_out_"  # of the rules by which clean honours opt-outs, pictures' included
_CHANGE_COUNTS = [(rule, rule.rpartition("_v")[0]) for rule, _, _ in RULES]


@dataclass(frozen=True)
class DecideWork:
    """One listings part; `parent` is the current release's folder.

    `published` is the table of what that release shows of its records, `splits` the file of
    `plan_splits`.
    """

    run: Run
    part: str
    key: str
    parent: Path | None
    published: Path
    splits: Path
    honour: tuple[str, ...]


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
    rows = [
        {
            "record_id": record_id, "stage": "publish", "rule": rule, "verdict": verdict,
            "reason": reason, "value": value, "threshold": None, "peer_id": None,
            "run_id": run.run_id,
        }
        for record_id, rule, verdict, reason, value in sorted(judged + _changed(work, stay))
    ]  # fmt: skip
    counts = {
        **{name: sum(row["rule"] == rule for row in rows) for rule, name in _CHANGE_COUNTS},
        "newcomers": sum(row["rule"] == NEWCOMER for row in rows),
        "already_published": sum(row["rule"] == ALREADY for row in rows),
        "removed": sum(row["verdict"] == "removed" for row in rows),
    }
    table = pa.Table.from_pylist(rows, DECISIONS.schema)
    run.decisions("publish").write(work.part, table, work.key, counts)


def _judge(
    work: DecideWork, listings: pa.Table, survivors: pa.Table, splitter: Splitter
) -> list[tuple[str, str, str, str, str]]:
    """(record_id, rule, verdict, reason, split) of the records that publish has a say in."""
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
                found.append((record_id, NEWCOMER, "published", "nothing refused it", split))
        elif reason:
            found.append(
                (record_id, OPTED_OUT_RULE, "removed", f"opted out since: {reason}", split)
            )
        else:
            said = "seen again; it stays as first published"
            found.append((record_id, ALREADY, "published", said, split))
    return found


def _changed(work: DecideWork, stay: set[str]) -> list[tuple[str, str, str, str, str]]:
    """(record_id, rule, verdict, reason, value now) of what differs from the published rows."""
    cleaned = work.run.cleaned
    if not stay or cleaned.seal(work.part) is None:
        return []
    published = read_published(work.published, min(stay), max(stay))
    listings = dict(
        _pairs(work.run.listings.read(work.part, ["record_id", "image_url"]), "image_url")
    )
    found = []
    for row in cleaned.read(work.part, ["record_id", "title", "title_raw", "sha256"]).to_pylist():
        record_id = row["record_id"]
        if record_id in stay and record_id in published:
            now = {**row, "image_url": listings.get(record_id)}
            for change in changes(published[record_id], now):
                reason = f"its {change.what} was published as {change.published}"
                found.append((record_id, change.rule, "flagged", reason, change.now))
    return found


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
