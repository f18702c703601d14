"""The Dask engine over a real scheduler and real workers: order, deaths, what is given up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.cluster import DaskEngine
from runtime.config import parse_config
from runtime.errors import ConfigError, PartError, WorkerDiedError
from runtime.executor import WorkerPool, open_pool
from tests.runtime.clusters import Cluster, running_cluster
from tests.runtime.worker_functions import kill_always, kill_once, refuse, square


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with running_cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def pool(cluster: Cluster) -> Iterator[WorkerPool]:
    config = parse_config({"engine": "dask", "dask": {"address": cluster.address}})
    with open_pool(config) as pool:
        yield pool


def test_results_come_in_order_and_errors_as_they_were(pool: WorkerPool) -> None:
    assert list(pool.map(square, range(40))) == [n * n for n in range(40)]
    pool.rest()
    with pytest.raises(PartError, match="somewhere"):
        list(pool.map(refuse, range(4)))
    assert list(pool.map(square, [5])) == [25]


def test_a_worker_that_is_killed_costs_nothing(pool: WorkerPool, tmp_path: Path) -> None:
    units = [(tmp_path / "killed", n) for n in range(12)]
    assert list(pool.map(kill_once, units)) == list(range(12))
    assert (tmp_path / "killed").exists()


def test_the_unit_that_kills_is_given_up_and_all_others_are_done(pool: WorkerPool) -> None:
    pool.max_deaths = 1
    given_up = []

    def give_up(place: int, unit: int, deaths: int) -> int:
        given_up.append((place, unit))
        return -1

    assert list(pool.map(kill_always, range(6), None, give_up)) == [0, 1, 2, -1, 4, 5]
    assert given_up == [(3, 3)]
    with pytest.raises(WorkerDiedError, match="on 3:"):
        list(pool.map(kill_always, [3]))


def test_no_scheduler_and_no_dask_are_told_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.cluster.START_SECONDS", 0.5)
    with pytest.raises(ConfigError, match=r"dask.address 'tcp://127.0.0.1:9': expected a sched"):
        DaskEngine("tcp://127.0.0.1:9", 1)
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ConfigError, match=r"install mep3m-pipeline\[dask\]"):
        DaskEngine("tcp://127.0.0.1:9", 1)


def test_workers_of_another_version_are_refused(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.cluster.VERSION", "0.0.1")
    with pytest.raises(ConfigError, match=r"expected mep3m 0[.]0[.]1 on every worker"):
        DaskEngine(cluster.address, 1)
