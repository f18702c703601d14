"""Runs of one small shop as crawls record them: pages, sightings and links as sealed parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from crawler.memory import remember
from crawler.merge import MergeWork, merge_site
from runtime.stages import Counts
from runtime.tables import LINKS, PAGES
from runtime.workspace import Run, Workspace

START = datetime(2026, 1, 1, tzinfo=UTC)
GRID = "http://s/"


def page_of(number: int) -> str:
    return f"http://s/p/{number}"


@dataclass
class Crawls:
    """Records one crawl a day of site `s` and merges it."""

    folder: Path
    days: int = 0
    at: datetime = START

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder)

    @property
    def now(self) -> datetime:
        """When the newest run was started."""
        return START + timedelta(days=self.days - 1)

    def crawl(
        self,
        numbers: Sequence[int],
        *,
        titles: Mapping[int, str] | None = None,
        outcomes: Mapping[str, str] | None = None,
        carried: Mapping[int, tuple[str, int, datetime]] | None = None,
        grid: bool = True,
        age: timedelta | None = None,
    ) -> Run:
        """Record a crawl that saw these products, on a grid page and on pages of their own.

        `outcomes` are those of further pages; `carried` are (file, offset, time) of captures of
        earlier runs. `age` makes it the crawl of an archive that is so old.
        """
        self.days += 1
        run = self.workspace.new_run(self.now, ["s"])
        self.at = self.now - (age or timedelta())
        if age is not None:
            run.update(from_warc=["old.warc.gz"])
        run.captures.mkdir()
        (run.captures / f"s-{run.run_id}-00000.warc.gz").touch()
        pages, sightings = [], []
        if grid:
            pages.append(self._page(run, GRID, "start", "ok", 0))
        for place, number in enumerate(sorted(numbers)):
            title = (titles or {}).get(number, f"title {number}")
            page = self._page(run, page_of(number), "product", "ok", 10 + place)
            if carried and number in carried:
                file, offset, at = carried[number]
                page |= {"outcome": "carried", "capture_file": file, "capture_offset": offset,
                         "fetched_at": at}  # fmt: skip
            pages.append(page)
            sightings.append(self._sighting(page, number, "product", title, 0))
            if grid:
                sightings.append(self._sighting(pages[0], number, "listing", title, place))
        for url, outcome in (outcomes or {}).items():
            kind = "product" if "/p/" in url else "category"
            error = outcome if outcome.startswith("max_") else None
            blank = dict.fromkeys(PAGES.schema.names)
            pages.append({**blank, "site": "s", "url": url, "kind": kind, "attempts": 1,
                          "outcome": "capped" if error else outcome, "error": error})  # fmt: skip
        self._write(
            run.sightings, sightings, lambda r: (r["record_id"], r["page_kind"] != "product")
        )
        run.links.write("s", pa.Table.from_pylist([], LINKS.schema), "recorded")
        self._write(run.pages, pages, lambda r: r["url"])
        return run

    def merge(self, run: Run, **changes: Any) -> Counts:
        """Merge a run as the pipeline does."""
        remember(self.workspace, run, ["s"])
        looked = "from_warc" not in run.record
        return merge_site(merge_work(run, **{"looked": looked, **changes}))

    def day(self, *numbers: int, **options: Any) -> Run:
        """A crawl of one day, merged and finished."""
        run = self.crawl(numbers, **options)
        self.merge(run)
        run.update(status="published")
        return run

    def _page(self, run: Run, url: str, kind: str, outcome: str, second: int) -> dict[str, Any]:
        return {
            "site": "s", "url": url, "kind": kind, "outcome": outcome, "status": 200,
            "attempts": 1, "fetched_at": self.at + timedelta(seconds=second),
            "capture_file": f"s-{run.run_id}-00000.warc.gz", "capture_offset": second * 100,
            "error": None,
        }  # fmt: skip

    def _sighting(
        self, page: Mapping[str, Any], number: int, kind: str, title: str, position: int
    ) -> dict[str, Any]:
        return {
            "record_id": f"s:{number:04d}", "site": "s", "product_id": f"{number:04d}",
            "product_url": page_of(number), "page_url": page["url"], "page_kind": kind,
            "position": position, "title": title, "image_url": f"http://s/i/{number}",
            "category_paths": [], "extracted_by": "{}", "opt_out": None,
            "fetched_at": page["fetched_at"], "capture_file": page["capture_file"],
            "capture_offset": page["capture_offset"],
        }  # fmt: skip

    @staticmethod
    def _write(folder: Any, rows: list[dict[str, Any]], order: Any) -> None:
        table = pa.Table.from_pylist(sorted(rows, key=order), folder.table.schema)
        folder.write("s", table, "recorded")


def merge_work(run: Run, **changes: Any) -> MergeWork:
    """The merge of site `s`, in parts of two records."""
    values: dict[str, Any] = {
        "site": "s", "key": "key", "run_id": run.run_id, "pages": run.pages,
        "sightings": run.sightings, "links": run.links, "known": run.known, "target": run,
        "part_rows": 2, "category_from_links": False, "starts": (GRID,), "gone_after": 3,
        "looked": True, "honour_noindex": True,
    }  # fmt: skip
    return MergeWork(**{**values, **changes})


def listings(run: Run) -> dict[str, dict[str, Any]]:
    """Listings by product number."""
    rows = [row for name in run.listings.names() for row in run.listings.read(name).to_pylist()]
    return {row["product_id"]: row for row in rows}


def absent(run: Run) -> dict[str, tuple[int, bool]]:
    """(missed, gone) by product number."""
    rows = run.absent.read("s").to_pylist()
    return {row["record_id"][2:]: (row["missed"], row["gone"]) for row in rows}


def bytes_of(run: Run) -> dict[str, bytes]:
    """Every file that merge makes."""
    folders = (run.listings.folder, run.absent.folder, run.known.folder, run.folder / "decisions")
    return {
        str(path.relative_to(run.folder)): path.read_bytes()
        for folder in folders
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
