"""Runs of one workspace that list pictures by URL, for tests of the fetch stage alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from crawler.images import fetch
from crawler.sources import load_sites
from runtime.config import parse_config
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.tables import LISTINGS
from runtime.workspace import Run, Workspace
from tests.crawler.shop import SITE_FILE


@dataclass
class Fetches:
    """Starts a run a minute, each with a listing for every URL, and fetches it."""

    folder: Path
    pool: WorkerPool
    hosts: Sequence[str]
    runs: int = 0

    def start(self, urls: Sequence[str], *, opt_out: str | None = None) -> Run:
        """A new run that lists these pictures."""
        workspace = Workspace(self.folder / "workspace")
        workspace.prepare()
        self.runs += 1
        now = datetime.now(UTC)
        run = workspace.new_run(now + timedelta(minutes=self.runs), ["s"])
        rows: list[dict[str, Any]] = [
            {
                "record_id": f"s:{n:04d}", "site": "s", "product_url": "u", "page_url": "u",
                "image_url": url, "category_paths": [], "fetched_at": now, "capture_file": "c",
                "capture_offset": 0, "sightings": 1, "first_seen": now, "last_seen": now,
                "opt_out": opt_out,
            }
            for n, url in enumerate(urls)
        ]  # fmt: skip
        run.listings.write("s-00000", pa.Table.from_pylist(rows, LISTINGS.schema), "key")
        return run

    def fetch(self, run: Run, **settings: Any) -> dict[str, int]:
        """Counts of outcomes; `settings` are those of [fetch], `crawl` those of [crawl]."""
        (self.folder / "own.toml").write_text(SITE_FILE)
        crawl = settings.pop("crawl", {})
        limits = {"delay": 0.0, "timeout": 2.0, "max_attempts": 1, **settings}
        site = {
            "key": "s", "program": "own.toml", "base_url": f"http://{self.hosts[0]}",
            "allow_private": list(self.hosts),
        }  # fmt: skip
        config = parse_config({"fetch": limits, "crawl": crawl, "site": [site]})
        workspace = Workspace(self.folder / "workspace")
        context = Context(config, self.folder, workspace, run, self.pool, quiet=True)
        counts = fetch(context, load_sites(config, self.folder)).counts
        return {name.removeprefix("images."): count for name, count in counts.items()}


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Every attempt in the run's folder, carried ones first."""
    return [row for name in run.images.names() for row in run.images.read(name).to_pylist()]


def outcomes(run: Run) -> dict[str, list[str]]:
    """Outcomes by URL, in the order of the attempts."""
    found: dict[str, list[str]] = {}
    for row in rows_of(run):
        found.setdefault(row["image_url"], []).append(row["outcome"])
    return found
