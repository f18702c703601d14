"""What `mep3m gc` took from a run: told in its `run.json`, so that nobody takes it for damage."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from runtime.workspace import Run

PRUNED = "pruned"


@dataclass(frozen=True)
class Pruned:
    """When something last went (an ISO date), and what.

    `tables` says whether the run's tables are gone, `sites` are those it had crawled to their end,
    `captures` names the capture files that went.
    """

    at: str
    tables: bool = False
    sites: tuple[str, ...] = ()
    captures: tuple[str, ...] = ()

    def record(self, run: Run) -> None:
        """Say so in the run, before the first file goes."""
        run.update(**{PRUNED: asdict(self)})


def pruned_of(run: Run) -> Pruned | None:
    """What went from a run; None where it is whole."""
    told: dict[str, Any] | None = run.record.get(PRUNED)
    if told is None:
        return None
    lists = {name: tuple(told.get(name, ())) for name in ("sites", "captures")}
    return Pruned(str(told["at"]), bool(told.get("tables")), **lists)
