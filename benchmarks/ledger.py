"""The ledger of a release: ten million decisions written, grown, and asked about one record.

In comes a run with a few decisions on each of its records, in parts as the stages write them. The
release's file is written from it; then the same run again, of which nothing is new. A record is
looked up in a process that has nothing of the file in memory but what the system's cache holds.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, cast

from benchmarks.harness import Benchmark, Measurement, timed
from release.ledger import write_ledger
from release.ledger_files import ledger_file
from release.manifest import FileEntry, Manifest
from runtime import columns
from runtime.executor import WorkerPool
from runtime.tables import DECISIONS, LISTINGS
from runtime.workspace import Run

USUAL, FULL = 1_000_000, 10_000_000
PART_RECORDS = 1_000
MOST_MS = 100
LOOKUPS = 5
SITE = "s"
STAGES = (
    ("clean", "clean_passed_v1", "kept", "nothing speaks against it", None, None),
    ("clean", "title_truncated_v1", "flagged", "it ends in the middle of a word", "…", None),
    ("dedupe", "near_fingerprint_v1", "duplicate", "its picture is within the radius", "4", 6.0),
    ("publish", "published_v1", "published", "nothing refused it", "train", None),
)
ROOT = Path(__file__).resolve().parents[1]
LOOK_UP = """
import sys, time
from pathlib import Path
from release.ledger_files import decisions_between
from release.manifest import FileEntry
entry = FileEntry(sys.argv[2], 0, "")
began = time.perf_counter()
found = decisions_between(Path(sys.argv[1]), entry, sys.argv[3], sys.argv[3])
print(time.perf_counter() - began, found.num_rows)
"""


class _Files(NamedTuple):
    """What of a manifest the ledger is read by."""

    files: tuple[FileEntry, ...]


def measure(full: bool) -> Iterator[Measurement]:
    """A million decisions; ten million when full."""
    decisions = FULL if full else USUAL
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        run = _make_run(folder / "20260131T080000Z", decisions // len(STAGES))
        with WorkerPool(2) as pool:
            release = folder / "1.0.0"
            seconds, entry = timed(lambda: _write(pool, run, release, "1.0.0", None))
            again = folder / "1.1.0"
            _, unchanged = timed(lambda: _write(pool, run, again, "1.1.0", (release, entry)))
            grown, _ = timed(lambda: _write(pool, run, folder / "1.2.0", "1.2.0", (release, entry)))
        size = f"{entry.rows:,} decisions"
        yield Measurement("ledger", f"{size}: written", "s", round(seconds, 1))
        bytes_a_row = entry.bytes / (entry.rows or 1)
        yield Measurement("ledger", f"{size}: a decision", "B", round(bytes_a_row, 1))
        yield Measurement(
            "ledger", f"{size}: the same again", "s", round(grown, 1), "rows written",
            unchanged.rows, target="0 rows", met=unchanged.rows == 0,
        )  # fmt: skip
        slowest = max(_look_up(release, n * 7919 % (decisions // 4)) for n in range(LOOKUPS))
        yield Measurement(
            "ledger", f"{size}: one record, slowest of {LOOKUPS}", "ms", round(slowest * 1000, 1),
            target=f"< {MOST_MS} ms", met=slowest * 1000 < MOST_MS,
        )  # fmt: skip


def _make_run(folder: Path, records: int) -> Run:
    run = Run(folder)
    for first in range(0, records, PART_RECORDS):
        name = f"{SITE}-{first // PART_RECORDS:05d}"
        ids = [_record(n) for n in range(first, min(first + PART_RECORDS, records))]
        run.listings.write(name, LISTINGS.schema.empty_table(), "benchmark")
        for stage in {stage for stage, *_ in STAGES}:
            rules = [rule for rule in STAGES if rule[0] == stage]
            rows = [
                {
                    "record_id": record, "stage": stage, "rule": rule, "verdict": verdict,
                    "reason": reason, "value": value, "threshold": threshold,
                    "peer_id": _record(number * 31 % records) if stage == "dedupe" else None,
                    "run_id": run.run_id,
                }
                for number, record in enumerate(ids, start=first)
                for _, rule, verdict, reason, value, threshold in rules
            ]  # fmt: skip
            table = columns.record_batch(rows, DECISIONS.schema)
            run.decisions(stage).write(name, [table], "benchmark")
    return run


def _record(number: int) -> str:
    return f"{SITE}:{1_000_000_000 + number:012d}"


def _write(
    pool: WorkerPool, run: Run, folder: Path, version: str, parent: tuple[Path, FileEntry] | None
) -> FileEntry:
    scratch = folder.with_suffix(f".{version}.scratch")
    scratch.mkdir()
    before, manifest = (None, None) if parent is None else (parent[0], _Files((parent[1],)))
    return write_ledger(
        pool, run, folder, scratch, version, before, cast(Manifest | None, manifest)
    )


def _look_up(release: Path, number: int) -> float:
    call = [sys.executable, "-c", LOOK_UP, str(release), ledger_file("1.0.0"), _record(number)]
    said = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert int(said[1]) == len(STAGES)
    return float(said[0])


LEDGER = Benchmark("ledger", measure)
