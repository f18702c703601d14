"""The names of runs: the UTC second at which a run started, in an order that never goes back."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from itertools import count

_FORM = "%Y%m%dT%H%M%SZ"
_RUN_ID = re.compile(r"(\d{8}T\d{6}Z)(-\d+)?")


def start_of(run_id: str) -> datetime | None:
    """When a run started, by its name; None for a name that does not say."""
    match = _RUN_ID.fullmatch(run_id)
    if match is None:
        return None
    try:
        return datetime.strptime(match[1], _FORM).replace(tzinfo=UTC)
    except ValueError:
        return None


def next_run_id(now: datetime, newest: str | None) -> str:
    """The name of a run that starts now and comes after `newest`.

    Runs are told apart and ordered by their names. So a second run of one second, and every run
    after the clock was set back, takes the second of the newest one and a number.
    """
    wanted = now.astimezone(UTC).strftime(_FORM)
    if newest is None or wanted > newest:
        return wanted
    match = _RUN_ID.fullmatch(newest)
    stem = match[1] if match else newest
    return next(name for n in count(1) if (name := f"{stem}-{n:04d}") > newest)
