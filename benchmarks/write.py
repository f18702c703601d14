"""Writing a release: `publish` against copying the same bytes, and against `datasets`' own writer.

All three begin with the same recorded pictures and end with the same bytes of them on disk, synced.
`datasets` is given rows with the same columns, and writes shards of the same size in one process.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.harness import Benchmark, Measurement, timed
from benchmarks.release_run import add_run, configure
from release.carried_rows import CarriedShard
from release.carry import write_named
from release.manifest import read_manifest
from release.publish import publish
from release.shards import ShardWork, write_shard
from runtime.config import load_config
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.workspace import Run, Workspace

RECORDS, SIDE, SHARD_MIB = 16_000, 500, 64
LEAST_OF_COPYING = 0.5


def measure(full: bool) -> Iterator[Measurement]:
    """One release of half a gigabyte; full does not differ."""
    del full
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        configure(folder, SHARD_MIB)
        run = add_run(folder, 0, RECORDS, SIDE)
        ours = _publish(folder, run)
        data = folder / "releases" / "1.0.0" / "data"
        total = sum(path.stat().st_size for path in data.iterdir())
        records = read_manifest(data.parent).counts.records
        size = f"{records:,} records, {total / 2**20:,.0f} MiB"
        copying, _ = timed(lambda: _copy(data, folder / "copy"))
        speed = round(total / 2**20 / ours)
        yield Measurement(
            "write", f"{size}: publish", "MiB/s", speed, "copying the shards, synced",
            round(total / 2**20 / copying), round(copying / ours, 2),
            f"ratio >= {LEAST_OF_COPYING:g}", copying / ours >= LEAST_OF_COPYING,
        )  # fmt: skip
        writing = _write_again(data.parent, folder / "again")
        yield Measurement(
            "write", f"{size}: shards alone", "MiB/s", round(total / 2**20 / writing),
            "copying the shards, synced", round(total / 2**20 / copying),
            round(copying / writing, 2),
        )  # fmt: skip
        theirs = _datasets(data, folder / "datasets")
        yield Measurement(
            "write", f"{size}: publish", "MiB/s", speed, "datasets: from_generator, to_parquet",
            round(total / 2**20 / theirs), round(theirs / ours, 2),
        )  # fmt: skip


def _publish(folder: Path, run: Run) -> float:
    config = load_config(folder / "mep3m.toml")
    with WorkerPool(2) as pool:
        list(pool.map(_nothing, range(2)))  # its processes run
        context = Context(config, folder, Workspace(folder), run, pool, quiet=True)
        seconds, result = timed(lambda: publish(context))
    assert result.version == "1.0.0"
    return seconds


def _write_again(release: Path, target: Path) -> float:
    """The shards written once more from their rows: what `publish` takes but for deciding what is
    published, and for the pass that gathers it."""
    (target / "data").mkdir(parents=True)
    nobody = write_named(target / "removed.arrow", {}).file
    works = [
        ShardWork(
            facts.split, target, entry.path, 100, None,
            CarriedShard(release / entry.path, nobody, pictured=True),
        )
        for entry, facts in read_manifest(release).shards
    ]  # fmt: skip
    with WorkerPool(2) as pool:
        list(pool.map(_nothing, range(2)))
        return timed(lambda: list(pool.map(write_shard, works)))[0]


def _nothing(number: int) -> int:
    return number


def _copy(data: Path, target: Path) -> None:
    target.mkdir()
    for path in sorted(data.iterdir()):
        shutil.copyfile(path, target / path.name)
        _sync(target / path.name)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    os.fsync(descriptor)
    os.close(descriptor)


def _datasets(data: Path, target: Path) -> float:
    import datasets
    import pyarrow.parquet as pq

    datasets.disable_progress_bars()
    features = datasets.Features.from_arrow_schema(pq.read_schema(next(data.iterdir())))

    def rows() -> Iterator[dict[str, Any]]:
        for path in sorted(data.iterdir()):
            for batch in pq.ParquetFile(path).iter_batches(100):
                # `datasets` cannot take Python numbers of 64 bits.
                yield from ({**row, "phash": row["phash"] >> 1} for row in batch.to_pylist())

    def write() -> None:
        made = datasets.Dataset.from_generator(
            rows, features=features, cache_dir=str(target / "cache")
        )
        shards = max(1, round(sum(p.stat().st_size for p in data.iterdir()) / 2**20 / SHARD_MIB))
        for number in range(shards):
            path = target / f"{number}.parquet"
            made.shard(shards, number, contiguous=True).to_parquet(path)
            _sync(path)

    return timed(write)[0]


WRITE = Benchmark("write", measure)
