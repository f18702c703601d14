"""The ledger: what became of every sighting of a run, exactly, and which rules decided.

It streams the decisions part by part, so one part's records are in memory at a time. The fate of
a record is the verdict of the last stage that judged it; a merged-away sighting is one `merged`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields

import pandas as pd

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


def deciding(judged: pd.DataFrame) -> pd.DataFrame:
    """The judgement that gave each record its fate: columns of Judgement, one row a record.

    It is of the last stage that judged the record; a record that this stage lets go on has no
    fate and no row. Merged-away sightings are no verdict on the record. Where a stage gave
    several fates, the one first in FATES counts; of several rules that gave it, the first.
    """
    own = judged[judged["verdict"] != "merged"]
    order = own["stage"].map({stage: place for place, stage in enumerate(DECIDING_STAGES)})
    last = own[order == order.groupby(own["record_id"]).transform("max")]
    rank = last["verdict"].map({fate: place for place, fate in enumerate(RECORD_FATES)}).dropna()
    found = last.loc[rank.sort_values(kind="stable").index].drop_duplicates("record_id")
    return found.sort_values("record_id")


def fate_of(judgements: Sequence[Judgement]) -> str | None:
    """One record's fate; None while it goes on."""
    verdicts = deciding(_frame(judgements))["verdict"].tolist()
    return verdicts[0] if verdicts else None


def _frame(judgements: Sequence[Judgement]) -> pd.DataFrame:
    return pd.DataFrame(judgements, columns=[column.name for column in fields(Judgement)])


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
        for row in deciding(_frame(read_part(run, part))).itertuples(index=False):
            yield Judgement(*row)


def ledger(run: Run) -> Ledger:
    """The account of a run as it stands."""
    account = Ledger(sightings=sum(seal.rows for seal in run.sightings.seals().values()))
    for part in run.listings.names():
        _add_part(account, run, part)
    return account


def _add_part(account: Ledger, run: Run, part: str) -> None:
    records = run.listings.read(part, ["record_id"])["record_id"].to_pandas()
    judged = _frame(read_part(run, part))
    counted = judged.groupby(["stage", "rule", "verdict"]).size().reset_index(name="count")
    for stage, rule, verdict, count in counted.itertuples(index=False):
        account.rules[stage, rule, verdict] += int(count)
    decided = deciding(judged)
    account.fates.update(decided["verdict"])
    account.fates.update(judged.loc[judged["verdict"] == "merged", "verdict"])
    undecided = records[~records.isin(decided["record_id"])]
    account.open += len(undecided)
    room = 3 - len(account.open_examples)
    account.open_examples.extend(undecided.head(max(room, 0)).tolist())


def fates(run: Run) -> Counter[str]:
    """How many sightings met each fate; they add up to the sightings once publish decided."""
    return ledger(run).fates
