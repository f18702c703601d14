"""A limit on the processor time of reading one page, so that no page can stop a crawl.

Extractors run on whatever a shop sends, and some of it makes them slow beyond measure (extruct's
microdata took 190 s for one page: scrapinghub/extruct 147; 10 hours for another: 193). Each step
gets a share; a step that uses it up is ended, and the page goes on without what it would have
found.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STEP_SECONDS = 5.0  # a thousand times what a large page takes: normal pages never meet it
PAGE_SECONDS = 15.0
_AGAIN_SECONDS = 0.05  # code that swallows the exception is interrupted again


class TimeLimitReached(BaseException):
    """A step used up its processor time.

    Not an Exception, so that no library's `except Exception` takes it for a fault of its own.
    """


class ReadingTime:
    """The processor time of one page; seconds count for the process, not for the wall clock.

    The limit is kept by a timer signal, which Python delivers in the main thread, between two
    bytecodes: there it ends any step in Python code. In another thread no limit is kept, and a
    single call into C (parsing a tree, evaluating one XPath) is only ended when it returns.
    """

    def __init__(self, step: float = STEP_SECONDS, page: float = PAGE_SECONDS) -> None:
        self._step = step
        self._page = page
        self._ends: list[float] = []  # of the steps that are open, the page's own first
        self._is_kept = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """The reading of one page; raises TimeLimitReached when it takes too long as a whole."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = signal.signal(signal.SIGPROF, self._ring)
        self._is_kept = True
        try:
            with self._limited(self._page):
                yield
        finally:
            self._is_kept = False
            signal.setitimer(signal.ITIMER_PROF, 0)
            signal.signal(signal.SIGPROF, before)

    @contextmanager
    def step(self) -> Iterator[None]:
        """One step of it; raises TimeLimitReached when that, or the page, takes too long."""
        if not self._is_kept:
            yield
            return
        with self._limited(self._step):
            yield

    @contextmanager
    def _limited(self, seconds: float) -> Iterator[None]:
        end = time.process_time() + seconds
        self._ends.append(min([end, *self._ends]))
        try:
            self._set_timer()
            yield
        finally:
            self._ends.pop()
            self._set_timer()

    def _set_timer(self) -> None:
        """Ring at the end of the innermost step; at once, where that has passed."""
        if self._ends:
            left = max(self._ends[-1] - time.process_time(), 1e-4)
            signal.setitimer(signal.ITIMER_PROF, left, _AGAIN_SECONDS)
        else:
            signal.setitimer(signal.ITIMER_PROF, 0)

    def _ring(self, number: int, frame: FrameType | None) -> None:
        if self._ends and time.process_time() >= self._ends[-1]:
            raise TimeLimitReached
