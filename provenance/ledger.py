"""The ledger: what became of every sighting of a run, exactly, and which rules decided.

It streams the decisions part by part, so one part's records are in memory at a time. A row of an
imported copy is a sighting. The fate of a record is the verdict of the last stage that judged it;
a merged-away sighting is one `merged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from runtime.errors import GateError
from runtime.tombstones import REMOVED
from runtime.workspace import Run

DECIDING_STAGES = ("import", "merge", "clean", "map", "dedupe", "publish")
FATES = ("published", "duplicate", "rejected", "held", "merged", "removed")
RECORD_FATES = tuple(fate for fate in FATES if fate != "merged")
_PLACE = {stage: place for place, stage in enumerate(DECIDING_STAGES)}
_RANK = {fate: rank for rank, fate in enumerate(RECORD_FATES)}
_GOES_ON = len(RECORD_FATES)


class Judgement(NamedTuple):
    """A decision as the ledger needs it."""

    record_id: str
    stage: str
    rule: str
    verdict: str
    peer_id: str | None = None


@dataclass
class Ledger:
    """The account of one run. `open` are records that no stage gave a fate, the first few."""

    sightings: int = 0
    fates: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    open: int = 0
    open_examples: list[str] = field(default_factory=list)

    def check(self) -> None:
        """Raise GateError unless every sighting has exactly one fate."""
        total = self.fates.total()
        if self.open or total != self.sightings:
            shown = ", ".join(f"{self.fates[fate]} {fate}" for fate in FATES)
            examples = f" such as {', '.join(self.open_examples)}" if self.open_examples else ""
            raise GateError(
                f"accounting: expected a fate for each of {self.sightings} sightings, got {total} "
                f"({shown}; {self.open} records without one{examples}); nothing was published"
            )


def deciding(judged: Iterable[Judgement]) -> list[Judgement]:
    """The judgement that gave each record its fate, by record_id.

    It is of the last stage that judged the record; a record that this stage lets go on has no
    fate and is left out. Merged-away sightings are no verdict on the record. Where a stage gave
    several fates, the one first in FATES counts; of several rules that gave it, the first.
    """
    best: dict[str, tuple[int, int, Judgement]] = {}
    for judgement in judged:
        if judgement.verdict == "merged":
            continue
        place = _PLACE[judgement.stage]
        rank = _RANK.get(judgement.verdict, _GOES_ON)
        known = best.get(judgement.record_id)
        if known is None or (-place, rank) < (-known[0], known[1]):
            best[judgement.record_id] = (place, rank, judgement)
    return [best[record_id][2] for record_id in sorted(best) if best[record_id][1] < _GOES_ON]


def fate_of(judgements: Iterable[Judgement]) -> str | None:
    """One record's fate; None while it goes on."""
    return next((judgement.verdict for judgement in deciding(judgements)), None)


def read_part(run: Run, part: str) -> list[Judgement]:
    """Every stage's decisions on one listings part, in stage order."""
    found: list[Judgement] = []
    for stage in DECIDING_STAGES:
        folder = run.decisions(stage)
        if folder.seal(part) is None:
            continue  # the stage has not run yet
        table = folder.read(part, ["record_id", "stage", "rule", "verdict", "peer_id"])
        columns = (table[name].to_pylist() for name in table.schema.names)
        found.extend(map(Judgement._make, zip(*columns, strict=True)))
    return found


def record_fates(run: Run) -> Iterator[Judgement]:
    """The judgement that gave each record its fate, for the records that have one."""
    for part in run.listings.names():
        yield from deciding(read_part(run, part))


def ledger(run: Run) -> Ledger:
    """The account of a run as it stands."""
    recorded = (run.sightings, run.annotations)  # of a crawl, of an import
    seals = [seal for folder in recorded for seal in folder.seals().values()]
    removed = sum(seal.counts.get(REMOVED, 0) for seal in seals)
    account = Ledger(sightings=sum(seal.rows for seal in seals) + removed)
    if removed:
        account.fates[REMOVED] += removed
    for part in run.listings.names():
        _add_part(account, run, part)
    return account


def _add_part(account: Ledger, run: Run, part: str) -> None:
    records = run.listings.read(part, ["record_id"])["record_id"].to_pylist()
    judged = read_part(run, part)
    account.rules.update((j.stage, j.rule, j.verdict) for j in judged)
    decided = deciding(judged)
    account.fates.update(j.verdict for j in decided)
    merged = sum(j.verdict == "merged" for j in judged)
    if merged:
        account.fates["merged"] += merged
    ended = {j.record_id for j in decided}
    undecided = [record_id for record_id in records if record_id not in ended]
    account.open += len(undecided)
    room = 3 - len(account.open_examples)
    account.open_examples.extend(undecided[: max(room, 0)])


def fates(run: Run) -> Counter[str]:
    """How many sightings met each fate; they add up to the sightings once publish decided."""
    return ledger(run).fates
