"""Progress of long work: a bar on a terminal, an event of the log now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from runtime import logs

PLAIN_SECONDS = 10.0


class Tick(Protocol):
    """Called with how much is done, and how much there is where that changed."""

    def __call__(self, done: int, total: int | None = None) -> None: ...


@contextmanager
def progress(label: str, total: int | None = None, *, quiet: bool = False) -> Iterator[Tick]:
    """Show the progress of one piece of work; yields the function that reports it."""
    if quiet:
        yield lambda done, total=None: None
    elif sys.stderr.isatty():
        with _bar(label, total) as tick:
            yield tick
    else:
        yield _Lines(label, total)


@contextmanager
def _bar(label: str, total: int | None) -> Iterator[Tick]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(label, total=total)

        def tick(done: int, total: int | None = None) -> None:
            if total is None:
                bar.update(task, completed=done)
            else:
                bar.update(task, completed=done, total=total)

        yield tick


class _Lines:
    """An event at most every PLAIN_SECONDS, so that logs of cron stay short."""

    def __init__(self, label: str, total: int | None) -> None:
        self.label, self.total = label, total
        self._last = time.monotonic()

    def __call__(self, done: int, total: int | None = None) -> None:
        self.total = self.total if total is None else total
        now = time.monotonic()
        if now - self._last >= PLAIN_SECONDS:
            self._last = now
            of = f"/{self.total}" if self.total is not None else ""
            logs.info(f"{self.label}: {done}{of}", done=done, total=self.total)
