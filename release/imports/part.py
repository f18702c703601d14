"""Take in one part of a copy: its rows become listings, their pictures an image part beside them.

In come the rows of an annotations part; out go the listings and decisions of the same name and,
where the copy has pictures, an image part whose rows stand in the listings' order. A row that is no
record, or whose picture cannot be had, is rejected by name.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from release.imports.json_rows import Fault
from release.imports.pictures import PictureFolder
from runtime.columns import record_batch
from runtime.decisions import Decisions
from runtime.imagetypes import sniff
from runtime.origins import IMPORTED, IMPORTED_SITE
from runtime.stages import Counts
from runtime.tables import IMAGES, LISTINGS
from runtime.workspace import Run

ROW_GROUP_ROWS = 64  # a reader that wants one picture reads about a megabyte
ROW_GROUP_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class PartWork:
    """One part to take in; `images` is the copy's folder of pictures, None without any."""

    run: Run
    name: str
    key: str
    images: Path | None
    max_bytes: int


def take_in(work: PartWork) -> None:
    """Write the part's listings, decisions and pictures. Raises PartError for damaged rows."""
    run = work.run
    taken = _Taken(work)
    if work.images is None:
        for _ in taken.records():
            pass
    else:
        folder = PictureFolder(work.images, work.max_bytes)
        batches = taken.pictures(folder)
        run.images.write(work.name, batches, work.key, row_group_rows=ROW_GROUP_ROWS)
    run.decisions("import").write(work.name, taken.decisions.table(), work.key)
    listings = [record_batch(taken.listings, LISTINGS.schema)]
    run.listings.write(work.name, listings, work.key, taken.counts)


class _Taken:
    """Collects listings and decisions while the rows pass by."""

    def __init__(self, work: PartWork) -> None:
        self._work = work
        self.listings: list[dict[str, Any]] = []
        self.decisions = Decisions("import", work.run.run_id)
        self.counts: Counts = Counter()

    def records(self) -> Iterator[dict[str, Any]]:
        """The rows that are records so far; the others are rejected."""
        columns = ["record_id", "img_path", "title", "fault", "reason", "value", "peer_id"]
        for batch in self._work.run.annotations.stream(self._work.name, columns):
            for row in batch.to_pylist():
                self.counts["rows"] += 1
                if row["fault"] is None:
                    self._list(row)
                    yield row
                else:
                    self._reject(row, Fault(row["fault"], row["reason"], row["value"]))

    def pictures(self, folder: PictureFolder) -> Iterator[pa.RecordBatch]:
        """Rows of the image part, some at a time; rows without a picture are rejected."""
        group: list[dict[str, Any]] = []
        size = 0
        for row in self.records():
            data = folder.read(row["img_path"])
            if isinstance(data, Fault):
                self._unlist()
                self._reject(row, data)
                continue
            group.append(_image(row["img_path"], data))
            size += len(data)
            if len(group) >= ROW_GROUP_ROWS or size >= ROW_GROUP_BYTES:
                yield record_batch(group, IMAGES.schema)
                group, size = [], 0
        if group:
            yield record_batch(group, IMAGES.schema)

    def _list(self, row: dict[str, Any]) -> None:
        self.counts["listings"] += 1
        self.listings.append(
            {
                "record_id": row["record_id"], "provenance": IMPORTED, "site": IMPORTED_SITE,
                "title": row["title"], "category_paths": [], "sightings": 1,
            }
        )  # fmt: skip

    def _unlist(self) -> None:
        self.counts["listings"] -= 1
        self.listings.pop()

    def _reject(self, row: dict[str, Any], fault: Fault) -> None:
        self.counts["rejected"] += 1
        self.counts[f"rule.{fault.rule}"] += 1
        self.decisions.add(
            row["record_id"], fault.rule, "rejected", fault.reason, fault.value,
            peer_id=row["peer_id"],
        )  # fmt: skip


def _image(img_path: str, data: bytes) -> dict[str, Any]:
    return {
        "image_url": img_path, "attempt": 1, "outcome": "ok", "source": "import",
        "sniffed_type": sniff(data), "sha256": hashlib.sha256(data).hexdigest(), "image": data,
    }  # fmt: skip
