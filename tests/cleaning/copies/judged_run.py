"""A run whose pictures are cleaned and labelled, and perhaps a release before it, for dedupe.

Fingerprints and sketches are real, taken of the given files and titles; nothing is crawled.
"""

from __future__ import annotations

import hashlib
import io
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from cleaning.copies.stage import dedupe
from cleaning.hashes import VERSIONS, Mode
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import fingerprint_batch
from cleaning.titles.sketch import title_sketch
from runtime.config import parse_config
from runtime.executor import WorkerPool
from runtime.stages import Context, StageResult
from runtime.storage import write_json
from runtime.tables import CLEANED, DECISIONS, FINGERPRINT, FINGERPRINTS, LABELS, LISTINGS
from runtime.workspace import Run, Workspace

FIRST_DAY = datetime(2026, 1, 1, 8, 0, tzinfo=UTC)
TODAY = datetime(2026, 1, 3, 8, 0, tzinfo=UTC)
U = TypeVar("U")
R = TypeVar("R")


class ThisProcess(WorkerPool):
    """Units are worked on here: nothing in these tests needs a process of its own."""

    def map(
        self,
        function: Callable[[U], R],
        units: Sequence[U],
        after_death: Callable[[U], U] | None = None,
        give_up: Callable[[int, U, int], R] | None = None,
    ) -> Iterator[R]:
        return map(function, units)


@dataclass(frozen=True)
class Item:
    """One record; `seen`: when any run saw it first; `group` and `split`: of a published one."""

    record_id: str
    title: str
    image: bytes
    mapped: bool = True
    removed: int = 0
    seen: datetime = TODAY
    opted_out: bool = False
    group: str | None = None
    split: str = "train"


def saved(image: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """A picture as a file."""
    buffer = io.BytesIO()
    image.save(buffer, form, **{"quality": 92, **options} if form == "JPEG" else options)
    return buffer.getvalue()


def prints_of(item: Item, mode: Mode = "exact") -> dict[str, Any]:
    """What clean finds of a record's picture and title."""
    decoded = decode(item.image, mode=mode)
    assert isinstance(decoded, DecodedImage)
    prints = fingerprint_batch([decoded])
    return {
        "record_id": item.record_id,
        "sha256": hashlib.sha256(item.image).hexdigest(),
        "phash": int(prints.phash[0]),
        "phash_trim": int(prints.phash_trim[0]),
        "colour": prints.colour[0].tobytes(),
        "colour_trim": prints.colour_trim[0].tobytes(),
        "sketch": title_sketch(item.title).tobytes(),
        "width": decoded.width,
        "height": decoded.height,
        "content_width": int(prints.content[0, 0]),
        "content_height": int(prints.content[0, 1]),
    }


@dataclass
class Bench:
    """A workspace whose newest run can be deduplicated."""

    folder: Path
    mode: Mode = "exact"
    part_rows: int = 1000
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.workspace = Workspace(self.folder)
        self.workspace.prepare()
        self.workspace.new_run(FIRST_DAY, [])
        self.workspace.new_run(FIRST_DAY + timedelta(days=1), [])
        self.run: Run = self.workspace.new_run(TODAY, [])

    def publish(self, items: Sequence[Item]) -> None:
        """A release that holds these records, as far as dedupe looks into one."""
        rows = [
            {**prints_of(item, self.mode), "leak_group": item.group or item.record_id,
             "split": item.split}
            for item in sorted(items, key=lambda item: item.record_id)
        ]  # fmt: skip
        path = self.workspace.releases / "1.0.0" / "fingerprints" / "fingerprints.parquet"
        path.parent.mkdir(parents=True)
        told = FINGERPRINTS.schema.with_metadata({FINGERPRINT: VERSIONS[self.mode]})
        table = pa.Table.from_pylist(rows, FINGERPRINTS.schema).cast(told)
        pq.write_table(table, path, row_group_size=7)
        write_json(self.workspace.releases / "LATEST.json", {"version": "1.0.0"})

    def clean(self, items: Sequence[Item]) -> None:
        """The tables of the stages before, a part for each site and so many records."""
        ordered = sorted(items, key=lambda item: item.record_id)
        for site, group in itertools.groupby(ordered, lambda item: item.record_id.split(":")[0]):
            of_site = list(group)
            for number, start in enumerate(range(0, len(of_site), self.part_rows)):
                self._part(f"{site}-{number:05d}", of_site[start : start + self.part_rows])

    def _part(self, name: str, items: Sequence[Item]) -> None:
        listings = [
            {
                **dict.fromkeys(LISTINGS.schema.names, ""), "record_id": item.record_id,
                "category_paths": [], "capture_offset": 0, "sightings": 1, "fetched_at": TODAY,
                "first_seen": item.seen, "last_seen": TODAY,
            }
            for item in items
        ]  # fmt: skip
        cleaned = [
            {
                **prints_of(item, self.mode), "kept": not item.opted_out, "title": item.title,
                "removed_segments": ["促销"] * item.removed,
            }
            for item in items
        ]  # fmt: skip
        labels = [
            {
                "record_id": item.record_id, "mapped": item.mapped, "label_rule": "x",
                "evidence": "",
                "suggestions": [],
                "title_leaf": None,
                "contradicted": False,
            }
            for item in items if not item.opted_out
        ]  # fmt: skip
        opted_out = [
            {
                "record_id": item.record_id, "stage": "clean", "rule": "opted_out_v1",
                "verdict": "rejected", "run_id": self.run.run_id,
            }
            for item in items if item.opted_out
        ]  # fmt: skip
        counts = {"rule.opted_out_v1": len(opted_out)} if opted_out else {}
        told = {FINGERPRINT: VERSIONS[self.mode]}
        for folder, table, rows in (
            (self.run.listings, LISTINGS, listings),
            (self.run.labels, LABELS, labels),
            (self.run.decisions("clean"), DECISIONS, opted_out),
        ):
            folder.write(name, pa.Table.from_pylist(rows, table.schema), "made")
        self.run.cleaned.write(
            name, pa.Table.from_pylist(cleaned, CLEANED.schema), "made", counts, metadata=told
        )

    def dedupe(self, pool: WorkerPool | None = None, **settings: Any) -> StageResult:
        """Run the stage, here unless there are workers for it."""
        config = parse_config(
            {"dedupe": {**self.settings, **settings}, "clean": {"fingerprints": self.mode}}
        )
        return dedupe(
            Context(
                config, self.folder, self.workspace, self.run, pool or ThisProcess(1), quiet=True
            )
        )

    def judge(self, items: Sequence[Item], **settings: Any) -> dict[str, dict[str, Any]]:
        """The decisions on these records, by record_id; a record without one is left out."""
        self.clean(items)
        self.dedupe(**settings)
        folder = self.run.decisions("dedupe")
        rows = [row for name in folder.names() for row in folder.read(name).to_pylist()]
        return {row["record_id"]: row for row in rows}

    def survivors(self) -> dict[str, str]:
        """Leak group by record_id."""
        folder = self.run.survivors
        rows = [row for name in folder.names() for row in folder.read(name).to_pylist()]
        return {row["record_id"]: row["leak_group"] for row in rows}
