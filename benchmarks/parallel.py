"""Parallel efficiency of clean: one worker against two, as processes and as a Dask cluster.

Efficiency is the time with one worker over twice the time with two, of whole commands on the same
records, their start included; the two are run in turn, and the medians are compared. The Dask
cluster is one of two worker processes that the command starts and ends.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.clean_run import make_run, start_over
from benchmarks.harness import Benchmark, Measurement
from benchmarks.processes import run_sampled

SIDE = 220
USUAL, FULL = 20_000, 100_000
ROUNDS = 3
LEAST_EFFICIENCY = 0.8
ROOT = Path(__file__).resolve().parents[1]
ENGINES = {
    "one": "workers = 1\n",
    "two": "workers = 2\n",
    "dask": 'engine = "dask"\nworkers = 2\n[dask]\naddress = "local"\n',
}


def measure(full: bool) -> Iterator[Measurement]:
    """Clean by each engine in turn."""
    records = FULL if full else USUAL
    with tempfile.TemporaryDirectory() as made:
        run = make_run(Path(made), records, SIDE)
        config = Path(made) / "mep3m.toml"
        rest = config.read_text().replace("workers = 2\n", "")
        seconds: dict[str, list[float]] = {engine: [] for engine in ENGINES}
        for _ in range(ROUNDS):
            for engine, settings in ENGINES.items():
                top, _, table = settings.partition("[")
                config.write_text(top + rest + (f"\n[{table}" if table else ""))
                start_over(run)
                call = [sys.executable, "pipeline.py", "clean", "--json", "--config"]
                seconds[engine].append(run_sampled([*call, str(config)], ROOT).seconds)
    one, two, dask = (median(seconds[engine]) for engine in ENGINES)
    size = f"clean, {records:,} pictures of {SIDE} px"
    efficiency = one / (2 * two)
    yield Measurement(
        "parallel", f"{size}: efficiency of 2 workers", "x", round(efficiency, 2),
        target=f">= {LEAST_EFFICIENCY}", met=efficiency >= LEAST_EFFICIENCY,
    )  # fmt: skip
    yield Measurement(
        "parallel", f"{size}: 2 workers", "1/s", round(records / two), "1 worker",
        round(records / one), round(one / two, 2),
    )  # fmt: skip
    yield Measurement(
        "parallel", f"{size}: 2 Dask workers, started for it", "1/s", round(records / dask),
        "1 worker", round(records / one), round(one / dask, 2),
    )  # fmt: skip


PARALLEL = Benchmark("parallel", measure)
