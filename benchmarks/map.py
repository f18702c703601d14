"""Mapping a million records of a few thousand distinct category paths, on one core.

Two figures: the first sight of the distinct paths, most of which have a step that the tree does
not know, and a million records after that, beside asking the mapper for each record alone.
"""

import random
import time
from collections.abc import Iterator

import pyarrow as pa

from benchmarks.harness import Benchmark, Measurement
from taxonomy.batches import map_batch
from taxonomy.mapper import Mapper
from taxonomy.tree import Tree, load_tree

RECORDS = 1_000_000
DISTINCT = 5_000
ALONE = 50_000
LEAST_PER_SECOND = 200_000
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
    """Processor time: one core is what counts."""
    del full
    tree = load_tree()
    draw = random.Random(7)
    distinct = distinct_paths(tree, DISTINCT)
    paths = pa.array([distinct[draw.randrange(DISTINCT)] for _ in range(RECORDS)])
    titles = pa.array([f"夏季新款商品名称 {number}" for number in range(RECORDS)])
    mapper = Mapper(tree)
    begun = time.process_time()
    map_batch(mapper, paths, titles)
    first = time.process_time() - begun
    seconds = []
    for _ in range(_ROUNDS):
        begun = time.process_time()
        found = map_batch(mapper, paths, titles)
        seconds.append(time.process_time() - begun)
    rate = RECORDS / min(seconds)
    begun = time.process_time()
    for row, title in zip(paths[:ALONE].to_pylist(), titles[:ALONE].to_pylist(), strict=True):
        mapper.map(row, title)
    alone = ALONE / (time.process_time() - begun)
    assert sum(found.verdicts[place].label is not None for place in found.of[:1000].tolist()) > 300
    yield Measurement(
        "map", f"{RECORDS:,} records, {DISTINCT:,} distinct paths", "/s", round(rate),
        "one record at a time", round(alone), round(rate / alone, 1),
        f">= {LEAST_PER_SECOND:,}/s", rate >= LEAST_PER_SECOND,
    )  # fmt: skip
    resolving = round(first - min(seconds), 2)
    yield Measurement("map-paths", f"{DISTINCT:,} distinct paths seen first", "s", resolving)


MAP = Benchmark("map", measure)
