import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

from runtime import clock

THEN = datetime(2031, 5, 1, 3, 0, tzinfo=UTC)


def test_another_day_can_be_passed_in_and_processes_inherit_it() -> None:
    with clock.showing(THEN):
        here = clock.now()
        code = "from runtime import clock; print(clock.now().isoformat())"
        there = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
    for moment in (here, datetime.fromisoformat(there.stdout.strip())):
        assert THEN <= moment < THEN + timedelta(minutes=5)
    assert clock.OFFSET not in os.environ


def test_it_is_the_machines_where_none_is() -> None:
    with clock.showing(None):
        assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
