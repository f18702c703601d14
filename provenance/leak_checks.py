"""Proof that no near pictures stand in two splits, and that no copy was left inside the radius.

Comes in: the fingerprint index and lineage of a release, and the bounds that its runs recorded.
Goes out: every group of near pictures over two splits or under two names, every pair of copies.
Hashes, colours and sketches of all records are in memory at once: 150 bytes a record.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from cleaning.copies.groups import connected_groups
from cleaning.copies.neighbours import Fingerprints, assign_leaders
from cleaning.copies.thresholds import MAX_RADIUS, NeighbourThresholds
from provenance.failure import Failure
from provenance.records import find_keys, record_keys
from release.lineage import FINGERPRINTS_FILE, LINEAGE_FILE, stream_table
from release.manifest import Manifest, parse_version
from runtime.origins import IMPORTED_SITE
from runtime.tables import FINGERPRINTS

_FILE = FINGERPRINTS_FILE.as_posix()


@dataclass(frozen=True)
class Bounds:
    """What counted as near in every run of a release: the least of each run's settings.

    `is_told` is False where a run did not record them: faults are warnings then.
    """

    copies: NeighbourThresholds
    leak_radius: int
    is_told: bool


def bounds_of(manifest: Manifest) -> Bounds:
    """The bounds inside which every run of the release looked for copies and for groups."""
    default = NeighbourThresholds()
    told = [facts.settings for facts in manifest.runs.values()]

    def least(name: str, otherwise: int, most: int) -> int:
        values = [settings.get(f"dedupe_{name}", otherwise) for settings in told]
        numbers = [v for v in values if isinstance(v, int | float) and 0 <= v <= most]
        return int(min(numbers, default=otherwise))

    exact = any(settings.get("dedupe_policy") == "exact" for settings in told)
    radius = least("radius", default.radius, MAX_RADIUS)
    title_free = least("title_free_radius", default.title_free_radius, MAX_RADIUS)
    agreements = [s.get("dedupe_min_title_agreement", 3) for s in told]
    numbers = [int(a) for a in agreements if isinstance(a, int | float) and 0 <= a <= 32]
    most = max(numbers, default=default.min_title_agreement)
    lightness = least("max_lightness_difference", default.max_lightness_difference, 255)
    chroma = least("max_chroma_difference", default.max_chroma_difference, 255)
    return Bounds(
        NeighbourThresholds(0 if exact else radius, title_free, most, lightness, chroma, True),
        radius,
        bool(told) and all("dedupe_radius" in settings for settings in told),
    )


@dataclass(frozen=True)
class _Index:
    """The index in columns; `release` numbers the versions that first held a record, oldest 0."""

    table: Mapping[str, npt.NDArray[Any]]
    split: npt.NDArray[np.int8]
    group: npt.NDArray[np.int64]
    release: npt.NDArray[np.int64]
    versions: tuple[tuple[int, int, int], ...]
    imported: npt.NDArray[np.bool_]


def check_leaks(folder: Path, manifest: Manifest) -> Iterator[Failure]:
    """Groups of near pictures over two splits, or named otherwise than they must be; copies."""
    index = _load(folder)
    bounds = bounds_of(manifest)
    names = _Names(folder)
    found = [
        *_spanning(index, bounds, names, manifest),
        *_misnamed(index, bounds, names, manifest),
        *_copies(index, bounds, names, manifest),
    ]
    for fault in found:
        is_warning = fault.is_warning or not bounds.is_told
        yield Failure(fault.file, fault.row, fault.problem, is_warning)


def _spanning(
    index: _Index, bounds: Bounds, names: _Names, manifest: Manifest
) -> Iterator[Failure]:
    """Components over two splits. Among records of earlier major releases they may be there since
    their fingerprints were made anew: their splits stay."""
    component = connected_groups(
        index.table["phash"], index.table["phash_trim"], bounds.leak_radius
    )
    order = np.argsort(component, kind="stable")
    same = component[order][1:] == component[order][:-1]
    differ = index.split[order][1:] != index.split[order][:-1]
    current = _is_current(index, manifest)
    for at in np.flatnonzero(same & differ).tolist():
        one, other = sorted((int(order[at]), int(order[at + 1])))
        members = order[component[order] == component[order[at]]]
        problem = (
            f"record {names[other]} is near record {names[one]} of row {one}, which is in another "
            "split"
        )
        yield Failure(_FILE, other, problem, is_warning=not current[members].any())


def _misnamed(
    index: _Index, bounds: Bounds, names: _Names, manifest: Manifest
) -> Iterator[Failure]:
    """Records that came with one release and were near then are of one leak group.

    Earlier records keep their group's name even where a later one joined two groups of a split.
    """
    current = _is_current(index, manifest)
    order = np.argsort(index.release, kind="stable")
    hashes = index.table["phash"][order], index.table["phash_trim"][order]
    ends = np.searchsorted(index.release[order], np.arange(len(index.versions)), side="right")
    start, known = 0, np.empty(0, np.int64)
    for end in ends.tolist():
        known = connected_groups(hashes[0][:end], hashes[1][:end], bounds.leak_radius, known)
        rows = order[start:end]
        by_component = np.argsort(known[start:end], kind="stable")
        sorted_rows, component = rows[by_component], known[start:end][by_component]
        same = component[1:] == component[:-1]
        differ = index.group[sorted_rows][1:] != index.group[sorted_rows][:-1]
        for at in np.flatnonzero(same & differ).tolist():
            one, other = sorted((int(sorted_rows[at]), int(sorted_rows[at + 1])))
            if current[one]:
                problem = (
                    f"record {names[other]}: expected the leak group of record {names[one]} of row "
                    f"{one}, which it is near, got another"
                )
                yield Failure(_FILE, other, problem)
        start = end


def _copies(index: _Index, bounds: Bounds, names: _Names, manifest: Manifest) -> Iterator[Failure]:
    """Records with the bytes or, within all bounds, the picture of another one.

    Imported records may be copies of one another.
    """
    current = _is_current(index, manifest)
    order = np.argsort(index.imported, kind="stable")  # those that may lead come first
    may_lead = ~index.imported[order]
    shas = index.table["sha256"][order]
    leaders = np.arange(len(order))
    by_bytes = np.argsort(shas, kind="stable")
    starts = np.searchsorted(shas[by_bytes], shas[by_bytes], side="left")
    leaders[by_bytes] = by_bytes[starts]
    same_bytes = leaders != np.arange(len(order))
    same_bytes &= may_lead[leaders]
    del by_bytes, starts
    prints = Fingerprints(
        *(index.table[n][order] for n in ("phash", "phash_trim", "colour", "colour_trim", "sketch"))
    )
    led = assign_leaders(prints, np.zeros(len(order), np.bool_), bounds.copies, may_lead)
    leaders = np.where(same_bytes, leaders, led.leader)
    for at in np.flatnonzero(leaders != np.arange(len(order))).tolist():
        one, other = int(order[leaders[at]]), int(order[at])
        what = "the same bytes" if same_bytes[at] else f"{led.distance[at]} bits"
        problem = f"record {names[other]} is a copy of record {names[one]} of row {one}: {what}"
        yield Failure(_FILE, other, problem, is_warning=not (current[one] or current[other]))


def _is_current(index: _Index, manifest: Manifest) -> npt.NDArray[np.bool_]:
    """Which records came since the last major release: only their fingerprints were all compared.

    A major release may make the fingerprints of earlier ones anew, or adopt their new pictures.
    """
    major = parse_version(manifest.version)[0]
    known = np.array([version[0] == major for version in index.versions], np.bool_)
    found: npt.NDArray[np.bool_] = known[index.release]
    return found


class _Names:
    """Ids of rows of the index, read where a fault names them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._ids: pa.ChunkedArray | None = None

    def __getitem__(self, row: int) -> str:
        if self._ids is None:
            batches = stream_table(self._folder / _FILE, ["record_id"])
            self._ids = pa.chunked_array([batch["record_id"] for batch in batches])
        return str(self._ids[row].as_py())


def _load(folder: Path) -> _Index:
    columns = ["phash", "phash_trim", "colour", "colour_trim", "sketch", "sha256"]
    read = ["record_id", "split", "leak_group", *columns]
    pieces: dict[str, list[npt.NDArray[Any]]] = {name: [] for name in [*columns, "split", "group"]}
    keys, imported = [], []
    splits: dict[str, int] = {}
    for batch in stream_table(folder / _FILE, read):
        ids = batch["record_id"].to_pylist()
        keys.append(record_keys(ids))
        imported.append(np.array([i.startswith(f"{IMPORTED_SITE}:") for i in ids], np.bool_))
        for name in columns:
            pieces[name].append(_values(batch[name], name))
        found = [splits.setdefault(s, len(splits)) for s in batch["split"].to_pylist()]
        pieces["split"].append(np.array(found, np.int8))
        groups = record_keys(batch["leak_group"].to_pylist())
        pieces["group"].append(groups.view("<i8")[::2])
    shapes = {field.name: field.type for field in FINGERPRINTS.schema}
    joined = {
        name: np.concatenate(found) if found else _empty(shapes.get(name))
        for name, found in pieces.items()
    }
    own = np.concatenate(keys) if keys else record_keys([])
    release, versions = _first_releases(folder, own)
    return _Index(
        joined, joined["split"], joined["group"], release, versions,
        np.concatenate(imported) if imported else np.empty(0, np.bool_),
    )  # fmt: skip


def _empty(type_: pa.DataType | None) -> npt.NDArray[Any]:
    if type_ is not None and pa.types.is_fixed_size_binary(type_):
        return np.empty((0, type_.byte_width), np.uint8)
    if type_ is not None and pa.types.is_string(type_):
        return np.empty(0, "S16")
    return np.empty(0, np.int64 if type_ is None else np.uint64)


def _values(values: pa.Array, name: str) -> npt.NDArray[Any]:
    if name == "sha256":
        return record_keys(values.to_pylist())
    if pa.types.is_integer(values.type):
        return np.asarray(values.to_numpy())
    joined = b"".join(values.to_pylist())
    return np.frombuffer(joined, np.uint8).reshape(len(values), values.type.byte_width)


def _first_releases(
    folder: Path, keys: npt.NDArray[np.bytes_]
) -> tuple[npt.NDArray[np.int64], tuple[tuple[int, int, int], ...]]:
    """The number of the version that first held each record, and those versions, oldest first.

    What lineage lacks is told elsewhere; here it counts with the oldest.
    """
    order = np.argsort(keys, kind="stable")
    named = np.zeros(len(keys), np.int64)
    codes: dict[str, int] = {}
    for batch in stream_table(folder / LINEAGE_FILE, ["record_id", "first_release"]):
        places = find_keys(keys[order], record_keys(batch["record_id"].to_pylist()))
        found = [codes.setdefault(v, len(codes)) for v in batch["first_release"].to_pylist()]
        here = places >= 0
        named[order[places[here]]] = np.array(found, np.int64)[here]
    versions = [_version(text) for text in codes] or [(0, 0, 0)]
    ranks = {version: rank for rank, version in enumerate(sorted(set(versions)))}
    release = np.array([ranks[version] for version in versions], np.int64)[named]
    return release, tuple(ranks)


def _version(text: str) -> tuple[int, int, int]:
    try:
        return parse_version(text)
    except ValueError:
        return 0, 0, 0
