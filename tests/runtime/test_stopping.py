import os
import signal
import time

import pytest

from runtime import stopping
from runtime.errors import StopRequested


def test_a_stop_comes_at_once_where_no_units_are_worked_on() -> None:
    with pytest.raises(StopRequested, match="SIGTERM"), stopping.stopping_on_sigterm():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)


def test_between_units_it_is_noted_until_somebody_looks() -> None:
    with stopping.stopping_on_sigterm():
        with stopping.between_units():
            os.kill(os.getpid(), signal.SIGTERM)
            finished = sum(range(1000))
            assert stopping.requested() is not None
        assert finished == 499500
        with pytest.raises(StopRequested):
            stopping.check()
    assert stopping.requested() is None, "the next command was not asked"


def test_a_time_limit_stops_and_says_so() -> None:
    with (
        pytest.raises(StopRequested, match="--max-time"),
        stopping.stopping_on_sigterm(),
        stopping.time_limit(0.01),
    ):
        time.sleep(10)


def test_a_time_limit_that_is_ended_does_not_stop() -> None:
    with stopping.stopping_on_sigterm(), stopping.time_limit(0.05):
        stopping.end_time_limit()
        time.sleep(0.1)
        stopping.check()
