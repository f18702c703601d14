"""Exit statuses of the command line and which one wins when several hold.

Schedulers and people read the status alone, so each number has one meaning, for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """What a command's exit status says."""

    DONE = 0
    UNFORESEEN = 1
    USAGE = 2
    NOTHING_NEW = 10
    STOPPED_EARLY = 11
    GATE_FAILED = 20
    DEGRADED = 30
    VERIFICATION_FAILED = 40
    LOCKED = 75
    INTERRUPTED = 130


# An interrupt ends the program where it stands, so it never meets another status.
PRECEDENCE = (
    Exit.INTERRUPTED,
    Exit.UNFORESEEN,
    Exit.LOCKED,
    Exit.USAGE,
    Exit.VERIFICATION_FAILED,
    Exit.GATE_FAILED,
    Exit.DEGRADED,
    Exit.STOPPED_EARLY,
    Exit.NOTHING_NEW,
    Exit.DONE,
)


def combine(statuses: Iterable[Exit]) -> Exit:
    """The one status that stands for all of them (DONE for none)."""
    held = set(statuses) | {Exit.DONE}
    return next(status for status in PRECEDENCE if status in held)
