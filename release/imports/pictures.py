"""Reads the pictures of a copy: real files inside its folder, bounded in size, and nothing else.

In comes the path that a row states; out come the file's bytes, or why there are none. Links that
lead out of the folder, devices and pipes are refused; an ending written in other case is found. No
folder is ever listed, so that a million files in one cost what ten do.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from release.imports.json_rows import Fault

MISSING = "imported_image_missing_v1"
OUTSIDE = "imported_image_outside_v1"
NO_FILE = "imported_image_no_file_v1"
UNREADABLE = "imported_image_unreadable_v1"
TOO_LARGE = "imported_image_too_large_v1"
EMPTY = "imported_image_empty_v1"

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe must not wait for its writer


class PictureFolder:
    """The folder with a folder for each sub-class; `max_bytes` bounds a file."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder.resolve()
        self._max_bytes = max_bytes

    def read(self, img_path: str) -> bytes | Fault:
        """The bytes of the picture at `Images/<sub-class>/<name>.<ending>`; never raises for what
        lies there."""
        _, _, below = img_path.partition("Images/")
        path = self._folder / below
        try:
            for candidate in _spellings(path):
                try:
                    return self._read(candidate)
                except (FileNotFoundError, NotADirectoryError):
                    continue
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENAMETOOLONG):
                return Fault(OUTSIDE, "its path leads nowhere", errno.errorcode[error.errno])
            return Fault(UNREADABLE, "its picture cannot be read", os.strerror(error.errno or 0))
        return Fault(MISSING, "its picture is not in the copy", img_path)

    def _read(self, path: Path) -> bytes | Fault:
        real = Path(os.path.realpath(path, strict=True))  # Path's own gives no OSError for a loop
        if not real.is_relative_to(self._folder):
            return Fault(
                OUTSIDE, "its picture is a link that leads out of the copy", str(path.name)
            )
        descriptor = os.open(real, _FLAGS | os.O_NOFOLLOW)
        try:
            facts = os.fstat(descriptor)
            if not stat.S_ISREG(facts.st_mode):
                return Fault(NO_FILE, "its picture is no file", stat.filemode(facts.st_mode))
            with open(descriptor, "rb", closefd=False) as stream:
                data = stream.read(self._max_bytes + 1)
        finally:
            os.close(descriptor)
        if len(data) > self._max_bytes:
            return Fault(TOO_LARGE, f"its file has more than {self._max_bytes} bytes")
        return data or Fault(EMPTY, "its file is empty", "0 bytes")


def _spellings(path: Path) -> list[Path]:
    """The path, and with its ending in other case: archives are unpacked on all kinds of disks."""
    stem, ending = path.stem, path.suffix
    others = dict.fromkeys((ending, ending.lower(), ending.upper(), ending.title()))
    return [path.with_name(stem + other) for other in others]
