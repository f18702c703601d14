"""Export: a finished site's frontier as Parquet parts of pages, sightings and links.

The order is the content's, never that of arrival, so two crawls of one shop differ in times only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from crawler.frontier import Frontier
from runtime.parts import PartFolder
from runtime.storage import read_json, write_json
from runtime.streams import chunks
from runtime.tables import PAGES, SIGHTINGS, Table
from runtime.tombstones import REMOVED
from runtime.workspace import Run

RECORDED = "recorded"  # the key of parts that were recorded, not computed

_PAGES = """
SELECT url, kind, outcome, status, attempts, fetched_at, capture_file, capture_offset, error
FROM queue ORDER BY url"""
_SIGHTINGS = """
SELECT s.record_id, s.product_id, s.product_url, q.url AS page_url, s.page_kind, s.position,
       s.title, s.image_url, s.category_path, s.extracted_by, q.opt_out, q.fetched_at,
       q.capture_file, q.capture_offset
FROM sightings s JOIN queue q ON q.id = s.page
ORDER BY s.record_id, s.page_kind DESC, q.url, s.position"""
_LINKS = """
SELECT q.url AS page_url, l.position, l.target_url, l.kind, l.anchor_text, l.trail
FROM links l JOIN queue q ON q.id = l.page ORDER BY q.url, l.position"""


@dataclass(frozen=True)
class KnownHost:
    """What a crawl leaves behind of a host: its robots.txt and when it was last asked."""

    robots: str | None
    last_request: float | None


def known_hosts(run: Run) -> dict[str, KnownHost]:
    """By host, what the finished crawls of the run know; the latest request counts."""
    known: dict[str, KnownHost] = {}
    for path in sorted(run.frontiers.glob("*.hosts.json")):
        for row in read_json(path):
            before = known.get(row["host"], KnownHost(None, None))
            times = [t for t in (row["last_request"], before.last_request) if t is not None]
            robots = before.robots if row["robots"] is None else row["robots"]
            known[row["host"]] = KnownHost(robots, max(times, default=None))
    return known


def export_site(frontier: Frontier, run: Run, site: str) -> None:
    """Write the site's parts; the pages part comes last and says that the site is done."""
    write_json(
        run.frontiers / f"{site}.hosts.json",
        [
            {"host": h.host, "robots": h.robots, "last_request": h.last_request}
            for h in frontier.hosts()
        ],
    )
    for folder, query, convert in (
        (run.sightings, _SIGHTINGS, _sighting),
        (run.links, _LINKS, _link),
        (run.pages, _PAGES, _page),
    ):
        _export(frontier, folder, site, query, convert)


def _export(
    frontier: Frontier,
    folder: PartFolder,
    site: str,
    query: str,
    convert: Callable[[dict[str, Any]], dict[str, Any]],
) -> None:
    rows = ({"site": site, **convert(row)} for row in frontier.rows(query))
    folder.write(site, _batches(rows, folder.table), RECORDED, _page_counts(frontier, folder))


def _page_counts(frontier: Frontier, folder: PartFolder) -> dict[str, int]:
    if folder.table.name == SIGHTINGS.name and (removed := frontier.removed()):
        return {REMOVED: removed}
    if folder.table.name != PAGES.name:
        return {}
    return {f"pages.{outcome}": count for outcome, count in frontier.outcomes().items()}


def _batches(rows: Iterator[dict[str, Any]], table: Table) -> Iterator[pa.RecordBatch]:
    for chunk in chunks(rows, 4096):
        yield pa.RecordBatch.from_pylist(chunk, schema=table.schema)


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _page(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "fetched_at": _instant(row["fetched_at"])}


def _sighting(row: dict[str, Any]) -> dict[str, Any]:
    path = row.pop("category_path")
    return {
        **row,
        "category_paths": [json.loads(path)] if path else [],
        "fetched_at": _instant(row["fetched_at"]),
    }


def _link(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "trail": json.loads(row["trail"])}
