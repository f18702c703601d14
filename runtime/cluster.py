"""A Dask cluster as the engine: workers on other machines, or some started here.

Every worker must see the workspace at the same path (a shared file system) and run the same
version of this program. A worker's death comes to us as `KilledWorker` once Dask has given the unit
up; what else was in flight there Dask runs again elsewhere by itself.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from typing import Any, TypeVar

from runtime import clock
from runtime.config import Config
from runtime.errors import ConfigError
from runtime.version import VERSION

R = TypeVar("R")

START_SECONDS = 60.0
_LOCAL = "local"


class DaskEngine:
    """A client of a scheduler; `address` is `tcp://host:port`, or "local" for workers of our own.

    Raises ConfigError when Dask is missing, nothing answers at the address, no worker is there, or
    one of them runs another version.
    """

    def __init__(self, address: str, workers: int) -> None:
        self._client = _connect(address, workers)
        self._executor = self._client.get_executor(pure=False)
        try:
            self._client.wait_for_workers(1, timeout=START_SECONDS)
            self._check_versions(address)
        except TimeoutError as error:
            self.stop(wait=False)
            raise ConfigError(
                f"dask.address {address!r}: expected a worker within {START_SECONDS:.0f} s, found "
                "none; start some with `dask worker`"
            ) from error
        except ConfigError:
            self.stop(wait=False)
            raise

    @classmethod
    def of(cls, config: Config) -> DaskEngine:
        """The engine that the configuration names."""
        return cls(config.dask.address, config.workers)

    @property
    def workers(self) -> int:
        """Threads of all workers; those that come later count as well."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def executor(self) -> Executor:
        """Takes units; Dask replaces workers that died."""
        return _AsWorker(self._executor)

    def is_death(self, error: BaseException) -> bool:
        """Whether Dask gave a unit up because workers died on it."""
        from distributed.scheduler import KilledWorker

        return isinstance(error, KilledWorker)

    def after_death(self, futures: Iterable[Future[Any]]) -> None:
        """Nothing: only the unit that was given up is over."""

    def rest(self) -> None:
        """Nothing: the workers are the cluster's."""

    def stop(self, *, wait: bool) -> None:
        """Let go of the cluster; one that was started here ends."""
        self._executor.shutdown(wait=wait)
        self._client.close()
        if self._client.cluster is not None:
            self._client.cluster.close()

    def _check_versions(self, address: str) -> None:
        for worker, found in self._client.run(_version).items():
            if found != VERSION:
                raise ConfigError(
                    f"dask.address {address!r}: expected mep3m {VERSION} on every worker, got "
                    f"{found} on {worker}; install the same version there"
                )


class _AsWorker(Executor):
    """Submits units so that they find in a Dask worker what they find in a process of ours."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    def submit(self, fn: Callable[..., R], /, *args: Any, **kwargs: Any) -> Future[R]:
        return self._executor.submit(_in_worker, fn, clock.offset(), *args, **kwargs)


def _in_worker(function: Callable[..., R], clock_offset: float, *args: Any) -> R:
    os.environ[clock.OFFSET] = repr(clock_offset)
    # Pictures are decoded in processes apart, which a daemon, as Dask's workers are, may not start.
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]
    return function(*args)


def _version() -> str:
    return VERSION


def _connect(address: str, workers: int) -> Any:
    try:
        distributed: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise ConfigError(
            'engine = "dask": expected the package `distributed`, found none; install '
            "mep3m-pipeline[dask]"
        ) from error
    if address == _LOCAL:
        # A death is told at once: which unit kills is found out here, not there.
        importlib.import_module("dask").config.set({"distributed.scheduler.allowed-failures": 0})
        cluster = distributed.LocalCluster(
            n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1",
            dashboard_address=None,
        )  # fmt: skip
        return distributed.Client(cluster)
    try:
        return distributed.Client(address, timeout=START_SECONDS, set_as_default=False)
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())
        raise ConfigError(
            f"dask.address {address!r}: expected a scheduler, got {said}; start one with "
            "`dask scheduler`, or mend the address"
        ) from error
