"""Judge items in a process apart, so that an item that kills its process is known and costs itself.

In come a trial (how to read items and how to judge one) and the rows to judge; out goes for each
row, in order, its judgement or the death it caused. An item on which the process dies is tried
again alone in a fresh process, and only when that dies too is it blamed.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Generic, Protocol, TypeVar

from runtime.errors import WorkerDiedError
from runtime.executor import MAX_DEATHS
from runtime.processes import start_worker

T = TypeVar("T")
R = TypeVar("R")
R_co = TypeVar("R_co", covariant=True)

OUT_OF_MEMORY = "MemoryError"
KILLED_FROM_OUTSIDE = signal.SIGKILL.name


class Trial(Protocol[T, R_co]):
    """What the process apart does; it is pickled, so it holds paths and settings, not items."""

    def read(self, rows: Sequence[int]) -> Iterator[T]:
        """The items of some rows, in order, one for each."""

    def judge(self, item: T) -> R_co:
        """What may kill. A MemoryError counts as a death; any other exception ends the trial."""


@dataclass(frozen=True)
class Death:
    """What ended the process that judged an item: a signal's name, `MemoryError` or a status."""

    cause: str


@dataclass(frozen=True)
class _Begun:
    """The process starts on its next item: if it dies now, that item is the suspect."""


@dataclass(frozen=True)
class _Judged(Generic[R]):
    value: R


@dataclass(frozen=True)
class _Raised:
    error: Exception


def judged_apart(trial: Trial[T, R], rows: Sequence[int]) -> Iterator[tuple[int, R | Death]]:
    """(row, judgement or death) for every row, in order; one process for all while none dies.

    Raises what `read` or `judge` raises, and WorkerDiedError when the process dies again and
    again before it comes to an item: that is no item's fault.
    """
    done = faultless = 0
    while done < len(rows):
        with closing(_Process(trial, rows[done:])) as process:
            for judgement in process.judgements():
                faultless = 0
                yield rows[done], judgement
                done += 1
        if done == len(rows):
            return
        if process.has_begun:
            yield rows[done], _alone(trial, rows[done])
            done += 1
        else:
            faultless += 1
            _give_up_after(faultless, trial, process.death)


def _alone(trial: Trial[T, R], row: int) -> R | Death:
    """One item in a process of its own.

    SIGKILL is the one signal that comes from outside (the system is out of memory, say, for
    reasons of its own), so the item is blamed only when it comes a second time.
    """
    kills = faultless = 0
    while True:
        with closing(_Process(trial, [row])) as process:
            for judgement in process.judgements():
                return judgement
        if not process.has_begun:
            faultless += 1
            _give_up_after(faultless, trial, process.death)
            continue
        kills += 1
        if process.death.cause != KILLED_FROM_OUTSIDE or kills == 2:
            return process.death


def _give_up_after(deaths: int, trial: object, death: Death) -> None:
    if deaths > MAX_DEATHS:
        raise WorkerDiedError(
            f"a process died {deaths} times before it came to an item of {trial!r}: expected it "
            f"to start, got {death.cause}; look for memory limits or a damaged installation"
        )


class _Process(Generic[T, R]):
    """One process apart, from its start to its death."""

    def __init__(self, trial: Trial[T, R], rows: Sequence[int]) -> None:
        context = multiprocessing.get_context("spawn")
        self._receiver, sender = context.Pipe(duplex=False)
        self._process = context.Process(target=_serve, args=(sender, trial, rows), daemon=True)
        self._process.start()
        sender.close()
        self._is_out_of_memory = False
        self.has_begun = False
        """Whether it was at an item when it was last heard of."""

    def judgements(self) -> Iterator[R]:
        """What it says, to its end or its death."""
        while True:
            try:
                said = self._receiver.recv()
            except (EOFError, OSError):
                self._process.join()
                return
            match said:
                case _Begun():
                    self.has_begun = True
                case _Judged(value):
                    self.has_begun = False
                    yield value
                case _Raised(MemoryError()) if self.has_begun:
                    self._is_out_of_memory = True
                    return
                case _Raised(error):
                    raise error

    @property
    def death(self) -> Death:
        """Why it ended."""
        if self._is_out_of_memory:
            return Death(OUT_OF_MEMORY)
        code = self._process.exitcode or 0
        if code >= 0:
            return Death(f"exit status {code}")
        try:
            return Death(signal.Signals(-code).name)
        except ValueError:
            return Death(f"signal {-code}")

    def close(self) -> None:
        """End it, where it goes on."""
        self._receiver.close()
        if self._process.is_alive():
            self._process.kill()
        self._process.join()


def _serve(sender: Connection, trial: Trial[T, R], rows: Sequence[int]) -> None:
    """The process apart: judge the rows in order and say before each that it begins."""
    start_worker()
    try:
        for item in trial.read(rows):
            sender.send(_Begun())
            sender.send(_Judged(trial.judge(item)))
    except BrokenPipeError:
        return  # nobody listens any more
    except Exception as error:
        sender.send(_Raised(error))
