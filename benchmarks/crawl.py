"""The page crawl against a bare Scrapy spider that takes the same fields, on the same shop.

Ours is the `crawl` stage as users run it: frontier, captures, robots.txt, exported parts. Both are
whole processes, started and ended; they take turns, and the median counts.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.harness import Benchmark, Measurement, against, timed
from benchmarks.shop import PER_PAGE

REPOSITORY = Path(__file__).resolve().parents[1]
PRODUCTS = 3_000
ROUNDS = 3
CONCURRENCY = 16
SITE_FILE = """
extractors = ["selectors"]
[url]
product = '/p/\\d+\\.html$'
product_id = '/p/(\\d+)\\.html$'
[links]
next = ["a.next"]
product = ["li.item a.name"]
[product]
title = ["h1.title::text"]
image = [".gallery img::attr(src)"]
category_path = [".crumbs li::text"]
"""
CONFIG = """
workers = 1
[crawl]
delay = 0.0
concurrency_per_host = {concurrency}
[[site]]
key = "shop"
program = "shop.toml"
base_url = "http://{host}"
allow_private = ["{host}"]
"""


@contextmanager
def running_shop(products: int) -> Iterator[str]:
    """The shop's host; its process ends with the context."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.shop", str(products)],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.communicate("")


def ours(host: str, folder: Path) -> int:
    """Crawl with our stage; returns how many products it took with all three fields."""
    folder.mkdir()
    (folder / "shop.toml").write_text(SITE_FILE)
    (folder / "mep3m.toml").write_text(CONFIG.format(host=host, concurrency=CONCURRENCY))
    command = [sys.executable, "-m", "pipeline", "crawl", "--json"]
    subprocess.run(
        [*command, "--config", str(folder / "mep3m.toml")],
        cwd=REPOSITORY, stdout=subprocess.DEVNULL, check=True,
    )  # fmt: skip
    (part,) = folder.glob("runs/*/sightings/shop.parquet")
    rows = pq.read_table(part).to_pylist()
    return sum(bool(r["title"] and r["image_url"] and r["category_paths"]) for r in rows)


def bare(host: str, folder: Path) -> int:
    """The same by the bare spider."""
    folder.mkdir()
    file = folder / "items.jsonl"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.bare_spider", host, str(file), str(CONCURRENCY)],
        cwd=REPOSITORY, check=True,
    )  # fmt: skip
    rows = [json.loads(line) for line in file.read_text().splitlines()]
    return sum(bool(row["title"] and row["image"] and row["category_path"]) for row in rows)


def measure(full: bool) -> Iterator[Measurement]:
    """Both crawl the shop in turns."""
    products = PRODUCTS * (4 if full else 1)
    seconds: dict[str, list[float]] = {"ours": [], "bare": []}
    with tempfile.TemporaryDirectory() as name, running_shop(products) as host:
        for turn in range(ROUNDS):
            for which, crawl in (("ours", ours), ("bare", bare)):
                spent, taken = timed(partial(crawl, host, Path(name) / f"{which}-{turn}"))
                if taken != products:
                    raise AssertionError(f"{which}: expected {products} products, got {taken}")
                seconds[which].append(spent)
    count = products + -(-products // PER_PAGE)
    mine, theirs = (statistics.median(seconds[which]) for which in ("ours", "bare"))
    size = f"{count:,} pages of 40 KB, {CONCURRENCY} in flight"
    yield against("crawl", size, mine, "bare Scrapy spider, JSON lines", theirs, least=0.8)


CRAWL = Benchmark("crawl", measure)
