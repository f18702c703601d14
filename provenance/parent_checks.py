"""Stability: what a release took over from its parent, where that lies beside it.

Comes in: two folders. Goes out: carried records whose split, group, first release or row is another
one. Only shards that are not the parent's own files are read.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from provenance.failure import Failure
from provenance.records import KEY, find_keys, record_keys
from provenance.reference_checks import checked_rows
from release.lineage import LINEAGE_FILE
from release.manifest import MANIFEST, FileEntry, Manifest, parse_version, read_manifest
from release.schema import COLUMN_NAMES, as_released
from release.withdrawn import withdrawal
from runtime.errors import WorkspaceError
from runtime.storage import sha256_file
from runtime.tables import LINEAGE

_LINEAGE = LINEAGE_FILE.as_posix()
_COMPARED = [name for name in COLUMN_NAMES if name != "image"]  # sha256 stands for the picture


def check_parent(folder: Path, manifest: Manifest) -> Iterator[Failure]:
    """Faults against the parent; none where it is not at hand, or was withdrawn."""
    if manifest.parent is None:
        return
    place = folder.resolve().parent / manifest.parent.version
    if not (place / MANIFEST).is_file() or place == folder.resolve():
        return
    try:
        if withdrawal(place) is not None:
            return
        actual = sha256_file(place / MANIFEST)
        if actual != manifest.parent.manifest_sha256:
            expected = f"the manifest with SHA-256 {manifest.parent.manifest_sha256}"
            problem = f"parent {manifest.parent.version}: expected {expected}, got {actual}"
            yield Failure(MANIFEST, None, problem)
            return
        before = read_manifest(place)
        yield from _account_faults(manifest, before)
        yield from _lineage_faults(folder, place, manifest)
        if parse_version(manifest.version)[0] == parse_version(before.version)[0]:
            yield from _row_faults(folder, manifest, place, before)
    except (WorkspaceError, OSError, pa.ArrowException, ValueError) as error:
        yield Failure(MANIFEST, None, f"parent {manifest.parent.version} cannot be read: {error}")


def _account_faults(manifest: Manifest, before: Manifest) -> Iterator[Failure]:
    """The accounts of earlier runs, whose settings bound what was near, are as they were."""
    for run, facts in before.runs.items():
        if run != manifest.run_id and manifest.runs.get(run) != facts:
            problem = f"run {run}: expected its account as in {before.version}, got another"
            yield Failure(MANIFEST, None, problem)


def _lineage_faults(folder: Path, parent: Path, manifest: Manifest) -> Iterator[Failure]:
    names = ["split", "leak_group", "first_release"]
    pieces = [np.empty(0, KEY)], [np.empty(0, KEY)]
    for batch in checked_rows(parent / _LINEAGE, LINEAGE):
        pieces[0].append(record_keys(batch["record_id"].to_pylist()))
        pieces[1].append(_digests(batch, names))
    keys, digests = (np.concatenate(piece) for piece in pieces)
    order = np.argsort(keys, kind="stable")
    keys, digests = keys[order], digests[order]
    first = carried = added = 0
    for batch in checked_rows(folder / _LINEAGE, LINEAGE):
        ids = batch["record_id"].to_pylist()
        places = find_keys(keys, record_keys(ids))
        here = np.flatnonzero(places >= 0)
        carried += len(here)
        added += len(ids) - len(here)
        own = _digests(batch, names)
        for row in here[own[here] != digests[places[here]]].tolist():
            problem = f"record {ids[row]}: expected split, leak group and first release of "
            yield Failure(_LINEAGE, first + row, f"{problem}{parent.name}, got others")
        first += len(ids)
    for name, expected in (("added", added), ("removed", len(keys) - carried)):
        said = getattr(manifest.counts, name)
        if said != expected:
            problem = f"counts.{name}: expected {expected} against {parent.name}, got {said}"
            yield Failure(MANIFEST, None, problem)


def _row_faults(
    folder: Path, manifest: Manifest, parent: Path, before: Manifest
) -> Iterator[Failure]:
    """Rows of carried records in shards that were written again."""
    own = {entry.sha256 for entry, _ in manifest.shards}
    theirs = {entry.sha256 for entry, _ in before.shards}
    gone = [entry for entry, _ in before.shards if entry.sha256 not in own]
    pieces = [(np.empty(0, KEY), np.empty(0, KEY)), *(_shard_digests(parent, e) for e in gone)]
    keys = np.concatenate([piece[0] for piece in pieces])
    digests = np.concatenate([piece[1] for piece in pieces])
    order = np.argsort(keys, kind="stable")
    keys, digests = keys[order], digests[order]
    for entry, _ in manifest.shards:
        if entry.sha256 in theirs or not (folder / entry.path).is_file():
            continue
        found, rows = _shard_digests(folder, entry)
        places = find_keys(keys, found)
        here = np.flatnonzero(places >= 0)
        for row in here[rows[here] != digests[places[here]]].tolist():
            problem = f"expected this record's row as in {parent.name}, got another"
            yield Failure(entry.path, row, problem)


def _shard_digests(
    folder: Path, entry: FileEntry
) -> tuple[npt.NDArray[np.bytes_], npt.NDArray[np.bytes_]]:
    keys, digests = [np.empty(0, KEY)], [np.empty(0, KEY)]
    with pq.ParquetFile(folder / entry.path) as file:
        present = [name for name in _COMPARED if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):
            rows = as_released(file.read_row_group(group, columns=present))
            keys.append(record_keys(rows["record_id"].to_pylist()))
            digests.append(_digests(rows, _COMPARED))
    return np.concatenate(keys), np.concatenate(digests)


def _digests(rows: pa.Table | pa.RecordBatch, names: list[str]) -> npt.NDArray[np.bytes_]:
    """A 128-bit hash of each row's values."""
    values = zip(*(rows[name].to_pylist() for name in names), strict=True)
    found = [hashlib.blake2b(repr(row).encode(), digest_size=16).digest() for row in values]
    return np.frombuffer(b"".join(found), KEY)
