"""Runs that wait for `clean`, whose listings name given picture files; nothing is fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from runtime.config import load_config
from runtime.executor import WorkerPool
from runtime.image_index import ImageIndex
from runtime.stages import Context
from runtime.tables import IMAGES, LISTINGS, SIGHTINGS, Table
from runtime.workspace import Run, Workspace

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
HOST = "img.shop.example"
PART_ROWS = 5
GROUP_ROWS = 4
CONFIG = """
workers = {workers}

[clean]
{settings}

[[site]]
key = "s"
program = "django-oscar"
base_url = "https://shop.example"
"""


def url_of(number: int) -> str:
    return f"https://{HOST}/{number:04d}"


def make_run(
    folder: Path, pictures: Sequence[bytes], *, workers: int = 1, settings: str = ""
) -> Run:
    """A workspace with its configuration, whose one run has a record for each picture."""
    workspace = Workspace(folder)
    workspace.prepare()
    (folder / "mep3m.toml").write_text(CONFIG.format(workers=workers, settings=settings))
    run = workspace.new_run(START, ["s"])
    rows = [_image(number, data) for number, data in enumerate(pictures)]
    part = f"{HOST}-{run.run_id}-000000"
    run.images.write(part, _table(rows, IMAGES), "recorded", row_group_rows=GROUP_ROWS)
    for start in range(0, len(pictures), PART_ROWS):
        records = [_record(n) for n in range(start, min(start + PART_ROWS, len(pictures)))]
        name = f"s-{start // PART_ROWS:05d}"
        run.listings.write(name, _table(records, LISTINGS), "recorded")
        seen = {"page_kind": "product", "position": 0, "extracted_by": "{}"}
        run.sightings.write(name, _table([r | seen for r in records], SIGHTINGS), "recorded")
    with closing(ImageIndex(run)) as index:
        index.refresh([("s-00000", [(url_of(n), HOST) for n in range(len(pictures))])])
    for stage in ("crawl", "merge", "fetch"):
        run.finish_stage(stage, {})
    return run


def context_of(folder: Path, pool: WorkerPool) -> Context:
    """The workspace's only run, as a stage is given it."""
    workspace = Workspace(folder)
    config = load_config(folder / "mep3m.toml")
    return Context(config, folder, workspace, workspace.runs()[-1], pool, quiet=True)


def _table(rows: Sequence[dict[str, Any]], table: Table) -> pa.Table:
    known = [{name: row.get(name) for name in table.schema.names} for row in rows]
    return pa.Table.from_pylist(known, table.schema)


def _record(number: int) -> dict[str, Any]:
    page = f"https://shop.example/item/{number}"
    return {
        "record_id": f"s:{number:04d}", "site": "s", "product_id": f"{number:04d}",
        "product_url": page, "page_url": page, "image_url": url_of(number),
        "title": f"淡水珍珠项链 {number} 毫米", "category_paths": [["珠宝"]],
        "fetched_at": START, "capture_file": "s-00000.warc.gz", "capture_offset": number,
        "sightings": 1, "provenance": "crawled", "first_seen": START, "last_seen": START,
    }  # fmt: skip


def _image(number: int, data: bytes) -> dict[str, Any]:
    return {
        "image_url": url_of(number), "attempt": 1, "outcome": "ok", "status": 200,
        "fetched_at": START, "source": "network", "redirects": 0, "content_type": "image/jpeg",
        "sha256": hashlib.sha256(data).hexdigest(), "image": data,
    }  # fmt: skip
