"""What all tests share: repeatable examples, a printed seed, and how tests spread over processes.

Property tests are the same in every run; `make soak` draws new examples and prints the seed. Under
`make test` the tests run in several processes at once; `-n 0` runs them in one.
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from operations.running import PRELOADED, WARM
from runtime.executor import WorkerPool

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("soak", deadline=None, database=None, max_examples=2_000, print_blob=True)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """The soak profile comes with `-m soak`; its seed can be given again with --hypothesis-seed."""
    if config.getoption("-m") == "soak":
        settings.load_profile("soak")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """In several processes the long tests come first, so that none ends long after the others."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=lambda item: "integration" not in item.path.parts)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Workers of commands that tests call in this process are forked with everything imported."""
    del session
    WorkerPool(1, ["pipeline", *PRELOADED.values(), WARM])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Spread the tests as `tests/spread.py` says."""
    from tests.spread import Spread

    return Spread(config, log)


@pytest.fixture(scope="session")
def soak_seed() -> int:
    """The seed of a long test, printed; SOAK_SEED gives an earlier one again."""
    seed = int(os.environ.get("SOAK_SEED", "20261122"))
    print(f"SOAK_SEED={seed}")
    return seed
