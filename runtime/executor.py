"""Worker processes: one function of one unit at a time, bounded, replaced when they die.

The engine is a `concurrent.futures.Executor`, so another one (a cluster's) can take its place.
Units carry paths and settings, never image bytes; results come back in the units' order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import TypeVar

from runtime.errors import WorkerDiedError

U = TypeVar("U")
R = TypeVar("R")

MAX_DEATHS = 3


def exit_with_parent(parent: int, poll_seconds: float = 0.5) -> None:
    """End this process soon after its parent is gone, so that `kill -9` leaves no orphans.

    `parent` is the process id that the parent handed down: it may have died before this call,
    and whoever adopts orphans must not be taken for it.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()


def _start_worker(parent: int) -> None:
    # Ctrl-C reaches the whole process group; only the main process acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    exit_with_parent(parent)


class WorkerPool:
    """A process pool that outlives its workers' deaths."""

    def __init__(self, workers: int) -> None:
        self.workers = workers
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop(wait=kind is None)

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # spawn: threads of this process (PyArrow's, Numba's) must not be forked half-way.
            self._executor = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("spawn"),
                initializer=_start_worker,
                initargs=(os.getpid(),),
            )
        return self._executor

    def _stop(self, *, wait: bool) -> None:
        if self._executor is None:
            return
        processes = list((self._executor._processes or {}).values())
        self._executor.shutdown(wait=wait, cancel_futures=True)
        if not wait:
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(5)
        self._executor = None

    def map(
        self,
        function: Callable[[U], R],
        units: Sequence[U],
        after_death: Callable[[U], U] | None = None,
    ) -> Iterator[R]:
        """`function` of every unit, in the units' order, at most 2 x workers in flight.

        A worker's death loses nothing: the pool is rebuilt and what was in flight runs again,
        one unit at a time, so that the one that kills is known; it is tried again as
        `after_death` of it. Raises WorkerDiedError naming it after MAX_DEATHS deaths, and whatever
        `function` raises.
        """
        deaths = 0
        position = 0
        limit = 2 * self.workers
        units = list(units)
        flying: list[Future[R]] = []
        while position < len(units):
            try:
                while len(flying) < limit and position + len(flying) < len(units):
                    flying.append(self._running().submit(function, units[position + len(flying)]))
                result = flying[0].result()
            except BrokenProcessPool as error:
                deaths += 1
                self._stop(wait=False)
                flying.clear()
                if limit == 1 and deaths > MAX_DEATHS:
                    raise WorkerDiedError(
                        f"a worker process died {deaths} times on {units[position]!r}: expected "
                        "it to finish; look for memory limits or a damaged input file"
                    ) from error
                if limit == 1 and after_death is not None:
                    units[position] = after_death(units[position])
                limit = 1
                continue
            except BaseException:
                for future in flying:
                    future.cancel()
                raise
            flying.pop(0)
            position += 1
            deaths, limit = 0, 2 * self.workers
            yield result
