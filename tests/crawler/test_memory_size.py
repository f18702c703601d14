"""Merge and the product memory take as much memory for many records as for few."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from crawler.memory import remember
from crawler.merge import merge_site
from runtime.tables import LINKS, PAGES, SIGHTINGS
from runtime.workspace import Workspace
from tests.crawler.recorded_runs import START, merge_work

ROOT = Path(__file__).parents[2]
BATCH = 2048


def sightings(count: int, day: int) -> Iterator[pa.RecordBatch]:
    """Each record on its own page and on a grid page; every tenth only on even days."""
    for start in range(0, count, BATCH):
        rows = [
            {
                "record_id": f"s:{n:08d}", "site": "s", "product_id": f"{n:08d}",
                "product_url": f"http://s/p/{n:08d}", "position": 0, "title": f"淡水珍珠项链 {n}",
                "image_url": f"http://s/i/{n}", "category_paths": [["珠宝", "饰品"]],
                "extracted_by": "{}", "fetched_at": START + timedelta(days=day),
                "capture_file": "s.warc.gz", "capture_offset": n, "page_kind": kind,
                "page_url": f"http://s/p/{n:08d}" if kind == "product" else f"http://s/c/{n // 40}",
            }
            for n in range(start, min(count, start + BATCH))
            if n % 10 or day % 2 == 0
            for kind in ("product", "listing")
        ]  # fmt: skip
        yield pa.RecordBatch.from_pylist(rows, SIGHTINGS.schema)


def three_days(folder: Path, count: int) -> None:
    """Three crawls of a shop of so many products, recorded and merged."""
    workspace = Workspace(folder)
    workspace.prepare()
    start = {**dict.fromkeys(PAGES.schema.names), "site": "s", "url": "http://s/", "kind": "start",
             "outcome": "ok", "attempts": 1}  # fmt: skip
    for day in range(3):
        run = workspace.new_run(START + timedelta(days=day), ["s"])
        run.sightings.write("s", sightings(count, day), "recorded")
        run.links.write("s", pa.Table.from_pylist([], LINKS.schema), "recorded")
        run.pages.write("s", pa.Table.from_pylist([start], PAGES.schema), "recorded")
        remember(workspace, run, ["s"])
        counts = merge_site(merge_work(run, part_rows=1000))
        assert counts["absent"] == (0 if day % 2 == 0 else -(-count // 10))
        run.update(status="published")


def peak_mib(folder: Path, count: int) -> float:
    """The peak memory of a process that does that."""
    code = (
        "import sys; from pathlib import Path;"
        " from tests.crawler.test_memory_size import three_days;"
        " three_days(Path(sys.argv[1]), int(sys.argv[2]));"
        # Not getrusage: its peak counts the process that this one was forked from.
        " said = Path('/proc/self/status').read_text().split();"
        " print(int(said[said.index('VmHWM:') + 1]) / 1024)"
    )
    said = subprocess.run(
        [sys.executable, "-c", code, str(folder), str(count)],
        cwd=ROOT, capture_output=True, text=True, check=True, timeout=900,
    )  # fmt: skip
    return float(said.stdout)


@pytest.mark.soak
def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    few, many = peak_mib(tmp_path / "few", 10_000), peak_mib(tmp_path / "many", 200_000)
    print(f"peak memory: {few:.0f} MiB for 10,000 records, {many:.0f} MiB for 200,000")
    assert many < few + 48
