"""Runs to clean: a workspace that stands where `fetch` left it, made without a network.

In come a folder, how many records, and the side of their pictures; out go listings, sightings,
image parts and the image index, through the project's own writers, and a `mep3m.toml` beside them.
The same arguments give the same tables. Titles are those of `../shared/data`, varied, where that
folder is present, and the demo's otherwise; pictures are textured JPEGs, a tenth of them copies.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from demo.leaves import Leaf, read_leaves
from demo.scenes import render
from demo.titles import draw_parts, foreign, spam
from demo.words import COLOURS
from runtime import columns
from runtime.image_index import ImageIndex
from runtime.image_parts import ImagePartName
from runtime.origins import CRAWLED
from runtime.tables import IMAGES, LISTINGS, SIGHTINGS
from runtime.workspace import Run, Workspace, file_key

SITE, HOST = "s", "img.shop.example"
PART_ROWS = 1_000
IMAGE_PART_ROWS = 5_000
IMAGE_GROUP_ROWS = 64  # as fetch writes them
PROCESSES = 2
QUALITY, COPY_QUALITY = 85, 70
SAME_BYTES, RE_ENCODED, UNWANTED = 7, 13, 50  # of every 20, of every 20, of every 100
SCENES = 32
GRAIN = 8
START = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
SHARED_TITLES = Path(__file__).parents[2] / "shared" / "data" / "mep3m_annotations_500.json"
DEMO_TITLES = 2_000
LETTERS = "ABCDEFGHJKLMNPRSTUVWXYZ"
COMPUTED = ("cleaned", "labels", "survivors", "decisions")
CONFIG = """
workers = {processes}

[clean]
fingerprints = "{fingerprints}"

[[site]]
key = "{site}"
program = "django-oscar"
base_url = "https://shop.example"
"""


# The title and category path of a record, by its number; of a module, since it is pickled.
Titled = Callable[[int], tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Chunk:
    """The records whose pictures one image part holds, what their titles are and how fine the
    pictures."""

    run: Run
    first: int
    last: int
    side: int
    quality: int = QUALITY
    titled: Titled | None = None


def make_run(folder: Path, records: int, side: int) -> Run:
    """A workspace whose only run waits for `clean`."""
    workspace = Workspace(folder)
    workspace.prepare()
    configure(folder, "reduced")
    run = workspace.new_run(START, [SITE])
    firsts = range(0, records, IMAGE_PART_ROWS)
    chunks = [Chunk(run, n, min(n + IMAGE_PART_ROWS, records), side) for n in firsts]
    if len(chunks) == 1:
        write_chunk(chunks[0])
    else:
        with ProcessPoolExecutor(PROCESSES, get_context("spawn")) as pool:
            list(pool.map(write_chunk, chunks))
    with closing(ImageIndex(run)) as index:
        index.refresh((name, wanted(run, name)) for name in run.listings.names())
    start_over(run)
    return run


def configure(folder: Path, fingerprints: str) -> None:
    """Write the workspace's configuration."""
    text = CONFIG.format(processes=PROCESSES, fingerprints=fingerprints, site=SITE)
    (folder / "mep3m.toml").write_text(text)


def start_over(run: Run) -> None:
    """Forget what the stages after `fetch` made."""
    for name in COMPUTED:
        table = run.folder / name
        if table.is_dir():
            shutil.rmtree(table)
    for stage in ("crawl", "merge", "fetch"):
        run.finish_stage(stage, {})


def wanted(run: Run, name: str) -> Iterator[tuple[str, str]]:
    """The pictures that a listings part names, with their host."""
    for url in run.listings.read(name, ["image_url"])["image_url"].to_pylist():
        yield url, HOST


def write_chunk(chunk: Chunk) -> None:
    """Write one image part, and the listings and sightings of its records."""
    run = chunk.run
    name = ImagePartName(file_key(HOST), run.run_id, chunk.first // IMAGE_PART_ROWS).of(run.run_id)
    run.images.write(name, _image_batches(chunk), "recorded", row_group_rows=IMAGE_GROUP_ROWS)
    for first in range(chunk.first, chunk.last, PART_ROWS):
        part = f"{SITE}-{first // PART_ROWS:05d}"
        numbers = range(first, min(first + PART_ROWS, chunk.last))
        rows = listing_columns(numbers, chunk.titled or title_and_path)
        run.listings.write(part, columns.table(rows, LISTINGS.schema), "benchmark")
        count = len(rows["record_id"])
        seen: dict[str, Sequence[Any]] = {
            "page_kind": ["product"] * count, "position": [0] * count,
            "extracted_by": ["{}"] * count,
        }  # fmt: skip
        run.sightings.write(part, columns.table({**rows, **seen}, SIGHTINGS.schema), "benchmark")


def image_url(number: int) -> str:
    """Where the record's picture was fetched from."""
    return f"https://{HOST}/p/{number:07d}.jpg"


def listing_columns(numbers: range, titled: Titled) -> dict[str, Sequence[Any]]:
    """The listings of some records, column by column."""
    count = len(numbers)
    titles = [titled(n) for n in numbers]
    pages = [f"https://shop.example/item/{n:07d}" for n in numbers]
    return {
        "record_id": [f"{SITE}:{n:07d}" for n in numbers],
        "site": [SITE] * count,
        "product_id": [f"{n:07d}" for n in numbers],
        "product_url": pages,
        "page_url": pages,
        "title": [title for title, _ in titles],
        "image_url": [image_url(n) for n in numbers],
        "category_paths": [[path] for _, path in titles],
        "opt_out": [None] * count,
        "fetched_at": [START] * count,
        "capture_file": [f"{SITE}-00000.warc.gz"] * count,
        "capture_offset": list(numbers),
        "sightings": [1] * count,
        "provenance": [CRAWLED] * count,
        "first_seen": [START] * count,
        "last_seen": [START] * count,
    }


def title_and_path(number: int) -> tuple[str, tuple[str, ...]]:
    """The title of a record and its category path; one in a hundred titles is unwanted."""
    known = _titles()
    title, path = known[number % len(known)]
    turn = number // len(known)
    if number % 100 == UNWANTED:
        rng = random.Random(number)
        kind = number // 100
        return foreign(kind, rng) if kind % 2 else spam(kind, rng.choice(_leaves()), rng), path
    if turn:
        letters = LETTERS[turn % len(LETTERS)] + LETTERS[5 * number % len(LETTERS)]
        title = f"{title} {COLOURS[turn % len(COLOURS)]} {letters}{100 + 37 * number % 9_900}"
    return title, path


@cache
def _leaves() -> Sequence[Leaf]:
    return read_leaves()


@cache
def _titles() -> Sequence[tuple[str, tuple[str, ...]]]:
    if SHARED_TITLES.is_file():
        rows = json.loads(SHARED_TITLES.read_text("utf-8"))
        return [(row["title"], (row["class_name"], row["sub_class_name"])) for row in rows]
    rng = random.Random(1)
    leaves = [rng.choice(_leaves()) for _ in range(DEMO_TITLES)]
    return [(draw_parts(leaf, rng).text(), leaf.names) for leaf in leaves]


def _image_batches(chunk: Chunk) -> Iterator[pa.RecordBatch]:
    for first in range(chunk.first, chunk.last, IMAGE_GROUP_ROWS):
        numbers = range(first, min(first + IMAGE_GROUP_ROWS, chunk.last))
        bodies = [picture(n, chunk.side, chunk.quality) for n in numbers]
        blank = dict.fromkeys(IMAGES.schema.names, [None] * len(bodies))
        cells: dict[str, Sequence[Any]] = {
            **blank,
            "image_url": [image_url(n) for n in numbers],
            "attempt": [1] * len(bodies),
            "outcome": ["ok"] * len(bodies),
            "status": [200] * len(bodies),
            "fetched_at": [START] * len(bodies),
            "source": ["network"] * len(bodies),
            "redirects": [0] * len(bodies),
            "content_type": ["image/jpeg"] * len(bodies),
            "sniffed_type": ["image/jpeg"] * len(bodies),
            "sha256": [hashlib.sha256(body).hexdigest() for body in bodies],
            "image": bodies,
        }
        yield from columns.table(cells, IMAGES.schema).to_batches()


def picture(number: int, side: int, quality: int = QUALITY) -> bytes:
    """A textured JPEG; one in twenty has the bytes of another, one is another's re-encoded."""
    copy = number % 20
    source = number - 1 if copy in (SAME_BYTES, RE_ENCODED) else number
    scenes, grain = _scenes(side)
    draw = random.Random(source)
    blend = np.zeros((side, side, 3), np.uint8)
    for scene in draw.sample(scenes, 2):
        blend += _window(scene, side, draw)
    blend += _window(grain, side, draw)
    buffer = io.BytesIO()
    quality = COPY_QUALITY if copy == RE_ENCODED else quality
    Image.fromarray(blend).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _window(scene: NDArray[np.uint8], side: int, draw: random.Random) -> NDArray[np.uint8]:
    """A square of a scene, mirrored or not."""
    top, left = draw.randrange(len(scene) - side), draw.randrange(len(scene) - side)
    square = scene[top : top + side, left : left + side]
    return square[:, ::-1] if draw.random() < 0.5 else square


@cache
def _scenes(side: int) -> tuple[list[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Scenes of twice the side at half their brightness, so that two add up; and a layer of grain.

    Windows of two scenes laid over each other are as many unlike pictures as one asks for, at a
    small part of the cost of drawing each.
    """
    drawn = (np.asarray(render(seed, 2 * side, 2 * side)) // 2 for seed in range(SCENES))
    scenes = [np.minimum(scene, (255 - GRAIN) // 2) for scene in drawn]  # a sum is no overflow
    grain = np.random.default_rng(1).integers(0, GRAIN, (2 * side, 2 * side, 3), dtype=np.uint8)
    return scenes, grain
