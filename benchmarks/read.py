"""Reading a release: one row at random, and all of it in order, by rows to a row group.

The same records are written with row groups of several sizes by the project's own shard writer. A
random reader has every shard open and reads the picture and title of one row, for which a whole row
group has to be read; opening is what a reader pays that comes for one row alone.
"""

import random
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.harness import Benchmark, Measurement, timed
from benchmarks.release_run import add_run, command, configure
from release.carried_rows import CarriedShard
from release.carry import write_named
from release.manifest import read_manifest
from release.shards import ShardWork, write_shard

RECORDS, SIDE, SHARD_MIB = 6_000, 500, 64
ROWS = (10, 50, 100, 500, 2_000)
READS = 300
COLUMNS = ["image", "title"]


def measure(full: bool) -> Iterator[Measurement]:
    """One release, written again with each size of row group; full does not differ."""
    del full
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        configure(folder, SHARD_MIB)
        add_run(folder, 0, RECORDS, SIDE)
        command(folder, "publish")
        release = folder / "releases" / "1.0.0"
        for rows in ROWS:
            yield from _lines(rows, _written(release, folder / str(rows), rows))


def _written(release: Path, target: Path, rows: int) -> list[Path]:
    (target / "data").mkdir(parents=True)
    nobody = write_named(target / "removed.arrow", {}).file
    for entry, facts in read_manifest(release).shards:
        shard = CarriedShard(release / entry.path, nobody, pictured=True)
        write_shard(ShardWork(facts.split, target, entry.path, rows, None, shard))
    return sorted((target / "data").iterdir())


def _lines(rows: int, shards: Sequence[Path]) -> Iterator[Measurement]:
    total = sum(path.stat().st_size for path in shards)
    size = f"{RECORDS:,} records, {total / 2**20:,.0f} MiB, row groups of {rows:,}"
    opening, files = timed(lambda: [pq.ParquetFile(path) for path in shards])
    random_reads, _ = timed(lambda: _read_at_random(files))
    streaming, _ = timed(lambda: _stream(files, rows))
    for what, unit, value in (
        ("open a shard", "ms", opening / len(shards) * 1000),
        ("read a row at random", "ms", random_reads / READS * 1000),
        ("read all in order", "MiB/s", total / 2**20 / streaming),
        ("footers and indices", "KiB a shard", _overhead(files) / len(shards) / 1024),
    ):
        yield Measurement("read", f"{size}: {what}", unit, round(value, 2))


def _read_at_random(files: Sequence[pq.ParquetFile]) -> None:
    draw = random.Random(1)
    places = [(f, g) for f in files for g in range(f.num_row_groups)]
    weights = [f.metadata.row_group(g).num_rows for f, g in places]
    for file, group in draw.choices(places, weights, k=READS):
        table = file.read_row_group(group, columns=COLUMNS)
        table.slice(draw.randrange(table.num_rows), 1).to_pylist()


def _stream(files: Sequence[pq.ParquetFile], rows: int) -> None:
    for file in files:
        for _ in file.iter_batches(min(rows, 100), columns=COLUMNS):
            pass


def _overhead(files: Sequence[pq.ParquetFile]) -> int:
    return sum(file.metadata.serialized_size for file in files)


READ = Benchmark("read", measure)
