"""What a step may use of its process: processor time and memory, kept by the operating system.

For calls into C code that hostile bytes could make endless: no exception reaches such a call, so
too much time ends the whole process, by SIGPROF. Only for processes that may end: pool workers
(`is_expendable`) and those of `runtime/apart.py`.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

SIGNAL = signal.SIGPROF.name
"""What ends a process that used up its time."""

_UNLIMITED = resource.RLIM_INFINITY


@contextmanager
def limited_time(seconds: float) -> Iterator[None]:
    """Ends this process by SIGPROF when the block uses more processor time, of all its threads.

    Not the clock's time, so that a busy machine changes nothing; what waits is never ended. One
    block at a time; costs some microseconds.
    """
    if signal.getsignal(signal.SIGPROF) != signal.SIG_DFL:
        signal.signal(signal.SIGPROF, signal.SIG_DFL)  # the parent may have it ignored
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


@contextmanager
def limited_memory(size: int) -> Iterator[None]:
    """Within the block the process gets at most so many bytes more than it has; what would be
    more raises MemoryError."""
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    ceiling = _data_bytes() + size
    for limit in (soft, hard):
        ceiling = ceiling if limit == _UNLIMITED else min(ceiling, limit)
    resource.setrlimit(resource.RLIMIT_DATA, (ceiling, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


@dataclass(frozen=True)
class Allowance:
    """Both for one step: seconds of processor time, and bytes beyond those at hand."""

    seconds: float
    memory: int

    @contextmanager
    def kept(self) -> Iterator[None]:
        """As `limited_time` and `limited_memory`."""
        with limited_memory(self.memory), limited_time(self.seconds):
            yield


@contextmanager
def unheard() -> Iterator[None]:
    """What C libraries print on stderr is not heard (libtiff reports every damaged strip)."""
    heard = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        os.dup2(heard, 2)
        os.close(heard)


def is_expendable() -> bool:
    """Whether this process was started to work for another, which outlives it."""
    return multiprocessing.parent_process() is not None


def _data_bytes() -> int:
    """Private writable memory of this process, which is what RLIMIT_DATA counts (Linux 4.7)."""
    return int(Path("/proc/self/statm").read_bytes().split()[5]) * resource.getpagesize()
