"""When a shop is crawled again: every so many days, counted from the start of the run before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runtime.config import Config
from runtime.workspace import GATE_FAILED, Run, Workspace

# Cron does not start to the second: what is due soon after a run's start is due in it.
_EARLY_SHARE = 0.1
_EARLY_MOST = timedelta(hours=1)


@dataclass(frozen=True)
class Due:
    """A site, the start of the last run that crawled it to its end, and when it is due."""

    site: str
    last: datetime | None
    due_at: datetime | None
    """None: it was never crawled."""

    def is_due(self, now: datetime) -> bool:
        """Whether a run that starts now crawls the site. A clock set back must not silence it."""
        if self.due_at is None or self.last is None:
            return True
        return now >= self.due_at or now < self.last


def next_due(workspace: Workspace, config: Config) -> list[Due]:
    """Every site of the configuration, in its order."""
    last = _last_crawls(workspace.runs())
    found = []
    for site in config.site:
        before = last.get(site.key)
        every = timedelta(days=site.every)
        at = None if before is None else before + every - min(every * _EARLY_SHARE, _EARLY_MOST)
        found.append(Due(site.key, before, at))
    return found


def earliest(dues: Iterable[Due]) -> Due | None:
    """The one that is due first; None where there is none."""
    never = datetime.min.replace(tzinfo=UTC)
    return min(dues, key=lambda due: due.due_at or never, default=None)


def _last_crawls(runs: Sequence[Run]) -> dict[str, datetime]:
    """By site, the start of the newest run that crawled it; one that failed is due again.

    So are all sites of a run that gates ended: nothing of what it found was published.
    """
    found: dict[str, datetime] = {}
    for run in runs:
        record = run.record
        if "crawl" not in record["stages"] or run.is_imported or "from_warc" in record:
            continue
        if record["status"] == GATE_FAILED:
            continue
        started = run.started
        if started is None:
            continue
        failed = record.get("failed_sites", {})
        found.update(dict.fromkeys((s for s in record["sites"] if s not in failed), started))
    return found
