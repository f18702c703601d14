"""Runs to publish: a workspace whose newest run was crawled, cleaned, mapped and deduplicated.

In come a folder, which records a run has, and their pictures' side; out goes the workspace, every
stage before `publish` being the project's own command. A second run in the same folder has records
of its own, so that its release is one that grew.
"""

from __future__ import annotations

import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from benchmarks.clean_run import IMAGE_PART_ROWS, SITE, START, Chunk, wanted, write_chunk
from benchmarks.processes import Ran, run_sampled
from runtime.image_index import ImageIndex
from runtime.workspace import Run, Workspace

ROOT = Path(__file__).resolve().parents[1]
AT_MOST_SECONDS = 3_600.0
CONFIG = """
workers = 2

[clean]
fingerprints = "reduced"

[release]
shard_mib = {shard_mib}
row_group_rows = {row_group_rows}

[[site]]
key = "{site}"
program = "django-oscar"
base_url = "https://shop.example"
"""


def configure(folder: Path, shard_mib: int, row_group_rows: int = 100) -> None:
    """Make the workspace and its configuration."""
    Workspace(folder).prepare()
    settings = {"shard_mib": shard_mib, "row_group_rows": row_group_rows, "site": SITE}
    (folder / "mep3m.toml").write_text(CONFIG.format(**settings))


def add_run(folder: Path, first: int, last: int, side: int) -> Run:
    """Add a run of the records `first` to `last`, and send it through clean, map and dedupe."""
    workspace = Workspace(folder)
    run = workspace.new_run(START + timedelta(hours=len(workspace.runs())), [SITE])
    for start in range(first, last, IMAGE_PART_ROWS):
        write_chunk(Chunk(run, start, min(start + IMAGE_PART_ROWS, last), side))
    with closing(ImageIndex(run)) as index:
        index.refresh((name, wanted(run, name)) for name in run.listings.names())
    for stage in ("crawl", "merge", "fetch"):
        run.finish_stage(stage, {})
    for stage in ("clean", "map", "dedupe"):
        command(folder, stage)
    return run


def command(folder: Path, *words: str) -> Ran:
    """Run a command of the project on the workspace, its memory sampled."""
    call: list[str | Path] = [sys.executable, "pipeline.py", *words, "--json"]
    return run_sampled([*call, "--config", folder / "mep3m.toml"], ROOT, at_most=AT_MOST_SECONDS)
