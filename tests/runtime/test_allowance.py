"""Limits on time and memory: kept while they last, gone afterwards."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import time

import pytest

from runtime.allowance import Allowance, is_expendable, limited_memory, limited_time, unheard

MIB = 1024**2


def test_what_stays_within_its_limits_notices_nothing() -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with Allowance(30.0, 512 * MIB).kept():
        left, _ = signal.getitimer(signal.ITIMER_PROF)
        assert 29 < left < 30.1  # it is kept in ticks of the system's clock
        assert len(bytearray(128 * MIB)) == 128 * MIB
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_memory_beyond_it_is_refused_and_there_again_afterwards() -> None:
    with pytest.raises(MemoryError), Allowance(30.0, 64 * MIB).kept():
        bytearray(256 * MIB)
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert len(bytearray(256 * MIB)) == 256 * MIB


def test_a_limit_is_never_wider_than_the_one_around_it() -> None:
    with pytest.raises(MemoryError), limited_memory(64 * MIB), limited_memory(512 * MIB):
        bytearray(256 * MIB)


def test_waiting_costs_no_time() -> None:
    with limited_time(0.1):
        time.sleep(0.3)


def test_what_c_code_prints_is_not_heard_within_the_block(
    capfd: pytest.CaptureFixture[str],
) -> None:
    c = ctypes.CDLL(None)
    with unheard():
        c.perror(b"a damaged strip")
        os.write(2, b"another one\n")
    c.perror(b"something else")
    assert capfd.readouterr().err.startswith("something else")


def test_a_process_that_nobody_started_for_its_work_is_not_expendable() -> None:
    assert not is_expendable()
