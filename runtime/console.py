"""What every command does around its work: one line for an error, JSON where asked, an exit status.

A `MepError` is told in one line and ends in its own status; Ctrl-C in 130; SIGTERM as a stop that
can be resumed; anything else is a defect, told in one line with a pointer to `--debug`.
"""

from __future__ import annotations

import json
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain, islice
from types import FrameType
from typing import Any

from runtime.errors import MepError, StopRequested
from runtime.exits import Exit


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


@contextmanager
def stopping_on_sigterm() -> Iterator[None]:
    """Turn SIGTERM into StopRequested, so that the work ends between units and can be resumed."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise StopRequested("stopped by SIGTERM; run the same command again to go on")

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def guarded(work: Callable[[], Outcome], *, as_json: bool, debug: bool) -> Exit:
    """Run a command's work and tell its outcome; returns the exit status."""
    try:
        with stopping_on_sigterm():
            outcome = work()
    except KeyboardInterrupt:
        outcome = _failed(Exit.INTERRUPTED, "interrupted; run the same command again to go on")
    except MepError as error:
        if debug:
            traceback.print_exc()
        outcome = _failed(error.exit_status, str(error))
    except Exception as error:
        # The last resort of the command line: a defect still ends in one line and status 1.
        if debug:
            traceback.print_exc()
        outcome = _failed(
            Exit.UNFORESEEN,
            f"unforeseen {type(error).__name__}: {error}; run with --debug for the traceback",
        )
    if as_json:
        values = {"exit_status": int(outcome.status), **outcome.values}
        json.dump(values, sys.stdout, ensure_ascii=False, indent=2, default=str)
        print()
    elif outcome.text:
        print(outcome.text)
    return outcome.status


def _failed(status: Exit, message: str) -> Outcome:
    message = " ".join(message.split())
    print(f"mep3m: {message}", file=sys.stderr, flush=True)
    return Outcome(status, "", {"error": message})


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
