"""Growing a release: a hundred thousand records by ten thousand, and a tenth of both.

Each line is the `publish` command that grows: its wall clock and the peak memory of it and its
workers, which must not follow the number of records. Shards that neither lose nor gain a record
have to be the same files as before.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Benchmark, Measurement
from benchmarks.processes import Ran
from benchmarks.release_run import add_run, command, configure
from release.manifest import read_manifest
from runtime.workspace import Workspace

SIZES = (10_000, 100_000)
SIDE, SHARD_MIB = 75, 32
MOST_MB, SLACK_MB = 1_000, 60


def measure(full: bool) -> Iterator[Measurement]:
    """The smaller release, then the larger one beside it; full does not differ."""
    del full
    before = None
    for records in SIZES:
        with tempfile.TemporaryDirectory() as made:
            folder = Path(made)
            configure(folder, SHARD_MIB)
            add_run(folder, 0, records, SIDE)
            first = command(folder, "publish")
            add_run(folder, records, records + records // 10, SIDE)
            grown = command(folder, "publish")
            kept, written = _shards(folder)
        size = f"{records:,} records grown by {records // 10:,}"
        yield from _lines(size, grown, before)
        yield Measurement(
            "grow", f"{size}: shards linked", "files", kept, "written", written,
            target="no other", met=kept > 0 or records == SIZES[0],
        )  # fmt: skip
        yield Measurement("grow", f"{records:,} records at first", "s", round(first.seconds, 1))
        before = grown


def _lines(size: str, ran: Ran, smaller: Ran | None) -> Iterator[Measurement]:
    yield Measurement("grow", f"{size}: wall clock", "s", round(ran.seconds, 1))
    most = MOST_MB if smaller is None else min(MOST_MB, smaller.peak_mb + SLACK_MB)
    yield Measurement(
        "grow", f"{size}: peak", "MB", round(ran.peak_mb), "a tenth of it" if smaller else None,
        round(smaller.peak_mb) if smaller else None, None, f"<= {most:.0f} MB", ran.peak_mb <= most,
    )  # fmt: skip


def _shards(folder: Path) -> tuple[int, int]:
    """How many shards are the parent's own files, and how many were written anew.

    Raises AssertionError where a shard of the parent's name is another file.
    """
    releases = Workspace(folder).releases
    old = {entry.path for entry, _ in read_manifest(releases / "1.0.0").shards}
    new = {entry.path for entry, _ in read_manifest(releases / "1.1.0").shards}
    for path in old & new:
        assert (releases / "1.0.0" / path).samefile(releases / "1.1.0" / path)
    return len(old & new), len(new - old)


GROW = Benchmark("grow", measure)
