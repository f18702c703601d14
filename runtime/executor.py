"""Units of work spread over workers: bounded, in order, and none lost when a worker dies.

An engine gives a `concurrent.futures.Executor`: a pool of processes on this machine
(`processes.py`) or a Dask cluster (`cluster.py`). Everything else is the same for both, and here.
Units carry paths and settings, never image bytes; results come back in the units' order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, wait
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Protocol, TypeVar

from runtime import stopping
from runtime.config import Config
from runtime.errors import WorkerDiedError
from runtime.processes import ProcessEngine

U = TypeVar("U")
R = TypeVar("R")

MAX_DEATHS = 3
# How often a stop is looked for while units are in flight, and how long those may take to end.
POLL_SECONDS = 0.2
STOP_SECONDS = 10.0


class Engine(Protocol):
    """Where units run."""

    @property
    def workers(self) -> int:
        """How many units run at once."""

    def executor(self) -> Executor:
        """What takes units; a working one, also after workers died."""

    def is_death(self, error: BaseException) -> bool:
        """Whether this is what a future raises whose worker died."""

    def after_death(self, futures: Iterable[Future[Any]]) -> None:
        """A worker died; those are the futures of what is in flight."""

    def rest(self) -> None:
        """A stage is over, whose memory is its own."""

    def stop(self, *, wait: bool) -> None:
        """End it: when the work in flight is done, or at once."""


class WorkerPool:
    """Workers that outlive their own deaths."""

    def __init__(
        self,
        workers: int,
        preload: Sequence[str] = (),
        *,
        engine: Engine | None = None,
        max_deaths: int = MAX_DEATHS,
    ) -> None:
        self.engine = engine if engine is not None else ProcessEngine(workers, preload)
        self.max_deaths = max_deaths

    @property
    def workers(self) -> int:
        """How many units run at once."""
        return self.engine.workers

    def __enter__(self) -> WorkerPool:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.engine.stop(wait=kind is None)

    def rest(self) -> None:
        """End the workers of a stage, and with them what their libraries hold."""
        self.engine.rest()

    @contextmanager
    def at_least(self, workers: int) -> Iterator[WorkerPool]:
        """So many workers for units that wait more than they work; a cluster has what it has."""
        if self.workers >= workers or not isinstance(self.engine, ProcessEngine):
            yield self
            return
        with WorkerPool(workers, max_deaths=self.max_deaths) as wider:
            yield wider

    def map(
        self,
        function: Callable[[U], R],
        units: Sequence[U],
        after_death: Callable[[U], U] | None = None,
        give_up: Callable[[int, U, int], R] | None = None,
    ) -> Iterator[R]:
        """`function` of every unit, in the units' order, at most 2 x workers in flight.

        A worker's death loses nothing: what had ended is kept, and every unit that was in flight
        with it runs again, alone, so that the one that kills is known. Where there is an
        `after_death`, each of them runs as `after_death` of it. A unit on which workers died
        `max_deaths` times more is given up: its result is that of `give_up`, told its place, the
        unit and how many died; without one WorkerDiedError is raised, which names it. Raises
        whatever `function` raises, and StopRequested between units.
        """
        units = list(units)
        flying: dict[int, Future[R]] = {}
        suspects: set[int] = set()
        position = deaths = 0
        try:
            while position < len(units):
                ahead = 1 if suspects else 2 * self.workers
                error: BaseException | None = None
                try:
                    for at in range(position, min(position + ahead, len(units))):
                        if at not in flying:
                            flying[at] = self.engine.executor().submit(function, units[at])
                    result = _awaited(flying[position], flying.values())
                except Exception as raised:
                    if not self.engine.is_death(raised):
                        raise
                    error = raised
                if error is not None:
                    self.engine.after_death(flying.values())
                    deaths += 1
                    lost = {at for at, f in flying.items() if self._died(f)}
                    lost |= set(range(position, min(position + ahead, len(units)))) - set(flying)
                    flying = {at: future for at, future in flying.items() if at not in lost}
                    given_up = position in suspects and deaths > self.max_deaths
                    if not given_up:
                        for at in lost - suspects:
                            suspects.add(at)
                            if after_death is not None:
                                units[at] = after_death(units[at])
                        continue
                    if give_up is None:
                        raise WorkerDiedError(
                            f"a worker process died {deaths} times on {units[position]!r}: "
                            "expected it to finish; look for memory limits or a damaged input file"
                        ) from error
                    result = give_up(position, units[position], deaths)
                flying.pop(position, None)
                suspects.discard(position)
                position, deaths = position + 1, 0
                yield result
        finally:
            for future in flying.values():
                future.cancel()

    def _died(self, future: Future[Any]) -> bool:
        """Whether its unit has to run again; one that is still running elsewhere has not."""
        if future.cancelled():
            return True
        if not future.done():
            return False
        error = future.exception()
        return error is not None and self.engine.is_death(error)


def _awaited(future: Future[R], flying: Iterable[Future[R]]) -> R:
    """The result; when a stop is asked for, what is in flight may end first, for a while."""
    with stopping.between_units():
        while not future.done() and stopping.requested() is None:
            wait([future], POLL_SECONDS)
        if (stop := stopping.requested()) is not None:
            for waiting in flying:
                waiting.cancel()
            wait(flying, STOP_SECONDS)
            raise stop
    return future.result()


def open_pool(config: Config, preload: Sequence[str] = ()) -> WorkerPool:
    """The workers that the configuration asks for. Raises ConfigError for a cluster without Dask,
    without workers, or with another version of this program."""
    deaths = config.run.max_deaths
    if config.engine == "process":
        return WorkerPool(config.workers, preload, max_deaths=deaths)
    from runtime.cluster import DaskEngine

    return WorkerPool(config.workers, engine=DaskEngine.of(config), max_deaths=deaths)
