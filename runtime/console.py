"""What every command does around its work: one line for an error, JSON where asked, an exit status.

A `MepError` is told in one line and ends in its own status; Ctrl-C in 130; SIGTERM as a stop that
can be resumed; anything else is a defect, told in one line with a pointer to `--debug`.
"""

from __future__ import annotations

import json
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

from runtime import logs
from runtime.errors import MepError
from runtime.exits import Exit
from runtime.stopping import stopping_on_sigterm


@dataclass(frozen=True)
class Outcome:
    """What a command has to say: an exit status, text for people, values for programs."""

    status: Exit
    text: str = ""
    values: Mapping[str, Any] = field(default_factory=dict)


class Streamed(list[Any]):
    """Values for JSON that are made while they are printed, once, and never all in memory."""

    def __init__(self, values: Iterator[Any]) -> None:
        first = list(islice(values, 1))
        super().__init__(first)  # `json` asks a list whether it is empty before it goes through it
        self._values = chain(first, values)

    def __iter__(self) -> Iterator[Any]:
        return self._values


def guarded(work: Callable[[], Outcome], *, as_json: bool, debug: bool) -> Exit:
    """Run a command's work and tell its outcome; returns the exit status."""
    try:
        with stopping_on_sigterm():
            outcome = work()
    except (Exception, KeyboardInterrupt) as error:
        # The last resort of the command line: a defect still ends in one line.
        if debug and not isinstance(error, KeyboardInterrupt):
            traceback.print_exc()
        status, message = said_of(error)
        if not is_told(error):
            logs.error(message)
        outcome = Outcome(status, "", {"error": message})
    if as_json:
        values = {"exit_status": int(outcome.status), **outcome.values}
        json.dump(values, sys.stdout, ensure_ascii=False, indent=2, default=str)
        print()
    elif outcome.text:
        print(outcome.text)
    return outcome.status


def said_of(error: BaseException) -> tuple[Exit, str]:
    """The exit status and the one line that an error ends in."""
    if isinstance(error, KeyboardInterrupt):
        return Exit.INTERRUPTED, "interrupted; run the same command again to go on"
    if isinstance(error, MepError):
        return error.exit_status, " ".join(str(error).split())
    said = " ".join(f"{type(error).__name__}: {error}".split())
    return Exit.UNFORESEEN, f"unforeseen {said}; run with --debug for the traceback"


def mark_told(error: BaseException) -> None:
    """The log has said it: it is not told again."""
    error.__dict__["is_told"] = True


def is_told(error: BaseException) -> bool:
    """Whether the log has said it already."""
    return bool(error.__dict__.get("is_told"))


def table(rows: Sequence[tuple[str, ...]], head: tuple[str, ...]) -> str:
    """A plain text table; the first column to the left, the others to the right."""
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    lines = []
    for row in [head, tuple("-" * width for width in widths), *rows]:
        first, *rest = (
            cell.ljust(width) if i == 0 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        lines.append("  ".join([first, *rest]).rstrip())
    return "\n".join(lines)
