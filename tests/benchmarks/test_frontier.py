"""The frontier's benchmark takes and commits what it says, within the memory it promises."""

from pathlib import Path

import pytest

from benchmarks.frontier import MOST_MEMORY_MB, SHORT, _in_child, cost


@pytest.mark.parametrize("kind", ["category", "product"])
def test_every_visit_is_taken_and_committed(tmp_path: Path, kind: str) -> None:
    told = cost(tmp_path, kind, queued=600, visits=40)  # more than one batch of a wave
    assert told.fill > 0
    assert 0 < told.page < 1
    assert 0 < told.reopen < 10


def test_a_child_process_says_what_it_needed() -> None:
    assert 10 < _in_child("product", SHORT // 10).peak_mb < MOST_MEMORY_MB
