"""A synthetic finished run: every table from sightings to survivors, captures and real pictures.

Publishing, verifying and auditing need a run whose stages are done; this writes one of a few
records in the shapes the stages write, with pictures and WARC captures that are real files.
"""

from __future__ import annotations

import atexit
import hashlib
import io
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from cleaning.hashes import VERSIONS
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import fingerprint_batch
from cleaning.titles.sketch import title_sketch
from release.publish import PublishResult, publish
from runtime.config import Config, ReleaseConfig, SiteConfig
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.tables import (
    CLEANED,
    DECISIONS,
    FINGERPRINT,
    IMAGES,
    LABELS,
    LISTINGS,
    SIGHTINGS,
    SURVIVORS,
    Table,
)
from runtime.workspace import Run, Workspace
from taxonomy.tree import load_tree

START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
PART_ROWS = 6
IMAGE_ROW_GROUP = 5


@dataclass(frozen=True)
class Product:
    """One record; `fate` is what the stages before publish made of it ("kept": it survives)."""

    record_id: str
    title: str
    fate: str = "kept"
    sightings: int = 1
    opt_out: str | None = None
    peer: str | None = None
    group: str | None = None
    leaf: int = 298
    format: str = "JPEG"
    seed: int = 0
    side: int = 0

    @property
    def site(self) -> str:
        return self.record_id.split(":")[0]

    @property
    def page_url(self) -> str:
        return f"https://{self.site}.example/item/{self.record_id.split(':')[1]}"

    @property
    def image_url(self) -> str:
        return f"https://img.{self.site}.example/{self.record_id.split(':')[1]}.jpg"


def products(site: str, count: int, first: int = 0) -> list[Product]:
    """Surviving products, every third a PNG; every fourth seen twice."""
    return [
        Product(
            f"{site}:{number:06d}",
            f"淡水珍珠项链 {number} 毫米",
            sightings=2 if number % 4 == 0 else 1,
            format="PNG" if number % 3 == 0 else "JPEG",
            seed=number,
        )
        for number in range(first, first + count)
    ]


def picture(product: Product) -> bytes:
    """A textured picture of the product in its format."""
    rng = np.random.default_rng([product.seed, *product.site.encode()])
    if product.side:  # noise, which no format makes smaller
        noise = Image.fromarray(rng.integers(0, 255, (product.side,) * 2 + (3,), dtype=np.uint8))
        buffer = io.BytesIO()
        noise.save(buffer, product.format)
        return buffer.getvalue()
    coarse = Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8))
    buffer = io.BytesIO()
    coarse.resize((96, 80), Image.Resampling.BICUBIC).save(buffer, product.format)
    return buffer.getvalue()


@dataclass
class RunWriter:
    """Writes the tables of one run."""

    workspace: Workspace
    started: datetime = START
    run: Run = field(init=False)

    def write(self, items: Iterable[Product]) -> Run:
        """All tables of a run over these products."""
        items = sorted(items, key=lambda item: (f"{item.site}:", item.record_id))
        self.run = self.workspace.new_run(self.started, {item.site for item in items})
        for site in sorted({item.site for item in items}):
            self._site(site, [item for item in items if item.site == site])
        return self.run

    def _site(self, site: str, items: list[Product]) -> None:
        places = self._captures(site, items)
        images = self._images(site, items)
        sightings = [row for item in items for row in self._sightings(item, places)]
        self._part(self.run.sightings, site, SIGHTINGS, sightings)
        for number, start in enumerate(range(0, len(items), PART_ROWS)):
            name, chunk = f"{site}-{number:05d}", items[start : start + PART_ROWS]
            listings = [self._listing(item, places) for item in chunk]
            self._part(self.run.listings, name, LISTINGS, listings)
            self._part(
                self.run.cleaned, name, CLEANED, [self._cleaned(item, images) for item in chunk]
            )
            kept = [item for item in chunk if item.fate != "rejected"]
            self._part(self.run.labels, name, LABELS, [self._label(item) for item in kept])
            survivors = [
                {
                    "record_id": item.record_id,
                    "leak_group": item.group or item.record_id,
                    "row": row,
                }
                for row, item in enumerate(chunk)
                if item.fate == "kept"
            ]
            self._part(self.run.survivors, name, SURVIVORS, survivors)
            for stage, rows in self._decisions(chunk).items():
                self._part(self.run.decisions(stage), name, DECISIONS, rows)

    def _part(self, folder: Any, name: str, table: Table, rows: list[dict[str, Any]]) -> None:
        told = {FINGERPRINT: VERSIONS["exact"]} if table is CLEANED else None
        folder.write(name, pa.Table.from_pylist(rows, table.schema), "fixture", metadata=told)

    def _captures(self, site: str, items: list[Product]) -> dict[str, tuple[str, int]]:
        self.run.captures.mkdir(parents=True, exist_ok=True)
        file = f"{site}-00000.warc.gz"
        places = {}
        with (self.run.captures / file).open("wb") as stream:
            writer = WARCWriter(stream, gzip=True)
            for item in items:
                places[item.record_id] = (file, stream.tell())
                headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], "HTTP/1.1")
                page = io.BytesIO(f"<h1>{item.title}</h1>".encode())
                writer.write_record(
                    writer.create_warc_record(
                        item.page_url, "response", payload=page, http_headers=headers
                    )
                )
        return places

    def _images(self, site: str, items: list[Product]) -> dict[str, tuple[str, int, bytes]]:
        """One failed and one good attempt each, so that rows are not those of the listings."""
        name = f"img.{site}.example-00000"
        rows: list[dict[str, Any]] = []
        places = {}
        for item in reversed(items):
            blank: dict[str, Any] = dict.fromkeys(IMAGES.schema.names)
            common = {**blank, "image_url": item.image_url, "fetched_at": self._time(len(rows))}
            rows.append(
                {**common, "attempt": 1, "outcome": "timeout", "error": "no answer in 30 s"}
            )
            data = picture(item)
            places[item.record_id] = (name, len(rows), data)
            rows.append(
                {
                    **common, "attempt": 2, "outcome": "ok", "status": 200,
                    "sha256": hashlib.sha256(data).hexdigest(), "image": data,
                }
            )  # fmt: skip
        self.run.images.write(
            name,
            pa.Table.from_pylist(rows, IMAGES.schema),
            "recorded",
            row_group_rows=IMAGE_ROW_GROUP,
        )
        return places

    def _time(self, seconds: int) -> datetime:
        return self.started + timedelta(seconds=seconds)

    def _sightings(
        self, item: Product, places: dict[str, tuple[str, int]]
    ) -> Iterator[dict[str, Any]]:
        listing = self._listing(item, places)
        for number in range(item.sightings):
            yield {
                **{name: listing.get(name) for name in SIGHTINGS.schema.names},
                "page_kind": "listing" if number else "product",
                "page_url": f"{item.page_url}?grid={number}" if number else item.page_url,
                "position": number,
                "extracted_by": '{"title": "json-ld"}',
            }

    def _listing(self, item: Product, places: dict[str, tuple[str, int]]) -> dict[str, Any]:
        file, offset = places[item.record_id]
        return {
            "record_id": item.record_id,
            "provenance": "crawled",
            "site": item.site,
            "product_id": item.record_id.split(":")[1],
            "product_url": item.page_url,
            "page_url": item.page_url,
            "title": f"【包邮】{item.title}",
            "image_url": item.image_url,
            "category_paths": [["珠宝", "饰品"], ["珍珠"]],
            "opt_out": item.opt_out,
            "fetched_at": self._time(0),
            "capture_file": file,
            "capture_offset": offset,
            "sightings": item.sightings,
            "first_seen": self._time(0),
            "last_seen": self._time(0),
        }

    def _cleaned(self, item: Product, images: dict[str, tuple[str, int, bytes]]) -> dict[str, Any]:
        part, row, data = images[item.record_id]
        decoded = decode(data)
        assert isinstance(decoded, DecodedImage)
        prints = fingerprint_batch([decoded])
        return {
            "record_id": item.record_id,
            "kept": item.fate != "rejected",
            "title": item.title,
            "title_raw": f"【包邮】{item.title}",
            "removed_segments": ["【包邮】"],
            "language": "zh",
            "width": decoded.width,
            "height": decoded.height,
            "format": item.format,
            "sha256": hashlib.sha256(data).hexdigest(),
            "phash": int(prints.phash[0]),
            "phash_trim": int(prints.phash_trim[0]),
            "colour": prints.colour[0].tobytes(),
            "colour_trim": prints.colour_trim[0].tobytes(),
            "sketch": title_sketch(item.title).tobytes(),
            "image_part": part,
            "image_row": row,
        }

    def _label(self, item: Product) -> dict[str, Any]:
        tree = load_tree()
        label = tree.label(tree.leaf_of_sub_class(item.leaf))
        held = item.fate == "held"
        names = ("class_id", "class_name", "sub_class_id", "sub_class_name")
        return {
            "record_id": item.record_id,
            "mapped": not held,
            **{name: None if held else getattr(label, name) for name in names},
            "subsub_class_id": None,
            "subsub_class_name": None,
            "label_rule": "no_category_v1" if held else "path_name_v2",
            "evidence": "no path" if held else "珠宝 > 饰品",
            "suggestions": [],
            "title_leaf": None,
            "contradicted": False,
        }

    def _decisions(self, items: list[Product]) -> dict[str, list[dict[str, Any]]]:
        found: dict[str, list[dict[str, Any]]] = {
            "merge": [], "clean": [], "map": [], "dedupe": []
        }  # fmt: skip
        for item in items:
            for number in range(1, item.sightings):
                found["merge"].append(
                    self._decision(
                        item, "merge", "merged_sighting_v1", "merged", value=f"grid {number}"
                    )
                )
            if item.fate == "rejected":
                rule = "opted_out_v1" if item.opt_out else "title_too_short_v1"
                found["clean"].append(
                    self._decision(item, "clean", rule, "rejected", value="1", threshold=4.0)
                )
                continue
            found["clean"].append(self._decision(item, "clean", "clean_passed_v1", "kept"))
            if item.fate == "held":
                found["map"].append(self._decision(item, "map", "no_category_v1", "held"))
            elif item.fate == "duplicate":
                found["dedupe"].append(
                    self._decision(
                        item, "dedupe", "near_duplicate_v1", "duplicate", value="2", threshold=6.0
                    )
                )
        return found

    def _decision(
        self, item: Product, stage: str, rule: str, verdict: str,
        value: str | None = None, threshold: float | None = None,
    ) -> dict[str, Any]:  # fmt: skip
        return {
            "record_id": item.record_id, "stage": stage, "rule": rule, "verdict": verdict,
            "reason": f"{rule} of the fixture", "value": value, "threshold": threshold,
            "peer_id": item.peer, "run_id": self.run.run_id,
        }  # fmt: skip


def config(sites: Iterable[str], **release: Any) -> Config:
    """A configuration over these sites, with shards small enough to have several."""
    return Config(
        site=[
            SiteConfig(
                key=site, program="shop", base_url=f"https://{site}.example/",
                terms_url=f"https://{site}.example/terms", licence="CC0-1.0",
            )
            for site in sites
        ],
        release=ReleaseConfig(**{"row_group_rows": 4, "shard_mib": 1, **release}),
    )  # fmt: skip


@cache
def shared_pool() -> WorkerPool:
    """One worker for all tests of a session: starting one takes a second."""
    pool = WorkerPool(1)
    atexit.register(pool.__exit__, None, None, None)
    return pool


def changed(items: Iterable[Product], record_id: str, **changes: Any) -> list[Product]:
    """The products, one of them changed."""
    return [replace(i, **changes) if i.record_id == record_id else i for i in items]


def publish_run(
    workspace: Workspace, run: Run, pool: WorkerPool | None = None, **release: Any
) -> PublishResult:
    """Publish a run as the pipeline does."""
    settings = config(run.record["sites"], **release)
    pool = pool or shared_pool()
    return publish(Context(settings, workspace.folder, workspace, run, pool, quiet=True))


if __name__ == "__main__":
    opened = Workspace(Path(sys.argv[1]))
    with WorkerPool(int(sys.argv[2])) as workers:
        publish_run(opened, opened.runs()[-1], workers)
