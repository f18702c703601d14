"""Peak memory of the clean and dedupe stages, at a number of records and at a multiple of it.

Each line is the peak of a whole command with its workers: the largest sum of resident sizes, in
which pages that processes share count in each, and the largest of any one process. Clean must not
grow with the records; dedupe may by its table of fingerprints.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.clean_run import make_run
from benchmarks.harness import Benchmark, Measurement
from benchmarks.processes import Ran, run_sampled

SIDE = 75
USUAL = (20_000, 100_000)
FULL = (100_000, 1_000_000)
STAGES = ("clean", "map", "dedupe")
AT_MOST_SECONDS = 3_600.0  # of one command
SLACK_MB = 50
TABLE_BYTES = 250  # a record, with what the search keeps beside the fingerprints
ROOT = Path(__file__).resolve().parents[1]


def measure(full: bool) -> Iterator[Measurement]:
    """The smaller run beside the larger one; a million records only when full."""
    few, many = FULL if full else USUAL
    before, after = run_commands(few), run_commands(many)
    for stage in ("clean", "dedupe"):
        allowed = allowed_growth_mb(stage, few, many)
        grown = after[stage].peak_mb - before[stage].peak_mb
        size = f"`{stage}`, {many:,} records of {SIDE} px"
        yield Measurement(
            "clean-memory", size, "MB", round(after[stage].peak_mb), f"{few:,} records",
            round(before[stage].peak_mb), None, f"<= +{allowed:.0f} MB", grown <= allowed,
        )  # fmt: skip
        yield Measurement(
            "clean-memory", f"{size}: largest process", "MB", round(after[stage].largest_mb),
            f"{few:,} records", round(before[stage].largest_mb),
        )  # fmt: skip
        yield Measurement(
            "clean-memory", f"{size}: wall clock", "s", round(after[stage].seconds, 1),
            f"{few:,} records", round(before[stage].seconds, 1),
        )  # fmt: skip


def allowed_growth_mb(stage: str, few: int, many: int) -> float:
    """By how much a command's peak may grow from one number of records to another."""
    table = TABLE_BYTES * (many - few) / 2**20 if stage == "dedupe" else 0.0
    return SLACK_MB + table


def run_commands(records: int) -> dict[str, Ran]:
    """Make a run of so many records and send it through the stages, a command for each."""
    with tempfile.TemporaryDirectory() as made:
        make_run(Path(made), records, SIDE)
        config = Path(made) / "mep3m.toml"
        call = [sys.executable, "pipeline.py"]
        return {
            stage: run_sampled(
                [*call, stage, "--json", "--config", config], ROOT, at_most=AT_MOST_SECONDS
            )
            for stage in STAGES
        }


CLEAN_MEMORY = Benchmark("clean-memory", measure)
