"""The benchmark command: its lines, its file, its peers' answers."""

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.harness import Benchmark, Measurement, against, run, select
from benchmarks.search import (
    leaders_from_pairs,
    leaders_of,
    pairs_by_comparing_all,
    synthetic_hashes,
)

LINE = Measurement("nothing", "1 item", "s", 1.0)


def test_a_run_appends_a_json_line_for_each_measurement(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    results = tmp_path / "results.jsonl"
    benchmark = Benchmark(
        "nothing", lambda full: iter([LINE, against("x", "2", 1.0, "peer", 4.0, 3)])
    )
    for _ in range(2):
        assert len(run([benchmark], False, results)) == 2
    lines = [json.loads(line) for line in results.read_text("utf-8").splitlines()]
    assert len(lines) == 4
    keys = ["name", "size", "unit", "ours", "peer", "peer_value", "ratio", "target", "met"]
    assert all(list(line) == keys for line in lines)
    assert (lines[1]["ratio"], lines[1]["target"], lines[1]["met"]) == (4.0, "ratio >= 3", True)
    assert "nothing" in capsys.readouterr().out


def test_an_unknown_name_lists_what_there_is() -> None:
    benchmark = Benchmark("search", lambda full: iter([LINE]))
    assert select([benchmark], []) == [benchmark]
    with pytest.raises(ValueError, match="no benchmark serch; there are search"):
        select([benchmark], ["serch"])


def test_the_search_peer_and_ours_agree_on_clumped_hashes() -> None:
    hashes = synthetic_hashes(3_000, clump=0.05)
    assert (np.bitwise_count(hashes) == 32).all()
    leaders = leaders_of(hashes)
    assert (leaders == leaders_from_pairs(len(hashes), pairs_by_comparing_all(hashes))).all()
    assert 0.08 < (leaders != np.arange(len(hashes))).mean() < 0.16
