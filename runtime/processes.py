"""A pool of processes on this machine: how its workers start, die with their owner and end.

Workers are forked from a server process that does nothing else. It imports the modules named in
`preload` while this process goes on with its own work, so that no worker has to; what is not named,
or cannot be imported there, each worker imports when it needs it. There is one server in a process:
the first pool's preload counts.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import forkserver
from typing import Any

from runtime import clock

# How long a worker that was told to end may take.
END_SECONDS = 5.0


def exit_with_parent(parent: int, poll_seconds: float = 0.1) -> None:
    """End this process soon after its parent is gone, so that `kill -9` leaves no orphans.

    `parent` is the process id that the parent handed down: it may have died before this call,
    and whoever adopts orphans must not be taken for it.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(poll_seconds)
        os._exit(1)

    threading.Thread(target=watch, name="exit-with-parent", daemon=True).start()


def start_worker(clock_offset: float | None = None) -> None:
    """What a process does first that `multiprocessing` started to work for another."""
    if clock_offset is not None:
        os.environ[clock.OFFSET] = repr(clock_offset)  # the fork server's is of its first pool
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


class ProcessEngine:
    """A process pool that is started when it is first used, and anew after its workers died."""

    def __init__(self, workers: int, preload: Sequence[str] = ()) -> None:
        self.workers = workers
        # Never `__main__`, the default: it may not be importable there.
        multiprocessing.set_forkserver_preload([__name__, *preload])
        if preload:
            _ensure_server()
        self._executor: ProcessPoolExecutor | None = None

    def executor(self) -> Executor:
        """The running pool."""
        if self._executor is None:
            # Not fork: threads of this process (PyArrow's, Numba's) must not be forked half-way.
            # Not spawn: every worker would import all anew, a second of processor time each.
            _ensure_server()
            self._executor = ProcessPoolExecutor(
                self.workers,
                multiprocessing.get_context("forkserver"),
                initializer=start_worker,
                initargs=(clock.offset(),),
            )
        return self._executor

    def is_death(self, error: BaseException) -> bool:
        """Whether this is what a future raises whose worker died."""
        return isinstance(error, BrokenProcessPool)

    def after_death(self, futures: Iterable[Future[Any]]) -> None:
        """One death breaks the whole pool: all that was in flight is over; `executor` is anew."""
        wait(futures, END_SECONDS)
        self.stop(wait=False)

    def rest(self) -> None:
        """End the workers, and with them what their libraries hold."""
        self.stop(wait=True)

    def stop(self, *, wait: bool) -> None:
        """End the workers: when their work is done, or at once."""
        if self._executor is None:
            return
        processes = list((self._executor._processes or {}).values())
        self._executor.shutdown(wait=wait, cancel_futures=True)
        if not wait:
            for process in processes:
                process.terminate()
            for process in processes:
                process.join(END_SECONDS)
        self._executor = None


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
