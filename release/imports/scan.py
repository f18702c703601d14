"""The annotations, read once and kept in sorted chunks, from which a killed import goes on.

In comes a file of any size; out go chunks of some thousand rows, each sorted by record_id and
sealed with the byte that it ends at. They lie in the workspace, beside the runs: a file that turns
out to be cut off, or labelled by another tree, starts no run.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from release.imports.errors import CopyError
from release.imports.json_rows import JsonRow, JsonRows
from release.imports.rows import UNKNOWN_LABEL, RowReader
from release.imports.source import CopySource
from runtime import logs
from runtime.columns import record_batch
from runtime.keys import digest
from runtime.parts import PartFolder
from runtime.progress import progress
from runtime.tables import ANNOTATIONS
from taxonomy.tree import Tree

VERSION = "1"
CHUNK_ROWS = 20_000
CHUNK_BYTES = 16 * 1024 * 1024
GROUP_ROWS = 512
GROUP_BYTES = 512 * 1024
"""Of a row group; merging holds one of each chunk."""


@dataclass(frozen=True)
class Scan:
    """The sorted chunks of one copy, where they lie, and under which key they are sealed."""

    source: CopySource
    chunks: PartFolder
    key: str

    @property
    def rows(self) -> int:
        """How many rows were read."""
        return sum(seal.rows for seal in self.chunks.seals().values())

    def discard(self) -> None:
        """Remove the chunks, which are of no use once they are merged."""
        shutil.rmtree(self.chunks.folder.parent, ignore_errors=True)
        with suppress(OSError):
            self.chunks.folder.parent.parent.rmdir()


def scan_copy(
    source: CopySource,
    tree: Tree,
    tree_sha256: str,
    workspace: Path,
    *,
    quiet: bool = False,
    chunk_rows: int = CHUNK_ROWS,
) -> Scan:
    """Read the annotations, or what is left of them after a kill.

    Raises CopyError where the file is cut off or no JSON array, or where a label is none of the
    tree's. The caller holds the workspace lock.
    """
    settings = (VERSION, str(chunk_rows), str(source.reject_unknown_labels))
    key = digest(source.sha256, tree_sha256, *settings)
    base = workspace / "imports"
    for other in base.iterdir() if base.is_dir() else ():
        if other.name != key:  # of a file that is no longer imported
            shutil.rmtree(other, ignore_errors=True)
    scan = Scan(source, PartFolder(base / key / "chunks", ANNOTATIONS), key)
    byte, rows, number, finished = _left_off(scan)
    if finished:
        return scan
    reader = RowReader(tree)
    with (
        source.annotations.open("rb") as stream,
        progress("import: read rows", quiet=quiet) as tick,
    ):
        found = JsonRows(source.annotations, stream, byte, rows)
        for chunk in _chunks(found, chunk_rows):
            table = [_checked(reader.read(row), source) for row in chunk.rows]
            table.sort(key=lambda row: (row["record_id"], row["row"]))
            counts = {"end": chunk.byte, "row": chunk.number, "finished": int(chunk.last)}
            scan.chunks.write(_name(number), _groups(table), key, counts)
            number += 1
            tick(chunk.number)
    if reader.unknown_keys:
        keys = ", ".join(sorted(reader.unknown_keys)[:8])
        logs.warning(f"{source.annotations}: keys that no record takes over: {keys}")
    return scan


def _name(number: int) -> str:
    return f"chunk-{number:06d}"


def _left_off(scan: Scan) -> tuple[int, int, int, bool]:
    """(byte, rows, chunks, whether all is read) up to the last chunk without a gap before it."""
    byte = rows = number = 0
    finished = False
    names = scan.chunks.names()
    for name in names:
        seal = scan.chunks.seal(name)
        sound = seal is not None and seal.key == scan.key and name == _name(number)
        if seal is None or not sound or scan.chunks.damage(name, seal):
            break
        byte, rows, finished = seal.counts["end"], seal.counts["row"], bool(seal.counts["finished"])
        number += 1
    for name in names[number:]:
        scan.chunks.discard(name)
    return byte, rows, number, finished


@dataclass(frozen=True)
class _Chunk:
    """Some rows, the byte and the number that the last of them ends with, and whether it is the
    last of the file."""

    rows: list[JsonRow]
    byte: int
    number: int
    last: bool


def _chunks(rows: JsonRows, most: int) -> Iterator[_Chunk]:
    """Rows by chunk, bounded in number and bytes; at least one chunk."""
    chunk: list[JsonRow] = []
    start = byte = rows.byte
    number = rows.number
    for row in rows:
        # A row late, so that the last one is known for what it is.
        if len(chunk) >= most or byte - start >= CHUNK_BYTES:
            yield _Chunk(chunk, byte, number, last=False)
            chunk, start = [], byte
        chunk.append(row)
        byte, number = rows.byte, rows.number
    yield _Chunk(chunk, byte, number, last=True)


def _checked(row: dict[str, Any], source: CopySource) -> dict[str, Any]:
    """The row; one with a label of another tree ends the import, unless told otherwise."""
    if row.get("fault") == UNKNOWN_LABEL and not source.reject_unknown_labels:
        raise CopyError(
            f"{source.annotations}, row {row['row']} (byte {row['byte']}): expected a label of "
            f"the category tree, got {row['value']}: {row['reason']}; set `map.taxonomy` to the "
            "tree of this copy, or leave such rows out with --reject-unknown-labels"
        )
    return row


def _groups(rows: list[dict[str, Any]]) -> Iterator[pa.RecordBatch]:
    """The rows in batches of bounded bytes, each of which becomes a row group."""
    for group in bounded(rows, GROUP_ROWS, GROUP_BYTES):
        yield record_batch(group, ANNOTATIONS.schema)


def bounded(
    rows: Iterable[dict[str, Any]], most_rows: int, most_bytes: int
) -> Iterator[list[dict[str, Any]]]:
    """Rows of annotations, some at a time: neither too many nor too much text."""
    group: list[dict[str, Any]] = []
    size = 0
    for row in rows:
        group.append(row)
        size += sum(len(row.get(name) or "") for name in ("title", "ocr", "value")) * 3
        if len(group) >= most_rows or size >= most_bytes:
            yield group
            group, size = [], 0
    if group:
        yield group
