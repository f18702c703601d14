"""A stop that was asked for: by SIGTERM, or because the time that a run may take is over.

Where work goes unit by unit it is only noted (`between_units`), so that the units in flight end
first; elsewhere it comes at once. Either way the same command goes on later. A process has one
disposition of its signals, so what was asked is kept here for the whole process.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from runtime.errors import StopRequested


class _Asked:
    """What was asked of this process, and whether somebody looks at it before the next unit."""

    reason: str | None = None
    is_awaited = False


_asked = _Asked()
_WORDS = {
    signal.SIGTERM: "stopped by SIGTERM",
    signal.SIGALRM: "stopped because --max-time is over",
}


def requested() -> StopRequested | None:
    """The stop that was asked for, if any."""
    if _asked.reason is None:
        return None
    return StopRequested(f"{_asked.reason}; run the same command again to go on")


def check() -> None:
    """Raise StopRequested when a stop was asked for: called between units."""
    stop = requested()
    if stop is not None:
        raise stop


@contextmanager
def between_units() -> Iterator[None]:
    """Inside, a stop is only noted; whoever enters asks `requested` often and then ends."""
    before, _asked.is_awaited = _asked.is_awaited, True
    try:
        yield
    finally:
        _asked.is_awaited = before


def _note(number: int, frame: FrameType | None) -> None:
    del frame
    _asked.reason = _asked.reason or _WORDS[signal.Signals(number)]
    if not _asked.is_awaited:
        check()


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Inside, SIGTERM asks for a stop."""
    before = signal.signal(signal.SIGTERM, _note)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _asked.reason = None


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Inside, a stop is asked for once so many seconds have gone by; None for no limit."""
    if seconds is None:
        yield
        return
    before = signal.signal(signal.SIGALRM, _note)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        end_time_limit()
        signal.signal(signal.SIGALRM, before)


def end_time_limit() -> None:
    """From here on only SIGTERM stops: what has begun is worth its end."""
    signal.setitimer(signal.ITIMER_REAL, 0)
