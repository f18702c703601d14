"""Parts: the Parquet files that stages exchange, each with a seal that says what it was made from.

A part is `<name>.parquet` and its seal `<name>.json`; a part without a seal does not exist. The
seal holds the run key (stage version, settings and input digests), so that finished work is
skipped and changed work is redone, and the SHA-256 of the file, so that damage is noticed.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from runtime.columns import from_numbers
from runtime.errors import PartError, WorkspaceError
from runtime.keys import digest
from runtime.storage import atomic_path, read_json, sha256_file, write_json
from runtime.tables import Table


@dataclass(frozen=True)
class Seal:
    """What is known of a finished part."""

    key: str
    sha256: str
    rows: int
    counts: Mapping[str, int] = field(default_factory=dict)


class PartFolder:
    """One table of a run: a folder of sealed parts, named so that their order is their names'."""

    def __init__(self, folder: Path, table: Table) -> None:
        self.folder = folder
        self.table = table

    def path(self, name: str) -> Path:
        """Where the part's Parquet file lies."""
        return self.folder / f"{name}.parquet"

    def _seal_path(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def names(self) -> list[str]:
        """Names of the sealed parts, in order."""
        if not self.folder.is_dir():
            return []
        return sorted(p.stem for p in self.folder.glob("*.json") if not p.name.startswith("."))

    def seal(self, name: str) -> Seal | None:
        """The part's seal, or None when it is not finished or its seal cannot be read."""
        try:
            return Seal(**read_json(self._seal_path(name)))
        except (FileNotFoundError, WorkspaceError, TypeError):
            return None

    def seals(self) -> dict[str, Seal]:
        """Every readable seal, by part name."""
        found = ((name, self.seal(name)) for name in self.names())
        return {name: seal for name, seal in found if seal is not None}

    def damage(self, name: str, seal: Seal) -> str | None:
        """What is wrong with the part's file, by its whole digest; None when it is intact."""
        path = self.path(name)
        if not path.is_file():
            return "expected a file, found none"
        actual = sha256_file(path)
        if actual != seal.sha256:
            return f"expected SHA-256 {seal.sha256[:16]}…, got {actual[:16]}…"
        return None

    def write(
        self,
        name: str,
        rows: pa.Table | Iterable[pa.RecordBatch],
        key: str,
        counts: Mapping[str, int] | None = None,
        *,
        row_group_rows: int = 64 * 1024,
        metadata: Mapping[str, str] | None = None,
    ) -> Seal:
        """Write a part and then its seal; both whole or absent.

        The rows must have the table's schema, to which `metadata` is added. Pages carry checksums.
        """
        self.unseal(name)
        batches = rows.to_batches() if isinstance(rows, pa.Table) else rows
        total = 0
        with atomic_path(self.path(name)) as temporary:
            with pq.ParquetWriter(
                temporary,
                self.table.schema.with_metadata(metadata),
                compression="zstd",
                write_page_checksum=True,
                store_schema=True,
            ) as writer:
                for batch in batches:
                    writer.write_table(
                        pa.Table.from_batches([batch], self.table.schema), row_group_rows
                    )
                    total += batch.num_rows
            digest = sha256_file(temporary)
        seal = Seal(key, digest, total, dict(counts or {}))
        write_json(self._seal_path(name), asdict(seal))
        return seal

    def unseal(self, name: str) -> None:
        """Declare a part unfinished, before it is written again or because it is damaged."""
        self._seal_path(name).unlink(missing_ok=True)

    def discard(self, name: str) -> None:
        """Remove a part, seal first."""
        self.unseal(name)
        self.path(name).unlink(missing_ok=True)

    def prune(self, keep: Iterable[str]) -> None:
        """Remove the parts that the current inputs no longer produce."""
        for name in set(self.names()) - set(keep):
            self.discard(name)

    def read(self, name: str, columns: Sequence[str] | None = None) -> pa.Table:
        """A part's rows, with page checksums verified. Raises PartError when it is damaged."""
        try:
            with self._open(name) as file:
                return file.read(columns=list(columns) if columns is not None else None)
        except (OSError, pa.ArrowException) as error:
            raise PartError(self.path(name), f"cannot be read ({error})") from error

    def stream(
        self, name: str, columns: Sequence[str] | None = None, batch_rows: int = 4096
    ) -> Iterator[pa.RecordBatch]:
        """A part's rows in batches, in constant memory. Raises PartError when it is damaged."""
        try:
            with self._open(name) as file:
                yield from file.iter_batches(
                    batch_rows, columns=list(columns) if columns is not None else None
                )
        except (OSError, pa.ArrowException) as error:
            raise PartError(self.path(name), f"cannot be read ({error})") from error

    def take(
        self, name: str, rows: Sequence[int], columns: Sequence[str]
    ) -> Iterator[tuple[int, pa.Table]]:
        """Some rows of a part, a row group at a time: (first index into `rows`, their table).

        `rows` ascend; only the row groups that hold one are read. Raises PartError.
        """
        try:
            with self._open(name) as file:
                start, taken = 0, 0
                for group in range(file.num_row_groups):
                    end = start + file.metadata.row_group(group).num_rows
                    count = bisect_left(rows, end, taken) - taken
                    if count:
                        wanted = np.asarray(rows[taken : taken + count], np.int64) - start
                        table = file.read_row_group(group, columns=list(columns))
                        yield taken, table.take(from_numbers(wanted))
                        taken += count
                    start = end
        except (OSError, pa.ArrowException) as error:
            raise PartError(self.path(name), f"cannot be read ({error})") from error
        if taken != len(rows):
            raise PartError(self.path(name), f"expected row {rows[taken]}, got {start} rows")

    def metadata(self, name: str) -> dict[str, str]:
        """What `write` added to the part's schema. Raises PartError when it is damaged."""
        try:
            return text_metadata(pq.read_schema(self.path(name)))
        except (OSError, pa.ArrowException) as error:
            raise PartError(self.path(name), f"cannot be read ({error})") from error

    def _open(self, name: str) -> pq.ParquetFile:
        return pq.ParquetFile(self.path(name), page_checksum_verification=True)


def text_metadata(schema: pa.Schema) -> dict[str, str]:
    """The metadata of a schema as text; empty where it has none."""
    found = schema.metadata or {}
    return {key.decode(): value.decode() for key, value in found.items()}


def run_key(stage: str, version: str, settings: object, inputs: Mapping[str, str]) -> str:
    """The key of a part: equal keys mean equal bytes.

    `settings` is any JSON value with the settings the stage declares; `inputs` maps what the
    part is made from to its digest; `version` also names libraries that affect the bytes.
    """
    ordered = json.dumps(dict(sorted(inputs.items())), ensure_ascii=False)
    return digest(stage, version, json.dumps(settings, sort_keys=True, ensure_ascii=False), ordered)
