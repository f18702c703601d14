"""Importing a copy of MEP-3M: rows a second of the whole command, and the memory it holds.

The copy is made for it, in MEP-3M's own layout: a million titles, and fewer rows with pictures. The
command reads, sorts, cleans, labels and publishes them. Memory is told twice: as the largest sum of
resident sizes, in which pages that processes share count in each, and of proportional ones, in
which they count once.
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.harness import Benchmark, Measurement
from benchmarks.mep3m_copy import write_copy
from benchmarks.processes import Ran, run_sampled

TITLES = 1_000_000
PICTURES, SIDE = 20_000, 75
MOST_MB = 600
AT_MOST_SECONDS = 3_600.0
ROOT = Path(__file__).resolve().parents[1]


def measure(full: bool) -> Iterator[Measurement]:
    """A million rows of titles alone, then rows with pictures; full does not differ."""
    del full
    for rows, side in ((TITLES, None), (PICTURES, SIDE)):
        with tempfile.TemporaryDirectory() as made:
            path = write_copy(Path(made) / "copy", rows, side=side)
            size = f"{rows:,} rows, {path.stat().st_size / 2**20:,.0f} MiB of annotations"
            size += ", titles alone" if side is None else f", pictures of {side} px"
            ran = _imported(path, Path(made))
        yield Measurement("import", size, "rows/s", round(rows / ran.seconds))
        yield Measurement(
            "import", f"{size}: peak", "MB", round(ran.peak_mb), "shared pages once",
            round(ran.proportional_mb), None, f"<= {MOST_MB} MB" if side is None else None,
            ran.peak_mb <= MOST_MB if side is None else None,
        )  # fmt: skip
        yield Measurement("import", f"{size}: largest process", "MB", round(ran.largest_mb))


def _imported(copy: Path, folder: Path) -> Ran:
    config = folder / "mep3m.toml"
    config.write_text('workspace = "workspace"\n', encoding="utf-8")
    call: list[str | Path] = [sys.executable, "pipeline.py", "import", "mep3m", copy]
    call += ["--json", "--config", config]
    return run_sampled(call, ROOT, at_most=AT_MOST_SECONDS)


IMPORT = Benchmark("import", measure)
