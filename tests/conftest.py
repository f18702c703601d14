"""Property tests are the same in every run; `make soak` draws new examples and prints the seed."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

settings.register_profile("repeatable", derandomize=True, deadline=None, database=None)
settings.register_profile("soak", deadline=None, database=None, max_examples=2_000, print_blob=True)
settings.load_profile("repeatable")


def pytest_configure(config: pytest.Config) -> None:
    """The soak profile comes with `-m soak`; its seed can be given again with --hypothesis-seed."""
    if config.getoption("-m") == "soak":
        settings.load_profile("soak")


@pytest.fixture(scope="session")
def soak_seed() -> int:
    """The seed of a long test, printed; SOAK_SEED gives an earlier one again."""
    seed = int(os.environ.get("SOAK_SEED", "20261122"))
    print(f"SOAK_SEED={seed}")
    return seed
