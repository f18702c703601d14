"""A record of a release as MEP-3M writes it: its ten keys, and the name of its picture's file.

In come rows of shards; out go a row of `annotations.json` and the path of its picture. Imported
records keep the number that their copy gave them; crawled ones get one of their own.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote

from PIL import Image

from runtime.origins import IMPORTED, IMPORTED_SITE

ABSENT = "FALSE"
"""What MEP-3M says where there is no third level."""
IMAGES = "Images"
_NUMBER = re.compile(r"[0-9]+")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f/\\]")
_MAX_NAME_BYTES = 240
_DECODED_AS = {"P": "RGB", "1": "L"}
Row = Mapping[str, Any]


def own_stem(row: Row) -> str | None:
    """The file stem that an imported record has in its sub-class's folder; None where it has none
    there, or none that can be a file's."""
    if row["provenance"] != IMPORTED:
        return None
    folder, _, stem = row["record_id"].removeprefix(f"{IMPORTED_SITE}:").partition("/")
    stem = unquote(stem)
    if folder != str(row["sub_class_id"]) or _UNSAFE.search(stem) or not stem.strip("."):
        return None
    return stem if len(stem.encode()) <= _MAX_NAME_BYTES else None


class FileNumbers:
    """Numbers for records that bring none, above all of their folder that are taken."""

    def __init__(self) -> None:
        self._last: dict[int, int] = {}

    def take(self, row: Row) -> None:
        """Keep the number that an imported record has already."""
        stem, folder = own_stem(row), row["sub_class_id"]
        if stem is not None and _NUMBER.fullmatch(stem):
            self._last[folder] = max(self._last.get(folder, 0), int(stem))

    def stem(self, row: Row) -> str:
        """The record's stem in the folder of its sub-class."""
        found = own_stem(row)
        if found is None:
            folder = row["sub_class_id"]
            self._last[folder] = self._last.get(folder, 0) + 1
            found = str(self._last[folder])
        return found


def picture_path(row: Row, stem: str) -> str:
    """`Images/<sub-class>/<stem>` with the true extension of the picture, or the stated one of a
    picture that the release does not have."""
    named = row["image"]["path"] if row["image"] else row["imported_path"]
    return f"{IMAGES}/{row['sub_class_id']}/{stem}{PurePosixPath(named).suffix}"


def annotation(row: Row, path: str) -> dict[str, Any]:
    """The row of `annotations.json`, its keys in MEP-3M's order."""
    third = row["subsub_class_id"]
    return {
        "class_id": str(row["class_id"]),
        "class_name": row["class_name"],
        "sub_class_id": str(row["sub_class_id"]),
        "sub_class_name": row["sub_class_name"],
        "subsub_class_id": ABSENT if third is None else str(third),
        "subsub_class_name": ABSENT if third is None else row["subsub_class_name"],
        "img_path": path,
        "img_resolution": _resolution(row),
        "title": row["title_raw"],
        "OCR": row["ocr"] if row["provenance"] == IMPORTED else row["ocr"] or "",
    }


def _resolution(row: Row) -> list[int] | None:
    """Height, width and channels, as an imported record states them, else as they are."""
    stated: list[int] | None = row["imported_resolution"]
    if stated is not None or row["provenance"] == IMPORTED:
        return stated
    with Image.open(io.BytesIO(row["image"]["bytes"])) as picture:  # reads no more than its head
        channels = Image.getmodebands(_DECODED_AS.get(picture.mode, picture.mode))
    return [row["height"], row["width"], channels]
