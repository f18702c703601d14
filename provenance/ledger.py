"""The ledger: what became of every sighting of a run, exactly, and which rules decided.

It streams the decisions part by part, so one part's records are in memory at a time. The fate of
a record is the verdict of the last stage that judged it; a merged-away sighting is one `merged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from runtime.errors import GateError
from runtime.workspace import Run

DECIDING_STAGES = ("merge", "clean", "map", "dedupe", "publish")
FATES = ("published", "duplicate", "rejected", "held", "merged", "removed")
RECORD_FATES = tuple(fate for fate in FATES if fate != "merged")


@dataclass(frozen=True)
class Judgement:
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


def fate_of(judgements: Sequence[Judgement]) -> str | None:
    """A record's fate: the verdict of the last stage that judged it; None while it goes on.

    Merged-away sightings are no verdict on the record. Where one stage gave several fates, the
    one first in FATES counts.
    """
    own = [j for j in judgements if j.verdict != "merged"]
    for stage in reversed(DECIDING_STAGES):
        verdicts = {j.verdict for j in own if j.stage == stage}
        if verdicts:
            return next((fate for fate in RECORD_FATES if fate in verdicts), None)
    return None


def read_part(run: Run, part: str) -> list[Judgement]:
    """Every stage's decisions on one listings part, in stage order."""
    found: list[Judgement] = []
    for stage in DECIDING_STAGES:
        folder = run.decisions(stage)
        if folder.seal(part) is None:
            continue  # the stage has not run yet
        table = folder.read(part, ["record_id", "stage", "rule", "verdict", "peer_id"])
        columns = (table[name].to_pylist() for name in table.schema.names)
        found.extend(Judgement(*row) for row in zip(*columns, strict=True))
    return found


def record_fates(run: Run) -> Iterator[Judgement]:
    """The judgement that gave each record its fate, for the records that have one."""
    for part in run.listings.names():
        judged: dict[str, list[Judgement]] = {}
        for judgement in read_part(run, part):
            judged.setdefault(judgement.record_id, []).append(judgement)
        for judgements in judged.values():
            fate = fate_of(judgements)
            if fate is not None:
                yield _deciding(judgements, fate)


def _deciding(judgements: Sequence[Judgement], fate: str) -> Judgement:
    """The first rule of the last stage that gave this fate: it decides, others also fired."""
    stage = next(j.stage for j in reversed(judgements) if j.verdict == fate)
    return next(j for j in judgements if j.verdict == fate and j.stage == stage)


def ledger(run: Run) -> Ledger:
    """The account of a run as it stands."""
    account = Ledger(sightings=sum(seal.rows for seal in run.sightings.seals().values()))
    for part in run.listings.names():
        _add_part(account, run, part)
    return account


def _add_part(account: Ledger, run: Run, part: str) -> None:
    records = run.listings.read(part, ["record_id"])["record_id"].to_pylist()
    judged: dict[str, list[Judgement]] = {record: [] for record in records}
    for judgement in read_part(run, part):
        account.rules[judgement.stage, judgement.rule, judgement.verdict] += 1
        if judgement.verdict == "merged":
            account.fates["merged"] += 1
        else:
            judged.setdefault(judgement.record_id, []).append(judgement)
    for record, judgements in judged.items():
        fate = fate_of(judgements)
        if fate is not None:
            account.fates[fate] += 1
        else:
            account.open += 1
            if len(account.open_examples) < 3:
                account.open_examples.append(record)


def fates(run: Run) -> Counter[str]:
    """How many sightings met each fate; they add up to the sightings once publish decided."""
    return ledger(run).fates
