"""Tombstones: what must never come back, without saying what it was.

Each takedown leaves one file in `<workspace>/tombstones/`, never changed again: JSON Lines with a
header (format, key, number and digest of the entries). Ids and URLs are there as keyed BLAKE2b
alone; prefixes, site keys and the fingerprints of pictures are plain. Loaded whole, asked by hash.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from runtime.errors import WorkspaceError
from runtime.storage import atomic_path, os_errors_explained, sha256_file

FOLDER = "tombstones"
FORMAT = 1
ID, LEFT, URL, PREFIX, SITE, IMAGE = "id", "left", "url", "prefix", "site", "image"
"""Kinds. `left` is the id of a record that went with its picture: it blocks nothing, and lets
`audit` say when the record was removed."""
HASHED = frozenset({ID, LEFT, URL})
KINDS = HASHED | {PREFIX, SITE, IMAGE}
REMOVED = "removed"
"""Count in the seal of a part of sightings: those of what was taken down, which are not in it."""
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_NAME = re.compile(r"(\d{6})-[0-9a-f]{12}\.jsonl")


@dataclass(frozen=True)
class Tombstone:
    """One entry. `value` is a hash (ids, URLs), a prefix, a site key or a picture's SHA-256.

    `at` is the UTC date of the takedown; `picture` the fingerprints of an image, by name, and
    their version.
    """

    kind: str
    value: str
    at: str
    reason: str = ""
    picture: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TombstoneFile:
    """One file: the key its hashes were made with, and its entries."""

    name: str
    key: bytes
    entries: tuple[Tombstone, ...]


@dataclass(frozen=True)
class Tombstones:
    """Every tombstone of a workspace; cheap to hand to a worker process."""

    files: tuple[TombstoneFile, ...] = ()
    digest: str | None = None

    def __bool__(self) -> bool:
        return any(file.entries for file in self.files)

    @cached_property
    def _hashed(self) -> Mapping[tuple[bytes, str, str], Tombstone]:
        return {
            (file.key, entry.kind, entry.value): entry
            for file in self.files
            for entry in file.entries
            if entry.kind in HASHED
        }

    @cached_property
    def keys(self) -> tuple[bytes, ...]:
        """The keys of all files, each once."""
        return tuple(dict.fromkeys(file.key for file in self.files))

    @cached_property
    def _kinds(self) -> frozenset[str]:
        return frozenset(entry.kind for file in self.files for entry in file.entries)

    def of_kind(self, kind: str) -> list[Tombstone]:
        """The entries of one kind, in the order of their files."""
        return [entry for file in self.files for entry in file.entries if entry.kind == kind]

    @cached_property
    def sites(self) -> frozenset[str]:
        """Keys of the shops that were taken down."""
        return frozenset(entry.value for entry in self.of_kind(SITE))

    @cached_property
    def image_hashes(self) -> frozenset[str]:
        """SHA-256 of the pictures that were taken down."""
        return frozenset(entry.value for entry in self.of_kind(IMAGE))

    @cached_property
    def _prefixes(self) -> tuple[tuple[str, Tombstone], ...]:
        return tuple((prefix_key(entry.value), entry) for entry in self.of_kind(PREFIX))

    def on_record(self, record_id: str) -> Tombstone | None:
        """The tombstone that bars a record by its id or by its site."""
        if not self._kinds:
            return None
        site = record_id.partition(":")[0]
        if site in self.sites:
            return next(entry for entry in self.of_kind(SITE) if entry.value == site)
        return self._find(ID, record_id)

    def on_left(self, record_id: str) -> Tombstone | None:
        """What tells that a record was taken down, whether or not it may come back."""
        return self.on_record(record_id) or self._find(LEFT, record_id)

    def on_url(self, url: str) -> Tombstone | None:
        """The tombstone that bars a URL, however it is spelled."""
        if not self._kinds & {URL, PREFIX}:
            return None
        key = url_key(url)
        for prefix, entry in self._prefixes:
            if key.startswith(prefix):
                return entry
        return self._find(URL, key)

    def bars(self, record_id: str, *urls: str | None) -> bool:
        """Whether a record that shows these URLs must not come in."""
        if not self._kinds:
            return False
        named = (self.on_url(url) for url in urls if url)
        return self.on_record(record_id) is not None or any(named)

    def _find(self, kind: str, text: str) -> Tombstone | None:
        if kind not in self._kinds:
            return None
        for key in self.keys:
            found = self._hashed.get((key, kind, keyed_hash(key, kind, text)))
            if found is not None:
                return found
        return None


def keyed_hash(key: bytes, kind: str, text: str) -> str:
    """The hash under which an id, or what `url_key` makes of a URL, is kept."""
    person = (ID if kind == LEFT else kind).encode()
    return hashlib.blake2b(text.encode(), key=key, digest_size=20, person=person).hexdigest()


def url_key(url: str) -> str:
    """A URL as all its spellings have it: no scheme, default port, fragment or final slash; host
    in lower case; percent-encoding where it is needed alone; query parameters sorted."""
    try:
        split = urlsplit(url.strip())
    except ValueError:
        return url.strip()  # a page can call anything a URL
    host = split.netloc.rpartition("@")[2].lower().rstrip(".")
    host = host.removesuffix(_DEFAULT_PORTS.get(split.scheme.lower(), ":80"))
    path = quote(unquote(split.path, errors="surrogateescape"), safe="/", errors="surrogateescape")
    pairs = sorted(pair for pair in split.query.split("&") if pair)
    query = "&".join(_plain(pair) for pair in pairs)
    return f"{host}{path.rstrip('/')}" + (f"?{query}" if query else "")


def _plain(pair: str) -> str:
    name, equals, value = pair.partition("=")
    return quote(_unplus(name), safe="", errors="surrogateescape") + (
        equals and "=" + quote(_unplus(value), safe="", errors="surrogateescape")
    )


def _unplus(text: str) -> str:
    return unquote(text.replace("+", " "), errors="surrogateescape")


def prefix_key(prefix: str) -> str:
    """The same of the start of a URL; a final slash counts: `/a/` does not bar `/ab`."""
    key = url_key(prefix)
    return f"{key}/" if prefix.rstrip().endswith("/") and "?" not in key else key


def load_tombstones(workspace: Path) -> Tombstones:
    """All tombstones of a workspace.

    Raises WorkspaceError naming a file that is damaged, cut off or missing among the numbered
    ones: what was taken down must not come back because nobody remembers it.
    """
    folder = workspace / FOLDER
    if not folder.is_dir():
        return Tombstones()
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    for number, path in enumerate(paths, start=1):
        match = _NAME.fullmatch(path.name)
        if match is None or int(match[1]) != number:
            raise WorkspaceError(
                f"{path}: expected tombstone file number {number}, got {path.name}; restore the "
                "missing file from a copy, nothing is done without it"
            )
    files = tuple(read_tombstones(path) for path in paths)
    if not files:
        return Tombstones()
    text = "\n".join(sha256_file(path) for path in paths)
    return Tombstones(files, hashlib.sha256(text.encode()).hexdigest())


def read_tombstones(path: Path) -> TombstoneFile:
    """One tombstone file, of this workspace or published by another. Raises WorkspaceError."""
    with os_errors_explained(path):
        data = path.read_bytes()
    try:
        header, *lines = data.decode().removesuffix("\n").split("\n")
        said = json.loads(header)
        key = bytes.fromhex(said["key"])
        found = said["format"], said["entries"], said["sha256"]
        actual = FORMAT, len(lines), _digest(key, lines)
        if found != actual or not data.endswith(b"\n"):
            raise ValueError(f"its header does not fit its {len(lines)} entries")
        if (match := _NAME.fullmatch(path.name)) and actual[2][:12] not in path.name:
            raise ValueError(f"its name does not fit its entries ({match[0]})")
        entries = tuple(Tombstone(**json.loads(line)) for line in lines)
        unknown = {entry.kind for entry in entries} - KINDS
        if unknown:
            raise ValueError(f"unknown kinds {sorted(unknown)}")
    except (ValueError, KeyError, TypeError) as error:
        raise WorkspaceError(
            f"{path}: expected a whole tombstone file, got a damaged one ({error}); restore it "
            "from a copy, nothing is done without it"
        ) from None
    return TombstoneFile(path.name, key, entries)


def _digest(key: bytes, lines: Sequence[str]) -> str:
    return hashlib.sha256("\n".join([key.hex(), *lines]).encode()).hexdigest()


def new_key(tombstones: Tombstones) -> bytes:
    """The workspace's key: that of its first file, or a fresh one."""
    return tombstones.keys[0] if tombstones.keys else secrets.token_bytes(32)


def append_tombstones(workspace: Path, key: bytes, entries: Iterable[Tombstone]) -> Tombstones:
    """Add one file with those entries that no file has yet; returns all tombstones.

    Raises WorkspaceError where an existing file is damaged.
    """
    known = load_tombstones(workspace)
    have = {(f.key, e.kind, e.value) for f in known.files for e in f.entries}
    new = {(e.kind, e.value): e for e in entries if (key, e.kind, e.value) not in have}
    if not new:
        return known
    ordered = [new[name] for name in sorted(new)]
    lines = [json.dumps(vars(entry), ensure_ascii=False, sort_keys=True) for entry in ordered]
    digest = _digest(key, lines)
    header = {"format": FORMAT, "key": key.hex(), "entries": len(lines), "sha256": digest}
    path = workspace / FOLDER / f"{len(known.files) + 1:06d}-{digest[:12]}.jsonl"
    with atomic_path(path) as temporary:
        temporary.write_text("\n".join([json.dumps(header), *lines]) + "\n", encoding="utf-8")
    return load_tombstones(workspace)
