"""Our half of the fetch benchmark: the fetch stage of a prepared run, in a process of its own.

`prepare` makes a workspace whose newest run lists the pictures; the child process runs the stage
as the command line does. Its imports are inside, since worker processes import this module again.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

CONFIG = """
workers = {processes}

[fetch]
delay = 0.0
concurrency_per_host = {requests}
timeout = 10.0

[[site]]
key = "s"
program = "django-oscar"
base_url = "http://{host}"
allow_private = {hosts}
"""


def prepare(folder: Path, urls: Sequence[str], processes: int, requests: int) -> None:
    """A workspace with one run whose listings name the pictures."""
    import pyarrow as pa

    from runtime.tables import LISTINGS
    from runtime.workspace import Workspace

    hosts = sorted({url.split("/")[2] for url in urls})
    workspace = Workspace(folder)
    workspace.prepare()
    (folder / "mep3m.toml").write_text(
        CONFIG.format(processes=processes, requests=requests, host=hosts[0], hosts=hosts)
    )
    now = datetime.now(UTC)
    run = workspace.new_run(now, ["s"])
    rows = [
        {
            "record_id": f"s:{n}", "site": "s", "product_url": url, "page_url": url,
            "image_url": url, "category_paths": [], "fetched_at": now, "capture_file": "-",
            "capture_offset": 0, "sightings": 1, "provenance": "crawled",
            "first_seen": now, "last_seen": now,
        }
        for n, url in enumerate(urls)
    ]  # fmt: skip
    run.listings.write("s-00000", pa.Table.from_pylist(rows, LISTINGS.schema), "benchmark")


def run_stage(folder: Path) -> dict[str, float]:
    """Seconds of the whole stage, the start of its workers included, and pictures that are ok."""
    from crawler.images import fetch
    from crawler.sources import load_sites
    from runtime.config import load_config
    from runtime.executor import WorkerPool
    from runtime.stages import Context
    from runtime.workspace import Workspace

    config = load_config(folder / "mep3m.toml")
    workspace = Workspace(folder)
    with WorkerPool(config.workers) as pool:
        context = Context(config, folder, workspace, workspace.runs()[-1], pool, quiet=True)
        sites = load_sites(config, folder)
        began = time.perf_counter()
        result = fetch(context, sites)
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "ok": result.counts["images.ok"]}


if __name__ == "__main__":
    print(json.dumps(run_stage(Path(sys.argv[1]))))
