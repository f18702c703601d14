"""The rehearsal of 3,000,000 records: clean to publish at growing sizes, fitted and projected.

`python -m benchmarks.scale --records N` makes a workspace of N listings and pictures with MEP-3M's
statistics and sends it through the stages, each a command of its own; `scale` in `make bench` does
so for 10,000 and 100,000 records, and for 300,000 when full, and projects from what it saw. The
class sizes fall from 90,000 to 30 records over the leaves, pictures are 220 px JPEGs of some 20 KB.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from functools import cache
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.clean_run import (
    IMAGE_PART_ROWS,
    PROCESSES,
    SITE,
    START,
    UNWANTED,
    Chunk,
    title_and_path,
    wanted,
    write_chunk,
)
from benchmarks.harness import Benchmark, Measurement
from benchmarks.processes import Ran
from benchmarks.release_run import command, configure
from demo.leaves import Leaf, read_leaves
from demo.titles import draw_parts
from runtime.image_index import ImageIndex
from runtime.workspace import Workspace

SIDE, QUALITY, SHARD_MIB = 220, 97, 256
SIZES = (10_000, 100_000)
FULL = (*SIZES, 300_000)
LEAVES, LARGEST, SMALLEST, ALL = 599, 90_000, 30, 3_000_000
STAGES = ("clean", "map", "dedupe", "publish")
# What more workers do not speed up: one process judges all records, one writes the shards.
SERIAL = ("dedupe", "publish")
PROJECTED = (3_000_000, 100_000_000)
CLUSTER = 64
MOST_MB, LEAST_SHARE = 1_500, 0.9
TABLE_BYTES = 280  # a record, in the process that dedupes


@cache
def shares() -> NDArray[np.float64]:
    """Up to which share of all records each leaf reaches, the largest first.

    Sizes fall as 90,000 x 3,000^-(x^p) over the leaves' ranks x from 0 to 1; p is the one that
    makes them add up to 3,000,000.
    """
    ranks = np.linspace(0.0, 1.0, LEAVES)

    def sizes(power: float) -> NDArray[np.float64]:
        found: NDArray[np.float64] = LARGEST * (LARGEST / SMALLEST) ** -(ranks**power)
        return found

    low, high = 0.01, 5.0
    while high - low > 1e-9:
        middle = (low + high) / 2
        low, high = (middle, high) if sizes(middle).sum() < ALL else (low, middle)
    reached: NDArray[np.float64] = np.cumsum(sizes(low)) / sizes(low).sum()
    return reached


@cache
def _leaves() -> Sequence[Leaf]:
    """One leaf for each rank, some of them more than once where fewer can be sold."""
    leaves = list(read_leaves())
    random.Random(1).shuffle(leaves)
    return [leaves[rank % len(leaves)] for rank in range(LEAVES)]


def titled(number: int) -> tuple[str, tuple[str, ...]]:
    """The title and path of a record: a leaf drawn by its share of MEP-3M."""
    if number % 100 == UNWANTED:
        return title_and_path(number)  # one in a hundred is spam or in another language
    draw = random.Random(number)
    leaf = _leaves()[int(np.searchsorted(shares(), draw.random()))]
    return draw_parts(leaf, draw).text(), leaf.names


def make_workspace(folder: Path, records: int) -> None:
    """A workspace whose only run stands where `fetch` left it."""
    configure(folder, SHARD_MIB)
    run = Workspace(folder).new_run(START, [SITE])
    firsts = range(0, records, IMAGE_PART_ROWS)
    chunks = [
        Chunk(run, n, min(n + IMAGE_PART_ROWS, records), SIDE, QUALITY, titled) for n in firsts
    ]
    with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
        list(pool.map(write_chunk, chunks))
    with closing(ImageIndex(run)) as index:
        index.refresh((name, wanted(run, name)) for name in run.listings.names())
    for stage in ("crawl", "merge", "fetch"):
        run.finish_stage(stage, {})


def rehearse(records: int) -> dict[str, Ran]:
    """What each stage took of so many records."""
    with tempfile.TemporaryDirectory() as made:
        make_workspace(Path(made), records)
        return {stage: command(Path(made), stage) for stage in STAGES}


def measure(full: bool) -> Iterator[Measurement]:
    """Every stage at every size, then what they project to."""
    yield from _measured(FULL if full else SIZES)


def _measured(sizes: Sequence[int]) -> Iterator[Measurement]:
    runs: dict[int, dict[str, Ran]] = {}
    for records in sizes:
        runs[records] = rehearse(records)
        yield from _lines(records, runs[records])
    for few, many in pairwise(sizes):
        share = _rate(many, runs[many]) / _rate(few, runs[few])
        is_held = (few, many) == FULL[1:]
        yield Measurement(
            "scale", f"{many:,} against {few:,}: records/s", "x", round(share, 2),
            target=f">= {LEAST_SHARE}" if is_held else None,
            met=share >= LEAST_SHARE if is_held else None,
        )  # fmt: skip
    if len(sizes) > 1:
        yield from _projections(sizes[-2:], runs)


def _lines(records: int, stages: Mapping[str, Ran]) -> Iterator[Measurement]:
    for stage, ran in stages.items():
        at = f"{records:,}: {stage}"
        yield Measurement("scale", at, "1/s", round(records / ran.seconds))
        yield Measurement("scale", f"{at}: processor", "s", round(ran.cpu_seconds, 1))
        yield Measurement("scale", f"{at}: written", "MB", round(ran.written_mb))
        yield Measurement(
            "scale", f"{at}: largest process", "MB", round(ran.largest_mb),
            target=f"<= {MOST_MB} MB", met=ran.largest_mb <= MOST_MB,
        )  # fmt: skip
    yield Measurement("scale", f"{records:,}: all", "1/s", round(_rate(records, stages)))


def _rate(records: int, stages: Mapping[str, Ran]) -> float:
    return records / sum(ran.seconds for ran in stages.values())


def fit(few: int, many: int, seconds: tuple[float, float]) -> tuple[float, float]:
    """Seconds at the start and for each record, of the line through two sizes."""
    each = max(0.0, (seconds[1] - seconds[0]) / (many - few))
    return max(0.0, seconds[0] - each * few), each


def _projections(
    sizes: Sequence[int], runs: Mapping[int, Mapping[str, Ran]]
) -> Iterator[Measurement]:
    few, many = sizes
    lines = {
        stage: fit(few, many, (runs[few][stage].seconds, runs[many][stage].seconds))
        for stage in STAGES
    }
    for records in PROJECTED:
        here = {stage: start + each * records for stage, (start, each) in lines.items()}
        there = {
            stage: took if stage in SERIAL else took * PROCESSES / CLUSTER
            for stage, took in here.items()
        }
        for where, stages in ((f"{PROCESSES} cores", here), (f"{CLUSTER} workers", there)):
            slowest = max(stages, key=lambda stage: stages[stage])
            yield Measurement(
                "scale", f"{records:,} projected, {where}; {slowest} takes most", "h",
                round(sum(stages.values()) / 3600, 2), f"{slowest} alone",
                round(stages[slowest] / 3600, 2),
            )  # fmt: skip
        table = TABLE_BYTES * records / 2**30
        yield Measurement(
            "scale", f"{records:,} projected: table of dedupe", "GiB", round(table, 1)
        )


def main(arguments: list[str] | None = None) -> int:
    """Rehearse one size and print what each stage took."""
    parser = argparse.ArgumentParser(prog="benchmarks.scale", description=rehearse.__doc__)
    parser.add_argument("--records", type=int, required=True, metavar="N")
    records = parser.parse_args(arguments).records
    for line in _measured([records]):
        print(f"{line.size:44}  {line.ours:>10} {line.unit}")
    return 0


SCALE = Benchmark("scale", measure)

if __name__ == "__main__":
    sys.exit(main())
