"""A run's pictures for making a release again: its image parts, or the shards that published them.

In comes a run of the real workspace; out go image parts in a scratch run, under the same names and
with the same rows. Parts that are whole are linked. Where bytes were dropped, or a part is gone or
damaged, they are looked for by their SHA-256 in every release at hand; what no release has, no
published record needs, and its row stays without bytes.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.release_copy import ReleaseCopy
from runtime.errors import WorkspaceError
from runtime.image_bytes import lacks_bytes
from runtime.image_index import index_path
from runtime.parts import PartFolder
from runtime.tables import IMAGES
from runtime.workspace import Run

RESTORED = "restored"  # the key of parts that were filled again
_BATCH = 64  # pictures in memory
_GROUP_ROWS = 64


@dataclass(frozen=True)
class Provided:
    """What became of a run's image parts; `restored` are those that were filled again.

    Where `has_index`, the scratch run's index is a copy of the real one: only that knows what lay
    in parts that are gone.
    """

    restored: frozenset[str]
    has_index: bool


def provide_pictures(run: Run, target: Run, releases: Sequence[ReleaseCopy]) -> Provided:
    """Give `target` every image part of `run`.

    Raises WorkspaceError where a part is gone and nothing says what lay in it.
    """
    dropped: list[str] = []
    gone = _named_in_index(run) - set(run.images.names())
    for name, seal in run.images.seals().items():
        if run.images.damage(name, seal) is not None:
            gone.add(name)
        elif lacks_bytes(run.images.path(name)):
            dropped.append(name)
        else:
            link_part(run.images, target.images, name)
    if not (gone or dropped):
        return Provided(frozenset(), has_index=False)
    with _Pictures(target.folder / "pictures") as pictures:
        for name in dropped:
            pictures.want(_dropped_digests(run.images, name))
        for name in sorted(gone):
            pictures.want(digest for _, _, digest in _rows_of(run, name))
        pictures.collect(releases)
        for name in dropped:
            target.images.write(
                name, _filled(run.images, name, pictures), RESTORED, row_group_rows=_GROUP_ROWS
            )
        for name in sorted(gone):
            rows = _restored(_rows_of(run, name), pictures)
            target.images.write(name, rows, RESTORED, row_group_rows=_GROUP_ROWS)
    if gone:
        _copy_index(run, target)
    return Provided(frozenset({*gone, *dropped}), has_index=bool(gone))


def missing_pictures(target: Run, part: str, rows: Sequence[int]) -> bool:
    """Whether one of these rows of an image part is without bytes although it was received."""
    for _, found in target.images.take(part, rows, ["outcome", "image"]):
        pairs = zip(found["outcome"].to_pylist(), found["image"], strict=True)
        if any(outcome == "ok" and not picture.is_valid for outcome, picture in pairs):
            return True
    return False


def link_part(source: PartFolder, target: PartFolder, name: str) -> None:
    """Give `target` a part of `source`, as links to it."""
    target.folder.mkdir(parents=True, exist_ok=True)
    for suffix in (".parquet", ".json"):
        path = source.path(name).with_suffix(suffix)
        target.path(name).with_suffix(suffix).symlink_to(path.resolve())


# ----------------------------------------------------------------- what has to be found


def _dropped_digests(images: PartFolder, name: str) -> Iterator[str]:
    for batch in images.stream(name, ["sha256", "image"], _BATCH):
        for digest, picture in zip(batch["sha256"].to_pylist(), batch["image"], strict=True):
            if digest is not None and not picture.is_valid:
                yield digest


def _named_in_index(run: Run) -> set[str]:
    if not index_path(run).is_file():
        return set()
    with closing(_open_index(run)) as db:
        return {part for (part,) in db.execute("SELECT DISTINCT part FROM urls") if part}


def _rows_of(run: Run, name: str) -> Iterator[tuple[int, str, str]]:
    """(row, URL, digest) of the pictures that lay in a part, by row."""
    if run.is_imported or not index_path(run).is_file():
        raise WorkspaceError(
            f"{run.images.path(name)}: expected the image part of run {run.run_id}, found it gone "
            "or damaged, and no index of what was in it; restore it from a copy"
        )
    with closing(_open_index(run)) as db:
        yield from db.execute(
            "SELECT DISTINCT row, url, sha256 FROM urls WHERE part = ? AND outcome = 'ok'"
            " ORDER BY row",
            (name,),
        )


def _open_index(run: Run) -> sqlite3.Connection:
    return sqlite3.connect(f"{index_path(run).resolve().as_uri()}?mode=ro", uri=True)


def _copy_index(run: Run, target: Run) -> None:
    with (
        closing(_open_index(run)) as source,
        closing(sqlite3.connect(index_path(target))) as copy,
    ):
        source.backup(copy)


# ------------------------------------------------------------------- parts made again


def _filled(images: PartFolder, name: str, pictures: _Pictures) -> Iterator[pa.RecordBatch]:
    """The part's rows as they are, with the bytes that were found."""
    place = IMAGES.schema.get_field_index("image")
    for batch in images.stream(name, None, _BATCH):
        digests = batch["sha256"].to_pylist()
        found = [
            pictures.read(digest)
            if digest is not None and not picture.is_valid
            else picture.as_py()
            for digest, picture in zip(digests, batch["image"], strict=True)
        ]
        yield batch.set_column(place, "image", pa.array(found, pa.binary()))


def _restored(
    rows: Iterator[tuple[int, str, str]], pictures: _Pictures
) -> Iterator[pa.RecordBatch]:
    """Rows at their old places; those of which nothing is known only hold the place."""
    waiting: list[dict[str, object]] = []
    number = 0
    for row, url, digest in rows:
        while number < row:
            waiting.append({"image_url": "", "attempt": 1, "outcome": "gone"})
            number += 1
        picture = {"sha256": digest, "image": pictures.read(digest)}
        waiting.append({"image_url": url, "attempt": 1, "outcome": "ok", **picture})
        number += 1
        if len(waiting) >= _BATCH:
            yield from pa.Table.from_pylist(waiting, IMAGES.schema).to_batches()
            waiting.clear()
    yield from pa.Table.from_pylist(waiting, IMAGES.schema).to_batches()


class _Pictures:
    """Pictures by digest, gathered from shards into one file; memory does not grow with them."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / "bytes"

    def __enter__(self) -> _Pictures:
        self._db = sqlite3.connect("", isolation_level=None)  # on disk, gone when closed
        self._db.execute(
            "CREATE TABLE wanted(sha256 TEXT PRIMARY KEY, start INTEGER, size INTEGER)"
            " WITHOUT ROWID"
        )
        self._bytes: BinaryIO = self._path.open("w+b")
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()
        self._bytes.close()
        self._path.unlink()

    def want(self, digests: Iterator[str]) -> None:
        """Remember what to look for."""
        self._db.execute("BEGIN")
        self._db.executemany(
            "INSERT OR IGNORE INTO wanted(sha256) VALUES (?)", ((digest,) for digest in digests)
        )
        self._db.execute("COMMIT")

    def collect(self, releases: Sequence[ReleaseCopy]) -> None:
        """Copy what the releases' shards hold of it; a shard that several have is read once."""
        read: set[str] = set()
        for release in reversed(releases):
            for entry, _ in release.manifest.shards:
                path = release.folder / entry.path
                if entry.sha256 not in read and path.is_file():
                    self._collect(path)
                    read.add(entry.sha256)

    def _collect(self, path: Path) -> None:
        with pq.ParquetFile(path) as file:
            for group in range(file.num_row_groups):
                digests = file.read_row_group(group, columns=["sha256"])["sha256"].to_pylist()
                if not any(
                    digest is not None and self._is_waited_for(digest) for digest in digests
                ):
                    continue
                images = file.read_row_group(group, columns=["image"])["image"]
                for digest, image in zip(digests, images, strict=True):
                    if self._is_waited_for(digest):
                        self._keep(digest, image.as_py()["bytes"])

    def _is_waited_for(self, digest: str | None) -> bool:
        row = self._db.execute(
            "SELECT 1 FROM wanted WHERE sha256 = ? AND start IS NULL", (digest,)
        ).fetchone()
        return row is not None

    def _keep(self, digest: str, data: bytes) -> None:
        if hashlib.sha256(data).hexdigest() != digest:
            return  # a damaged shard; another release may hold it whole
        start = self._bytes.tell()
        self._bytes.write(data)
        self._db.execute(
            "UPDATE wanted SET start = ?, size = ? WHERE sha256 = ?", (start, len(data), digest)
        )

    def read(self, digest: str) -> bytes | None:
        """A picture's bytes; None where no release has them. Everything is collected by then."""
        row = self._db.execute(
            "SELECT start, size FROM wanted WHERE sha256 = ? AND start IS NOT NULL", (digest,)
        ).fetchone()
        if row is None:
            return None
        self._bytes.seek(row[0])
        return self._bytes.read(row[1])
