"""Whole runs: real commands in processes of their own, against real servers on loopback."""

import pytest

from tests.integration.commands import DemoRun, run_demo


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> DemoRun:
    """One demo for all tests that only read it."""
    return run_demo(tmp_path_factory.mktemp("demo") / "workspace")
