"""Worker processes: one function of one unit at a time, bounded, replaced when they die.

The engine is a `concurrent.futures.Executor`, so another one (a cluster's) can take its place.
Units carry paths and settings, never image bytes; results come back in the units' order.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
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


def start_worker() -> None:
    """What a process does first that `multiprocessing` started to work for another."""
    # Ctrl-C reaches the whole process group; only the main process acts on it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_exit_with_owner, name="exit-with-owner", daemon=True).start()


def _exit_with_owner() -> None:
    """End this process when the one it works for is gone: a pipe to it, held open, says so.

    The parent of a pool's worker is the fork server, so its process id would not tell.
    """
    owner = multiprocessing.parent_process()
    assert owner is not None
    owner.join()
    os._exit(1)


class WorkerPool:
    """A process pool that outlives its workers' deaths.

    Workers are forked from a server process that does nothing else. It imports the modules named
    in `preload` while this process goes on with its own work, so that no worker has to; what is
    not named, or cannot be imported there, each worker imports when it needs it. There is one
    server in a process: the first pool's preload counts.
    """

    def __init__(self, workers: int, preload: Sequence[str] = ()) -> None:
        self.workers = workers
        # Never `__main__`, the default: it may not be importable there.
        multiprocessing.set_forkserver_preload([__name__, *preload])
        if preload:
            _ensure_server()
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

    def rest(self) -> None:
        """End the workers, and with them what their libraries hold; `map` starts new ones."""
        self._stop(wait=True)

    def _running(self) -> ProcessPoolExecutor:
        if self._executor is None:
            # Not fork: threads of this process (PyArrow's, Numba's) must not be forked half-way.
            # Not spawn: every worker would import all anew, a second of processor time each.
            _ensure_server()
            self._executor = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("forkserver"),
                initializer=start_worker,
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

        A worker's death loses nothing: the pool is rebuilt, what had ended is kept, and every
        unit that was in flight runs again, alone, so that the one that kills is known. Where
        there is an `after_death`, each of them runs as `after_death` of it. Raises
        WorkerDiedError naming the unit after MAX_DEATHS deaths, and whatever `function` raises.
        """
        units = list(units)
        flying: dict[int, Future[R]] = {}
        suspects: set[int] = set()
        position = deaths = 0
        try:
            while position < len(units):
                ahead = 1 if suspects else 2 * self.workers
                try:
                    for at in range(position, min(position + ahead, len(units))):
                        if at not in flying:
                            flying[at] = self._running().submit(function, units[at])
                    result = flying[position].result()
                except BrokenProcessPool as error:
                    self._stop(wait=False)
                    deaths += 1
                    if position in suspects and deaths > MAX_DEATHS:
                        raise WorkerDiedError(
                            f"a worker process died {deaths} times on {units[position]!r}: "
                            "expected it to finish; look for memory limits or a damaged input file"
                        ) from error
                    flying = {at: future for at, future in flying.items() if _has_ended(future)}
                    lost = range(position, min(position + ahead, len(units)))
                    for at in set(lost) - set(flying) - suspects:
                        suspects.add(at)
                        if after_death is not None:
                            units[at] = after_death(units[at])
                    continue
                flying.pop(position)
                suspects.discard(position)
                position, deaths = position + 1, 0
                yield result
        finally:
            for future in flying.values():
                future.cancel()


def _ensure_server() -> None:
    """Start the fork server where none runs, with this process's import path and no other.

    By itself it would look for modules in the current folder first, where files of any name may
    lie, and not where a script's own modules are (Python before 3.14).
    """
    folders = [*filter(None, [os.environ.get("PYTHONPATH")]), *sys.path]
    wanted = {"PYTHONPATH": os.pathsep.join(folders), "PYTHONSAFEPATH": "1"}
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _has_ended(future: Future[R]) -> bool:
    """Whether a unit's function returned or raised, before its pool broke."""
    if not future.done() or future.cancelled():
        return False
    return not isinstance(future.exception(), BrokenProcessPool)
