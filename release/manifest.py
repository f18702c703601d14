"""The manifest: every file of a release with its digest, and where the release came from.

It is written last inside the release folder; a folder without one is no release. It holds no
time of its own making, so that equal inputs give an equal manifest.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from release.splits import SPLITS
from runtime.errors import WorkspaceError
from runtime.storage import read_json, sha256_file, write_json

MANIFEST = "manifest.json"
POINTER = "LATEST.json"
FORMAT = 1
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+)")


@dataclass(frozen=True)
class ShardFacts:
    """What a shard holds; `order_from` and `order_to` bound the 16-digit hex order hashes."""

    split: str
    order_from: str
    order_to: str
    image_bytes: int
    sites: Mapping[str, int]
    classes: Mapping[str, int]
    fetched_from: str | None
    fetched_to: str | None
    without_picture: int = 0


@dataclass(frozen=True)
class RuleCount:
    """How many decisions a rule made."""

    stage: str
    rule: str
    verdict: str
    count: int


@dataclass(frozen=True)
class LedgerFacts:
    """What a file of decisions holds: of how many records, and how many of each rule."""

    records: int
    rules: tuple[RuleCount, ...]


@dataclass(frozen=True)
class FileEntry:
    """One file, by its path inside the release with forward slashes; `rows` of Parquet files.

    Data files have `shard`, files of decisions `ledger`.
    """

    path: str
    bytes: int
    sha256: str
    rows: int | None = None
    shard: ShardFacts | None = None
    ledger: LedgerFacts | None = None


@dataclass(frozen=True)
class Parent:
    """The release this one grew from."""

    version: str
    manifest_sha256: str


@dataclass(frozen=True)
class SiteTerms:
    """Under which terms a site's records were taken, as configured."""

    terms_url: str
    licence: str


@dataclass(frozen=True)
class RunFacts:
    """The account of one run: its sightings, their fates and the rules that decided.

    `pages` and `images` count what was asked for by outcome, `mapped` and `held` records by site.
    """

    sightings: int
    fates: Mapping[str, int]
    rules: tuple[RuleCount, ...]
    settings: Mapping[str, str | float | bool | list[str]]
    pages: Mapping[str, int] = field(default_factory=dict)
    images: Mapping[str, int] = field(default_factory=dict)
    mapped: Mapping[str, int] = field(default_factory=dict)
    held: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class ReleaseCounts:
    """Records in all, and what this release added, took out and changed in place."""

    records: int
    added: int
    removed: int
    image_bytes: int
    splits: Mapping[str, int]
    sites: Mapping[str, int]
    classes: Mapping[str, int]
    without_picture: int = 0
    changed: int = 0


@dataclass(frozen=True)
class Manifest:
    """Everything in `manifest.json`.

    `inputs` is the digest of what the release was made from; `fingerprint` names the version of
    its fingerprints, of which a release has one (None: made before they were told apart). `commit`
    is the code's, where it ran from a checkout; `environment` names the interpreter, the libraries
    and the processor; `tombstones` is the digest of what was taken down by then (None: nothing).
    """

    format: int
    name: str
    version: str
    parent: Parent | None
    run_id: str
    inputs: str
    software: str
    config_digest: str
    libraries: Mapping[str, str]
    schema_sha256: str
    counts: ReleaseCounts
    sites: Mapping[str, SiteTerms]
    runs: Mapping[str, RunFacts]
    files: tuple[FileEntry, ...]
    fingerprint: str | None = None
    commit: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)
    tombstones: str | None = None

    @property
    def shards(self) -> list[tuple[FileEntry, ShardFacts]]:
        """The data files with what they hold, in path order."""
        return [(entry, entry.shard) for entry in self.files if entry.shard is not None]


def count_records(
    shards: Iterable[tuple[FileEntry, ShardFacts]], *, added: int, removed: int, changed: int = 0
) -> ReleaseCounts:
    """Totals over the shards, beside what was counted on the way."""
    splits: Counter[str] = Counter()
    sites: Counter[str] = Counter()
    classes: Counter[str] = Counter()
    image_bytes = without_picture = 0
    for entry, facts in shards:
        splits[facts.split] += entry.rows or 0
        sites.update(facts.sites)
        classes.update(facts.classes)
        image_bytes += facts.image_bytes
        without_picture += facts.without_picture
    return ReleaseCounts(
        splits.total(), added, removed, image_bytes,
        {split: splits[split] for split in SPLITS if splits[split]},
        dict(sorted(sites.items())), dict(sorted(classes.items())), without_picture, changed,
    )  # fmt: skip


def file_entry(
    folder: Path, path: Path, *, rows: int | None = None, shard: ShardFacts | None = None
) -> FileEntry:
    """The entry of a finished file below the release folder."""
    return FileEntry(
        path.relative_to(folder).as_posix(), path.stat().st_size, sha256_file(path), rows, shard
    )


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `manifest.json` into the release folder, whole or not at all."""
    write_json(folder / MANIFEST, asdict(manifest))


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a release; raises WorkspaceError when it is missing or malformed."""
    path = folder / MANIFEST
    try:
        value = read_json(path)
    except FileNotFoundError:
        raise WorkspaceError(
            f"{path}: expected a manifest, found none; name a complete release"
        ) from None
    _require_held(path, value)
    try:
        return _adapter().validate_python(value)
    except ValidationError as error:
        fault = error.errors()[0]
        key = ".".join(str(part) for part in fault["loc"])
        raise WorkspaceError(
            f"{path}: `{key}`: {fault['msg']}; restore the file from a copy"
        ) from None


@cache
def _adapter() -> TypeAdapter[Manifest]:
    return TypeAdapter(Manifest)  # 14 ms to make: many times as long as using it


def _require_held(path: Path, value: object) -> None:
    """Raise WorkspaceError for what is left of a withdrawn release."""
    told = value.get("withdrawn") if isinstance(value, dict) else None
    if isinstance(told, dict):
        raise WorkspaceError(
            f"{path}: expected a release that holds its records, got one that was withdrawn on "
            f"{told.get('at')} ({told.get('reason')}); name another release"
        )


def parse_version(version: str) -> tuple[int, int, int]:
    """(major, minor, patch); raises ValueError unless it is three numbers with dots."""
    match = _VERSION.fullmatch(version)
    if match is None:
        raise ValueError(f"expected a version such as 1.4.0, got {version!r}")
    return int(match[1]), int(match[2]), int(match[3])


def next_version(parent: str | None, *, newcomers: bool, major: bool = False) -> str:
    """1.0.0 first; newcomers raise the minor number, removals or metadata alone the patch number.

    What changes published rows, such as another version of their fingerprints, is `major`.
    """
    if parent is None:
        return "1.0.0"
    major_number, minor, patch = parse_version(parent)
    if major:
        return f"{major_number + 1}.0.0"
    if newcomers:
        return f"{major_number}.{minor + 1}.0"
    return f"{major_number}.{minor}.{patch + 1}"


def release_folders(releases: Path) -> list[Path]:
    """Folders of the complete releases, oldest version first; withdrawn ones are none."""
    from release.withdrawn import withdrawal  # which reads manifests, too

    if not releases.is_dir():
        return []
    found = [
        path
        for path in releases.iterdir()
        if _VERSION.fullmatch(path.name)
        and (path / MANIFEST).is_file()
        and withdrawal(path) is None
    ]
    return sorted(found, key=lambda path: parse_version(path.name))
