"""Runs whose listings name given pictures, fetched in this process from live loopback servers."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
from PIL import Image

from crawler.images import fetch
from crawler.sites.sitefile import load_site
from runtime.config import parse_config
from runtime.executor import WorkerPool
from runtime.image_index import ImageIndex, ImagePlace
from runtime.stages import Context, Counts
from runtime.tables import LISTINGS
from runtime.workspace import Run, Workspace
from tests.crawler.shop import SITE_FILE, Shop

U = TypeVar("U")
R = TypeVar("R")
START = datetime(2026, 1, 1, tzinfo=UTC)
JPEG = {"Content-Type": "image/jpeg"}


class HerePool(WorkerPool):
    """Runs every unit at once, in this process."""

    def map(self, function: Callable[[U], R], units: Sequence[U], *care: object) -> Iterator[R]:
        return map(function, units)


def jpeg(colour: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), (colour, 40, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass
class Album:
    """A workspace in which every run wants some pictures of some shops."""

    folder: Path
    shops: Sequence[Shop]
    settings: dict[str, Any] = field(default_factory=dict)
    crawl: dict[str, Any] = field(default_factory=dict)
    contact: str = ""

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "own.toml").write_text(SITE_FILE)
        self.workspace = Workspace(self.folder / "workspace")
        self.workspace.prepare()
        self.days = 0.0

    def new_run(self, *urls: str, days: float = 1.0, **record: Any) -> Run:
        """A run started `days` after the one before, whose listings name the URLs."""
        self.days += days
        run = self.workspace.new_run(START + timedelta(days=self.days), ["s"], **record)
        self.list(run, *urls)
        return run

    def list(self, run: Run, *urls: str) -> None:
        now = datetime.now(UTC)
        rows = [
            {
                "record_id": f"s:{n}", "site": "s", "product_url": "u", "page_url": "u",
                "image_url": url, "category_paths": [], "fetched_at": now, "capture_file": "c",
                "capture_offset": 0, "sightings": 1, "provenance": "crawled",
                "first_seen": now, "last_seen": now,
            }
            for n, url in enumerate(urls)
        ]  # fmt: skip
        run.listings.write("s-00000", pa.Table.from_pylist(rows, LISTINGS.schema), "k")

    def fetch(self, run: Run) -> Counts:
        hosts = [shop.host for shop in self.shops]
        site = {
            "key": "s", "program": "own.toml",
            "base_url": f"http://{(hosts or ['shop.example'])[0]}", "allow_private": hosts,
        }  # fmt: skip
        config = parse_config(
            {
                "contact": self.contact,
                "crawl": self.crawl,
                "fetch": {"delay": 0.0, "timeout": 5.0, "max_attempts": 2, "max_image_mib": 1}
                | self.settings,
                "site": [site],
            }
        )
        sites = [load_site(config.site[0], self.folder)]
        context = Context(config, self.folder, self.workspace, run, HerePool(1), quiet=True)
        return fetch(context, sites).counts


def rows_of(run: Run) -> list[dict[str, Any]]:
    """Every attempt at hand, in part order."""
    return [row for name in run.images.names() for row in run.images.read(name).to_pylist()]


def outcomes(run: Run) -> dict[str, list[str]]:
    """Outcomes by the path of the URL, in the order of the attempts."""
    found: dict[str, list[str]] = {}
    for row in rows_of(run):
        found.setdefault("/" + row["image_url"].split("/", 3)[3], []).append(row["outcome"])
    return found


def places(run: Run, *urls: str) -> list[ImagePlace | None]:
    """The last word on each URL."""
    with closing(ImageIndex(run, read_only=True)) as index:
        found = index.places(urls)
    return [found.get(url) for url in urls]


def picture(run: Run, url: str) -> bytes | None:
    """The bytes that count for a URL, as `clean` and `publish` find them."""
    (place,) = places(run, url)
    if place is None or place.outcome != "ok":
        return None
    row: dict[str, Any] = run.images.read(place.part).to_pylist()[place.row]
    data: bytes = row["image"]
    return data
