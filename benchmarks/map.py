"""Mapping a million records of a few thousand distinct category paths.

First sight of the distinct paths, most of which have a step that the tree does not know, is told
apart from a million records after that: of Chinese titles, nearly all of which are too long to be
the last name of a path, and of English ones, whose letters have to be compared. The stage does all
of it over parts, from reading listings to sealed labels and decisions, in one worker's process.
"""

import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.harness import Benchmark, Measurement
from runtime.columns import column
from runtime.config import Config
from runtime.executor import WorkerPool
from runtime.origins import CRAWLED
from runtime.stages import Context
from runtime.tables import CLEANED, LISTINGS
from runtime.workspace import Run, Workspace
from taxonomy.batches import map_batch
from taxonomy.mapper import Mapper
from taxonomy.stage import map_records
from taxonomy.tree import Tree, load_tree

RECORDS = 1_000_000
PART_ROWS = 50_000
DISTINCT = 5_000
ALONE = 50_000
LEAST_PER_SECOND = 200_000
SITE = "s"
START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
TITLES: dict[str, Callable[[int], str]] = {
    "Chinese": "夏季新款商品名称 {}".format,
    "English": "Blue summer dress, size {}".format,
}
_STEPS = ("新款", "热卖", "进口", "礼盒", "家用", "商用", "便携", "套餐", "经典", "限量")
_ROUNDS = 3


def distinct_paths(tree: Tree, count: int, seed: int = 20261123) -> list[list[list[str]]]:
    """Paths as shops write them: a leaf's names, half of the time with a step of the shop below,
    and one in ten without anything that the tree knows."""
    draw = random.Random(seed)
    found: dict[tuple[str, ...], None] = {}
    while len(found) < count:
        names = [node.name for node in tree.lineage(draw.choice(tree.leaves()))]
        step = f"{draw.choice(_STEPS)}{draw.choice(_STEPS)}{draw.randrange(100)}"
        kind = draw.random()
        found[(step,) if kind < 0.1 else (*names, step) if kind < 0.6 else tuple(names)] = None
        if len(found) < count:
            found[("首页", *names[draw.randrange(len(names)) :], step)] = None
    return [[list(path)] for path in found]


def measure(full: bool) -> Iterator[Measurement]:
    """Processor time of mapping, since one core is what counts; wall clock of the stage."""
    del full
    tree = load_tree()
    draw = random.Random(7)
    distinct = distinct_paths(tree, DISTINCT)
    drawn = [distinct[draw.randrange(DISTINCT)] for _ in range(RECORDS)]
    paths = pa.array(drawn)
    mapper = Mapper(tree)
    first = _seconds(mapper, paths, pa.array([""] * RECORDS))
    for language, title in TITLES.items():
        titles = pa.array([title(number) for number in range(RECORDS)])
        rate = RECORDS / min(_seconds(mapper, paths, titles) for _ in range(_ROUNDS))
        alone = ALONE / _alone(mapper, paths[:ALONE], titles[:ALONE])
        yield Measurement(
            "map", f"{RECORDS:,} records, {DISTINCT:,} distinct paths, {language} titles", "/s",
            round(rate), "one record at a time", round(alone), round(rate / alone, 1),
            f">= {LEAST_PER_SECOND:,}/s", rate >= LEAST_PER_SECOND,
        )  # fmt: skip
    resolving = round(first - _seconds(mapper, paths, pa.array([""] * RECORDS)), 2)
    yield Measurement("map-paths", f"{DISTINCT:,} distinct paths seen first", "s", resolving)
    with tempfile.TemporaryDirectory() as folder:
        seconds = _stage(Path(folder), drawn)
    parts = RECORDS // PART_ROWS
    yield Measurement("map-stage", f"{RECORDS:,} records in {parts} parts", "s", round(seconds, 1))


def _seconds(mapper: Mapper, paths: pa.ListArray, titles: pa.StringArray) -> float:
    begun = time.process_time()
    found = map_batch(mapper, paths, titles)
    seconds = time.process_time() - begun
    # A fifth is mapped: most drawn steps have nothing in common with the leaf above them.
    assert sum(found.verdicts[n].label is not None for n in found.of[:1000].tolist()) > 100
    return seconds


def _alone(mapper: Mapper, paths: pa.ListArray, titles: pa.StringArray) -> float:
    begun = time.process_time()
    for row, title in zip(paths.to_pylist(), titles.to_pylist(), strict=True):
        mapper.map(row, title)
    return time.process_time() - begun


def _stage(folder: Path, paths: Sequence[Sequence[Sequence[str]]]) -> float:
    """Seconds of wall clock that the stage takes with one worker, its start included."""
    workspace = Workspace(folder)
    workspace.prepare()
    run = workspace.new_run(START, [SITE])
    for first in range(0, len(paths), PART_ROWS):
        _write_part(run, first, paths[first : first + PART_ROWS])
    begun = time.perf_counter()
    with WorkerPool(1) as pool:
        result = map_records(Context(Config(), folder, workspace, run, pool, quiet=True))
    seconds = time.perf_counter() - begun
    assert result.counts["mapped"] + result.counts["held"] == len(paths)
    return seconds


def _write_part(run: Run, first: int, paths: Sequence[Sequence[Sequence[str]]]) -> None:
    name, count = f"{SITE}-{first // PART_ROWS:05d}", len(paths)
    ids = [f"{SITE}:{first + row:07d}" for row in range(count)]
    titles = [TITLES["Chinese"](first + row) for row in range(count)]
    known: dict[str, Sequence[Any]] = {
        "record_id": ids, "site": [SITE] * count, "title": titles, "category_paths": paths,
        "product_url": ids, "page_url": ids, "capture_file": [SITE] * count,
        "capture_offset": [0] * count, "sightings": [1] * count, "kept": [True] * count,
        "provenance": [CRAWLED] * count,
        "removed_segments": [[]] * count,
        **dict.fromkeys(("fetched_at", "first_seen", "last_seen"), [START] * count),
    }  # fmt: skip
    for folder, schema in ((run.listings, LISTINGS.schema), (run.cleaned, CLEANED.schema)):
        cells = [
            column(known[field.name], field.type)
            if field.name in known
            else pa.nulls(count, field.type)
            for field in schema
        ]
        folder.write(name, pa.Table.from_arrays(cells, schema=schema), "benchmark")


MAP = Benchmark("map", measure)
