"""Product memory: what earlier runs saw, for a run that merges and for one that crawls.

`remember` records into the run, once and for good, what was known of its sites before it; merge
and replay read that table and never the cache. `ProductMemory` is the crawl's view: where the
page of a product that still looks the same lies captured already.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType

import pyarrow as pa

from crawler.memory_file import STATE_FILE, instant, micros, open_memory, tile_look
from runtime import logs
from runtime.parts import PartFolder
from runtime.run_ids import start_of
from runtime.streams import chunks
from runtime.tables import KNOWN
from runtime.workspace import Run, Workspace

__all__ = ["CarriedPage", "ProductMemory", "bring_up_to_date", "remember", "tile_look"]

RECORDED = "recorded"  # the key of parts that were recorded, not computed


def bring_up_to_date(workspace: Workspace, run: Run) -> None:
    """Fold every run before `run` into the workspace's memory. The caller holds its lock."""
    _memory(workspace, run).close()


def remember(workspace: Workspace, run: Run, sites: Iterable[str]) -> None:
    """Record in `run` what earlier runs knew of the sites that it does not record yet."""
    todo = [site for site in sites if not _is_recorded(run.known, site)]
    if not todo:
        return
    with closing(_memory(workspace, run)) as db:
        for site in todo:
            run.known.write(site, _known(db, site), RECORDED)


def _memory(workspace: Workspace, run: Run) -> sqlite3.Connection:
    path, release = workspace.folder / STATE_FILE, workspace.latest_release()
    return open_memory(path, workspace.runs(), run.run_id, release)


def _is_recorded(folder: PartFolder, site: str) -> bool:
    seal = folder.seal(site)
    if seal is None:
        return False
    problem = folder.damage(site, seal)
    if problem is not None:
        logs.warning(f"part {folder.path(site)}: {problem}; taking it from the memory again")
    return problem is None


def _known(db: sqlite3.Connection, site: str) -> Iterator[pa.RecordBatch]:
    rows = db.execute(
        "SELECT record_id, product_url, first_seen, last_seen, last_run, missed FROM products"
        " WHERE record_id > ? AND record_id < ? ORDER BY record_id",
        (f"{site}:", f"{site};"),  # ";" follows ":"
    )
    for chunk in chunks(rows, 4096):
        columns: list[tuple[object, ...]] = list(zip(*chunk, strict=True))
        arrays = [pa.array(v, t) for v, t in zip(columns, KNOWN.schema.types, strict=True)]
        yield pa.RecordBatch.from_arrays(arrays, schema=KNOWN.schema)


@dataclass(frozen=True)
class CarriedPage:
    """A product page that an earlier run captured and that is good for this one."""

    run_id: str
    capture_file: str
    capture_offset: int
    fetched_at: datetime
    path: Path  # of the capture file, in that run's folder


class ProductMemory:
    """A read-only view for the process that crawls a site of `run`.

    `refresh_after` is in days before the run's start, which is in its name; the machine's clock
    has no say. A memory that cannot be read carries nothing, so every page is asked for.
    """

    def __init__(self, run: Run, refresh_after: float) -> None:
        self._runs = run.folder.parent
        self._db: sqlite3.Connection | None = None
        started = start_of(run.run_id)
        path = self._runs.parent / STATE_FILE
        if refresh_after > 0 and started is not None and path.is_file():
            self._oldest = micros(started - timedelta(days=refresh_after))
            self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)

    def close(self) -> None:
        """Release the file."""
        if self._db is not None:
            self._db.close()

    def __enter__(self) -> ProductMemory:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    def carried(self, page_url: str, tile_looks: Collection[str]) -> CarriedPage | None:
        """The page's last capture, if it is young enough and its product looks unchanged.

        `tile_looks` are those (`tile_look`) of the product's tiles seen so far in this run; each
        has to be one of those that the product had when the page was captured. A product that
        had tiles then and shows none now is asked for.
        """
        if self._db is None:
            return None
        try:
            rows = self._db.execute(
                "SELECT page_run, page_file, page_offset, page_fetched_at, page_tiles FROM products"
                " WHERE page_url = ? ORDER BY page_fetched_at DESC, record_id",
                (page_url,),
            ).fetchall()
        except sqlite3.DatabaseError:
            self.close()
            self._db = None
            return None
        if not rows or rows[0][3] <= self._oldest:
            return None
        run_id, file, offset, fetched_at, _ = rows[0]
        then = {look for row in rows if row[:4] == rows[0][:4] for look in row[4].split()}
        now = set(tile_looks)
        if not now <= then or (then and not now):
            return None
        path = self._runs / run_id / "captures" / file
        if not path.is_file():
            return None
        return CarriedPage(run_id, file, offset, instant(fetched_at), path)
