"""The bytes of pictures: in a run's image part, or in the shards of a release where the part let
them go.

`mep3m gc` takes bytes out of image parts that a release holds as well. Such a part's seal counts
them as `dropped`, and their rows keep everything else. Comes in: rows of image parts. Goes out:
their bytes, by way of an SQLite cache of where each digest lies in the shards.
"""

from __future__ import annotations

import sqlite3
from bisect import bisect_right
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.errors import WorkspaceError
from runtime.keys import digest
from runtime.sqlite_files import is_intact
from runtime.storage import atomic_path
from runtime.workspace import Run, Workspace

DROPPED = "dropped"
"""A count of seals: pictures whose bytes went; and the outcome of one that lies nowhere now."""
PLACES_FILE = "picture-places.sqlite"
_SCHEMA = """
CREATE TABLE shards(number INTEGER PRIMARY KEY, path TEXT NOT NULL);
CREATE TABLE places(sha256 BLOB PRIMARY KEY, shard INTEGER NOT NULL, row INTEGER NOT NULL)
  WITHOUT ROWID;
CREATE TABLE made_from(key TEXT NOT NULL);
"""


def picture_bytes(run: Run, part: str, rows: Sequence[int]) -> Iterator[pa.Buffer | None]:
    """The bytes of some rows of an image part, which ascend, a row group in memory at a time.

    None for a row that never had any.
    Raises PartError for a damaged part, WorkspaceError where a picture is nowhere any more.
    """
    seal = run.images.seal(part)
    if seal is None or not seal.counts.get(DROPPED):
        for _, table in run.images.take(part, rows, ["image"]):
            for value in table["image"]:
                yield value.as_buffer()
        return
    with closing(PublishedPictures(run.workspace)) as published:
        for start, table in run.images.take(part, rows, ["image", "sha256"]):
            pairs = zip(table["image"], table["sha256"].to_pylist(), strict=True)
            for place, (value, sha256) in enumerate(pairs, start=start):
                data = value.as_buffer()
                if data is None and sha256 is not None:
                    data = published.read(sha256)
                if data is None and sha256 is not None:
                    raise WorkspaceError(
                        f"{run.images.path(part)} row {rows[place]}: expected its picture in a "
                        "release, since it went from the part, found it in none; run `mep3m fetch`"
                    )
                yield data


def dropped_rows(path: Path) -> Iterator[tuple[int, str]]:
    """(row, digest) of an image part's pictures whose bytes went; footers spare most reading."""
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        image, digests = names.index("image"), names.index("sha256")
        start = 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            without, unknown = _nulls(group, image), _nulls(group, digests)
            if without > unknown:
                told = file.read_row_group(number, columns=["sha256"])["sha256"].to_pylist()
                held = [False] * group.num_rows
                if without < group.num_rows:
                    pictures = file.read_row_group(number, columns=["image"])["image"]
                    held = pc.is_valid(pictures).to_pylist()
                for row, (sha256, is_held) in enumerate(zip(told, held, strict=True), start=start):
                    if sha256 is not None and not is_held:
                        yield row, sha256
            start += group.num_rows


def lacks_bytes(path: Path) -> bool:
    """Whether a part has fewer pictures than it received; footers tell, no picture is read."""
    with pq.ParquetFile(path) as file:
        names = file.schema_arrow.names
        image, digests = names.index("image"), names.index("sha256")
        groups = map(file.metadata.row_group, range(file.num_row_groups))
        return any(_nulls(group, image) > _nulls(group, digests) for group in groups)


def _nulls(group: pq.RowGroupMetaData, column: int) -> int:
    statistics = group.column(column).statistics
    return 0 if statistics is None else int(statistics.null_count)


def prepare_published(run: Run) -> bool:
    """Bring the cache up to date where a part of the run let bytes go; says whether one did.

    The caller holds the workspace lock.
    """
    if not any(seal.counts.get(DROPPED) for seal in run.images.seals().values()):
        return False
    _refresh(Workspace(run.workspace))
    return True


class PublishedPictures:
    """Reads pictures by digest from the shards that the cache names; close it after.

    Raises WorkspaceError where `prepare_published` was not called.
    """

    def __init__(self, workspace: Path) -> None:
        path = workspace / PLACES_FILE
        if not path.is_file():
            raise WorkspaceError(
                f"{path}: expected where the pictures of releases lie, found nothing; run "
                "`mep3m fetch` again, which asks for nothing twice"
            )
        self._folder = workspace / "releases"
        self._db = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        self._shards: dict[str, tuple[pq.ParquetFile, list[int]]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Release the files."""
        self._db.close()
        for file, _ in self._shards.values():
            file.close()

    def __contains__(self, sha256: str) -> bool:
        return self._place(sha256) is not None

    def read(self, sha256: str) -> pa.Buffer | None:
        """A picture's bytes; None where no release has it."""
        found = self._place(sha256)
        if found is None:
            return None
        file, starts = self._shard(found[0])
        group = bisect_right(starts, found[1]) - 1
        image = file.read_row_group(group, columns=["image"])["image"][found[1] - starts[group]]
        data: pa.Buffer | None = image["bytes"].as_buffer() if image.is_valid else None
        return data

    def _place(self, sha256: str) -> tuple[str, int] | None:
        row: tuple[str, int] | None = self._db.execute(
            "SELECT path, row FROM places JOIN shards ON shard = number WHERE sha256 = ?",
            (bytes.fromhex(sha256),),
        ).fetchone()
        return row

    def _shard(self, path: str) -> tuple[pq.ParquetFile, list[int]]:
        """The open shard, and where each of its row groups starts."""
        if path not in self._shards:
            file = pq.ParquetFile(self._folder / path, page_checksum_verification=True)
            sizes = (file.metadata.row_group(n).num_rows for n in range(file.num_row_groups))
            self._shards[path] = file, [0, *accumulate(sizes)][:-1]
        return self._shards[path]


def release_shards(workspace: Workspace, versions: Collection[str] | None = None) -> list[Path]:
    """Every shard of the releases, files that several share once, newest names first.

    `versions` chooses releases; all that hold data by default.
    """
    found: dict[tuple[int, int], Path] = {}
    for path in sorted(workspace.releases.glob("*/data/*.parquet"), reverse=True):
        version = path.parent.parent.name
        if not version.startswith(".") and (versions is None or version in versions):
            facts = path.stat()
            found.setdefault((facts.st_dev, facts.st_ino), path)
    return list(found.values())


def shard_digests(path: Path) -> Iterator[tuple[int, str]]:
    """(row, digest) of the pictures of a shard. Raises WorkspaceError where it cannot be read."""
    try:
        with pq.ParquetFile(path) as file:
            row = 0
            for batch in file.iter_batches(16_384, columns=["sha256"]):
                for number, sha256 in enumerate(batch["sha256"].to_pylist(), start=row):
                    if sha256 is not None:
                        yield number, sha256
                row += batch.num_rows
    except (OSError, pa.ArrowException) as error:
        raise WorkspaceError(
            f"{path}: expected a readable shard, got {error}; run `mep3m verify`"
        ) from error


def _refresh(workspace: Workspace) -> None:
    path, shards = workspace.folder / PLACES_FILE, release_shards(workspace)
    facts = [(shard, shard.stat()) for shard in shards]
    key = digest(*(f"{shard} {f.st_ino} {f.st_size} {f.st_mtime_ns}" for shard, f in facts))
    if _made_from(path) == key:
        return
    with atomic_path(path) as temporary:
        temporary.unlink(missing_ok=True)
        with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
            db.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {_SCHEMA}")
            db.execute("BEGIN")
            for number, shard in enumerate(shards):
                below = shard.relative_to(workspace.releases).as_posix()
                db.execute("INSERT INTO shards VALUES (?, ?)", (number, below))
                places = ((bytes.fromhex(d), number, row) for row, d in shard_digests(shard))
                db.executemany("INSERT OR IGNORE INTO places VALUES (?, ?, ?)", places)
            db.execute("INSERT INTO made_from VALUES (?)", (key,))
            db.execute("COMMIT")


def _made_from(path: Path) -> str | None:
    if not path.is_file():
        return None
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            (key,) = db.execute("SELECT key FROM made_from").fetchone()
            return str(key) if is_intact(db) else None
    except (sqlite3.DatabaseError, TypeError):
        return None
