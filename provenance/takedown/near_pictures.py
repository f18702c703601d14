"""Image takedowns: the pictures that are the one taken down, or near copies of it.

In come SHA-256 values or picture files; out go the matches in runs and releases, with bits and
titles for a person to confirm, and the tombstones by which later runs know copies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from cleaning.copies.barred import PRINTS, BarredPictures
from cleaning.hashes import VERSIONS
from provenance.takedown.part_files import sealed_parts
from release.lineage import FINGERPRINTS_FILE, stream_table
from release.manifest import release_folders
from runtime.config import Config
from runtime.errors import ConfigError
from runtime.storage import sha256_file
from runtime.tables import CLEANED
from runtime.tombstones import IMAGE, Tombstone
from runtime.workspace import Workspace

_COLUMNS = ["record_id", "sha256", *PRINTS]


@dataclass(frozen=True)
class Match:
    """A recorded picture near one that is taken down; `bits` is 0 for the same bytes."""

    record_id: str
    sha256: str
    bits: int
    title: str


def image_tombstones(
    workspace: Workspace, config: Config, hashes: Sequence[str], files: Sequence[Path],
    at: str, reason: str,
) -> tuple[Tombstone, ...]:  # fmt: skip
    """The entries of the pictures, with fingerprints where they are known or can be taken.

    Raises ConfigError for a file that is no picture.
    """
    version = VERSIONS[config.clean.fingerprints]
    wanted: dict[str, dict[str, Any]] = {sha256: {} for sha256 in hashes}
    for rows in _recorded(workspace):
        chosen = rows.filter(
            pc.is_in(rows["sha256"], value_set=pa.array(list(wanted), pa.string()))
        )
        for row in chosen.to_pylist():
            wanted[row["sha256"]] = _picture(row, version)
    for path in files:
        wanted[sha256_file(path)] = _taken(path, config, version)
    return tuple(
        Tombstone(IMAGE, sha256, at, reason, picture) for sha256, picture in sorted(wanted.items())
    )


def _picture(row: Mapping[str, Any], version: str) -> dict[str, Any]:
    return {
        "version": version,
        **{name: f"{row[name]:016x}" for name in ("phash", "phash_trim")},
        **{name: row[name].hex() for name in ("colour", "colour_trim")},
    }


def _taken(path: Path, config: Config, version: str) -> dict[str, Any]:
    from cleaning.images.decoding import ImageFailure, decode
    from cleaning.images.fingerprints import fingerprint_batch

    try:
        picture = decode(path.read_bytes(), mode=config.clean.fingerprints)
    except OSError as error:
        raise ConfigError(f"--image {path}: expected a picture, got {error}") from None
    if isinstance(picture, ImageFailure):
        raise ConfigError(f"--image {path}: expected a picture, got one where {picture.reason}")
    batch = fingerprint_batch([picture])
    row = {
        "phash": int(batch.phash[0]), "phash_trim": int(batch.phash_trim[0]),
        "colour": batch.colour[0].tobytes(), "colour_trim": batch.colour_trim[0].tobytes(),
    }  # fmt: skip
    return _picture(row, version)


def near_matches(workspace: Workspace, config: Config, entries: Sequence[Tombstone]) -> list[Match]:
    """Every recorded picture that the entries bar, nearest first; each record and picture once."""
    if not entries:
        return []
    barred = BarredPictures.of(entries, config.dedupe, VERSIONS[config.clean.fingerprints])
    found: dict[tuple[str, str], Match] = {}
    for rows in _recorded(workspace):
        bits = barred.bits(rows)
        for place in np.flatnonzero(bits >= 0).tolist():
            row = rows.slice(place, 1).to_pylist()[0]
            title = row.get("title") or ""
            known = found.get((row["record_id"], row["sha256"]))
            if known is None or not known.title:
                match = Match(row["record_id"], row["sha256"], int(bits[place]), title)
                found[row["record_id"], row["sha256"]] = match
    return sorted(found.values(), key=lambda match: (match.bits, match.record_id))


def _recorded(workspace: Workspace) -> Iterator[pa.Table]:
    """Fingerprints of every run and release, pictures left aside."""
    for run in workspace.runs():
        for path in sealed_parts(run.folder / CLEANED.name):
            rows = pq.read_table(path, columns=[*_COLUMNS, "title"])
            yield rows.filter(pc.is_valid(rows["phash"]))  # what was no picture has none
    for folder in release_folders(workspace.releases):
        for batch in stream_table(folder / FINGERPRINTS_FILE, _COLUMNS):
            yield pa.Table.from_batches([batch])
