"""Checks of a manifest that anybody may have written: sizes, paths, numbers, the files it names.

Comes in: a release folder. Goes out: its manifest without the entries that must not be followed,
and the faults. Nothing outside the folder is opened, no link is followed.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path, PurePosixPath
from stat import S_ISREG

from provenance.failure import Failure
from release.manifest import (
    FORMAT,
    MANIFEST,
    FileEntry,
    Manifest,
    count_records,
    parse_version,
    read_manifest,
)
from release.signature import SIGNATURE
from release.splits import SPLITS
from release.withdrawn import withdrawal
from runtime.errors import WorkspaceError
from runtime.storage import sha256_file

MAX_MANIFEST_BYTES = 256 * 2**20  # about 500 bytes a file: half a million shards
_MAX_PATH = 1000
_MAX_NUMBER = 2**63 - 1
_SHOWN = 200


def open_manifest(folder: Path) -> tuple[Manifest | None, list[Failure]]:
    """The manifest without entries that cannot be followed, and what is wrong with it."""
    path = folder / MANIFEST
    try:
        if path.is_symlink():
            return None, [Failure(MANIFEST, None, "expected a file, got a link")]
        if path.is_file() and path.stat().st_size > MAX_MANIFEST_BYTES:
            size = path.stat().st_size
            problem = f"expected at most {MAX_MANIFEST_BYTES} bytes, got {size}"
            return None, [Failure(MANIFEST, None, problem)]
        withdrawn = withdrawal(folder)
        if withdrawn is not None:
            problem = f"this release was withdrawn on {withdrawn.at} ({withdrawn.reason})"
            return None, [Failure(MANIFEST, None, _short(problem))]
        manifest = read_manifest(folder)
    except (WorkspaceError, OSError, RecursionError) as error:
        return None, [Failure(MANIFEST, None, _short(str(error)))]
    failures = list(_version_faults(manifest))
    if failures:
        return None, failures
    failures = list(_number_faults(manifest))
    sound: list[FileEntry] = []
    times = Counter(entry.path for entry in manifest.files)
    for entry in manifest.files:
        wrong = _path_problem(folder, entry.path) or _entry_problem(entry)
        if times[entry.path] > 1:
            wrong = f"expected one entry for it, got {times[entry.path]}"
        if wrong is None:
            sound.append(entry)
        else:
            fault = Failure(MANIFEST, None, f"file {_short(repr(entry.path))}: {wrong}")
            failures += [fault] if fault not in failures else []
    if failures:
        return replace(manifest, files=tuple(sound)), failures
    return manifest, []


def _path_problem(folder: Path, path: str) -> str | None:
    """Why a path must not be opened."""
    pure = PurePosixPath(path)
    odd = not path.isprintable() or "\\" in path or len(path) > _MAX_PATH
    if odd or pure.is_absolute() or ".." in pure.parts or pure.as_posix() != path or path == ".":
        return "expected a plain path inside the release"
    if path in (MANIFEST, SIGNATURE):
        return "expected a file that the manifest can vouch for"
    place = folder
    for name in pure.parts:
        place /= name
        if place.is_symlink():
            return f"expected a file of the release, got a link to {_short(str(place.readlink()))}"
    return None


def _entry_problem(entry: FileEntry) -> str | None:
    for name, value in (("bytes", entry.bytes), ("rows", entry.rows or 0)):
        if not 0 <= value <= _MAX_NUMBER:
            return f"{name}: expected 0 to {_MAX_NUMBER}, got {_short(str(value))}"
    is_data = entry.path.startswith("data/")
    if entry.shard is not None and entry.shard.split not in SPLITS:
        return f"expected a split of {list(SPLITS)}, got {_short(repr(entry.shard.split))}"
    if is_data is not (entry.shard is not None):
        return "expected `shard` of files in data/, and of no others"
    if entry.path.endswith(".parquet") and entry.rows is None:
        return "expected its `rows`, got none"
    if entry.path.startswith("decisions/") and len(PurePosixPath(entry.path).parts) == 2:
        try:
            parse_version(PurePosixPath(entry.path).stem)
        except ValueError as error:
            return str(error)
    return None


def _version_faults(manifest: Manifest) -> Iterator[Failure]:
    if manifest.format != FORMAT:
        yield Failure(MANIFEST, None, f"expected format {FORMAT}, got {manifest.format}")
    named = [manifest.version, *([manifest.parent.version] if manifest.parent else [])]
    for version in named:
        try:
            parse_version(version)
        except ValueError as error:
            yield Failure(MANIFEST, None, _short(str(error)))


def _number_faults(manifest: Manifest) -> Iterator[Failure]:
    counts = manifest.counts
    for name in ("added", "removed", "changed"):
        value = getattr(counts, name)
        if not 0 <= value <= _MAX_NUMBER:
            yield Failure(MANIFEST, None, f"counts.{name}: expected 0 or more, got {value}")
    said = asdict(counts)
    flow = {name: said[name] for name in ("added", "removed", "changed")}
    counted = asdict(count_records(manifest.shards, **flow))
    for name, value in counted.items():
        if said[name] != value:
            problem = f"counts.{name}: expected {value}, got {said[name]}"
            yield Failure(MANIFEST, None, _short(problem))


def check_files(folder: Path, entry: FileEntry) -> Iterator[Failure]:
    """The file of an entry is there, with its bytes."""
    path = folder / entry.path
    if not path.is_file():
        yield Failure(entry.path, None, "expected a file, found none")
        return
    size = path.stat().st_size
    actual = sha256_file(path)
    if actual != entry.sha256:
        yield Failure(entry.path, None, f"expected SHA-256 {_short(entry.sha256)}, got {actual}")
    elif size != entry.bytes:
        yield Failure(entry.path, None, f"expected {entry.bytes} bytes, got {size}")


def check_listed(folder: Path, manifest: Manifest) -> Iterator[Failure]:
    """Nothing lies in the folder that the manifest does not name, and nothing in it is a link."""
    listed = {entry.path for entry in manifest.files} | {MANIFEST, SIGNATURE}
    for place, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted([*files, *folders]):
            path = Path(place, name)
            inside = path.relative_to(folder).as_posix()
            mode = path.lstat().st_mode
            if path.is_symlink():
                problem = f"expected no link, got one to {_short(str(path.readlink()))}"
                yield Failure(inside, None, problem)
            elif name in files and not S_ISREG(mode):
                yield Failure(inside, None, "expected a plain file, got another kind")
            elif name in files and inside not in listed:
                yield Failure(inside, None, "not in the manifest")


def _short(text: str) -> str:
    """One line of bounded length: what it shows may be a stranger's."""
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}… ({len(line)} characters)"
