"""Files that are either whole or absent.

Everything the pipeline writes goes through here: a temporary name beside the target, fsync of
the file, rename, fsync of the folder. A kill at any moment leaves the old file or the new one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from typing import Any

from runtime.errors import NotWritableError, StorageFullError, WorkspaceError

TEMPORARY_SUFFIX = ".tmp"
# A database that is made under a temporary name has its log beside it.
_LOGS = "(-journal|-wal|-shm)?"
_TEMPORARY = re.compile(rf"\..+\.(\d+|sqlite)\.tmp{_LOGS}")
_OWN_FOLDERS = ("runs", "releases", "tombstones", "recipes")
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
# The index of a write-ahead log that cannot grow is an error of its own.
_SQLITE_FULL = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}
_READ_ONLY = {errno.EACCES, errno.EPERM, errno.EROFS}


def explain_os_error(error: OSError, path: Path) -> Exception:
    """The user's situation behind an `OSError`, or the error itself when it is not one."""
    if error.errno in _FULL:
        return StorageFullError(
            f"no room to write {path}: expected free space, got {os.strerror(error.errno or 0)!r}; "
            "free some and run the same command again, finished work is kept"
        )
    if error.errno in _READ_ONLY:
        return NotWritableError(
            f"cannot write {path}: expected a writable folder, got "
            f"{os.strerror(error.errno or 0)!r}; make it writable (or change the `workspace` "
            "setting) and run the same command again, finished work is kept"
        )
    return error


def explain_sqlite_error(error: sqlite3.Error, path: Path) -> Exception:
    """StorageFullError where the database at `path` found no room, else the error itself."""
    code = getattr(error, "sqlite_errorcode", None)
    if code in _SQLITE_FULL:
        return explain_os_error(OSError(errno.ENOSPC, str(error)), path)
    return error


@contextmanager
def full_disk_explained(folder: Path) -> Iterator[None]:
    """The last resort for writes below `folder` that do not say where they found no room."""
    try:
        yield
    except OSError as error:
        explained = explain_os_error(error, Path(error.filename or folder))
        if not isinstance(explained, StorageFullError):
            raise
        raise explained from error
    except sqlite3.Error as error:
        explained = explain_sqlite_error(error, folder)
        if explained is error:
            raise
        raise explained from error


@contextmanager
def os_errors_explained(path: Path) -> Iterator[None]:
    """Raise the user's situation instead of the bare OSError, where `path` is being written."""
    try:
        yield
    except OSError as error:
        explained = explain_os_error(error, path)
        if explained is error:
            raise
        raise explained from error


def fsync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def atomic_path(target: Path) -> Iterator[Path]:
    """Yield a temporary path to write; on success it becomes `target`, on failure it goes.

    Raises StorageFullError or WorkspaceError instead of the bare OSError.
    """
    temporary = target.with_name(f".{target.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with os_errors_explained(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            descriptor = os.open(temporary, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            temporary.replace(target)
            fsync_folder(target.parent)
    finally:
        with suppress(FileNotFoundError, PermissionError):
            temporary.unlink()


# What a file system without hard links, another device or a link limit answers.
_NO_LINKS = frozenset(
    {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EACCES, errno.ENOSYS}
)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for an immutable file, or a copy where it cannot have one; whole or absent."""
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            shutil.copyfile(source, temporary)


def write_bytes(target: Path, data: bytes) -> None:
    """Write `data` to `target`, whole or not at all."""
    with atomic_path(target) as temporary:
        temporary.write_bytes(data)


def write_json(target: Path, value: Any) -> None:
    """Write `value` as indented UTF-8 JSON with a final newline, whole or not at all."""
    text = json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False)
    write_bytes(target, (text + "\n").encode())


def read_json(path: Path, remedy: str = "restore the file or remove it") -> Any:
    """The JSON value in `path`; raises WorkspaceError with file and remedy where it is not JSON."""
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise WorkspaceError(f"{path}: expected JSON, got {error}; {remedy}") from error


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes, in constant memory."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def remove_temporaries(folder: Path) -> None:
    """Remove what a killed process left half-written in a workspace.

    Only in the workspace's own folders, and only names that `atomic_path` and the index of an
    archive give: the folder may be the user's project. Only the holder of the workspace lock may
    call this.
    """
    places = [
        folder.glob(".*"),
        *(folder.joinpath(own).rglob(".*") for own in _OWN_FOLDERS),
    ]
    for path in chain(*places):
        if _TEMPORARY.fullmatch(path.name) and path.is_file():
            with os_errors_explained(path):
                path.unlink(missing_ok=True)
