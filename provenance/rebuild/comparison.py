"""Two makes of one release, file by file: data, decisions, lineage and fingerprints.

Comes in: the manifest of the release and the folder of its new make. Goes out: a `Difference` for
every file that is not the same. Where other libraries wrote the new one, rows count, not bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from release.manifest import FileEntry, Manifest

COMPARED = ("data/", "decisions/", "lineage/", "fingerprints/")
_BATCH = 256


@dataclass(frozen=True)
class Difference:
    """One file that differs: how, as far as both makes can be read."""

    path: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}: {self.what}"


def compare_makes(
    recorded: Path, manifest: Manifest, made: Path, new: Manifest, *, by_rows: bool
) -> Iterator[Difference]:
    """Every file that differs between a release and its new make, in path order.

    Digests of the recorded release are its manifest's; its files are read only to tell where they
    differ, or with `by_rows`, which accepts other bytes with the same rows.
    """
    old, now = _entries(manifest), _entries(new)
    for path in sorted(old.keys() | now.keys()):
        if path not in now:
            yield Difference(path, "expected it again, it was not made")
        elif path not in old:
            yield Difference(path, f"expected no such file, got one of {now[path].rows} rows")
        elif old[path].sha256 != now[path].sha256:
            where = _first_difference(recorded / path, made / path)
            if where is None and by_rows:
                continue
            digests = f"expected SHA-256 {old[path].sha256[:16]}…, got {now[path].sha256[:16]}…"
            yield Difference(path, f"{digests}; {where or 'its rows are the same'}")


def _entries(manifest: Manifest) -> dict[str, FileEntry]:
    return {entry.path: entry for entry in manifest.files if entry.path.startswith(COMPARED)}


def _first_difference(recorded: Path, made: Path) -> str | None:
    """The first row and column that differ; None where all rows are the same."""
    try:
        with pq.ParquetFile(recorded) as old, pq.ParquetFile(made) as new:
            if old.schema_arrow.names != new.schema_arrow.names:
                return f"columns {old.schema_arrow.names} became {new.schema_arrow.names}"
            counts = old.metadata.num_rows, new.metadata.num_rows
            row = 0
            for before, after in zip_longest(_batches(old), _batches(new)):
                if before is None or after is None or before.num_rows != after.num_rows:
                    return f"{counts[0]} rows became {counts[1]}"
                found = _in_batch(before, after)
                if found is not None:
                    return f"row {row + found[0]}, column `{found[1]}` differs first"
                row += before.num_rows
    except (OSError, pa.ArrowException) as error:
        return f"where they differ cannot be read ({error})"
    return None


def _batches(file: pq.ParquetFile) -> Iterator[pa.RecordBatch]:
    """Batches of a fixed size, whatever the row groups are."""
    held: list[pa.RecordBatch] = []
    rows = 0
    for batch in file.iter_batches(_BATCH):
        held.append(batch)
        rows += batch.num_rows
        if rows >= _BATCH:
            table = pa.Table.from_batches(held).combine_chunks()
            yield from table.slice(0, _BATCH).to_batches()
            held = table.slice(_BATCH).to_batches()
            rows -= _BATCH
    if rows:
        yield from pa.Table.from_batches(held).combine_chunks().to_batches()


def _in_batch(before: pa.RecordBatch, after: pa.RecordBatch) -> tuple[int, str] | None:
    found = []
    for name in before.schema.names:
        if not before[name].equals(after[name]):
            rows = zip(before[name], after[name], strict=True)
            found.append((next(n for n, (a, b) in enumerate(rows) if not a.equals(b)), name))
    return min(found, key=lambda pair: pair[0]) if found else None
