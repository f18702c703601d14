"""The date of a run: the machine's, or another one that the user passes in.

A rehearsal of a schedule (`mep3m run --now`) lives on a day of its own, at the machine's pace. Only
what is written down as a date goes by this clock; waiting and politeness go by the machine's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

OFFSET = "MEP3M_CLOCK_OFFSET"
"""Seconds that the clock is ahead of the machine's, in the environment: processes inherit it."""


def offset() -> float:
    """Seconds that this clock is ahead of the machine's."""
    return float(os.environ.get(OFFSET) or 0.0)


def now() -> datetime:
    """The instant, in UTC."""
    return datetime.now(UTC) + timedelta(seconds=offset())


@contextmanager
def showing(instant: datetime | None) -> Iterator[None]:
    """Inside, this process's clock and those of the processes it starts go on from `instant`.

    None leaves them as they are.
    """
    if instant is None:
        yield
        return
    before = os.environ.get(OFFSET)
    os.environ[OFFSET] = repr((instant - datetime.now(UTC)).total_seconds())
    try:
        yield
    finally:
        if before is None:
            del os.environ[OFFSET]
        else:
            os.environ[OFFSET] = before
