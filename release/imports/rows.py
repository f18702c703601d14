"""What a row of MEP-3M's annotations says: a record with its label, or why it is none.

In comes a value as JSON gave it; out go the columns of the annotations table. Wrong types, keys
that are missing or stand twice, and paths that leave the copy are faults of the row; a label that
the category tree does not know is told apart, since it speaks of another tree.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import islice
from typing import Any
from urllib.parse import quote

from release.imports.json_rows import Fault, JsonRow, RepeatedKeys
from runtime.origins import IMPORTED_SITE
from taxonomy.stated import read_stated, told
from taxonomy.tree import Label, Tree

MALFORMED = "imported_row_malformed_v1"
UNSAFE_PATH = "imported_path_unsafe_v1"
UNKNOWN_LABEL = "imported_label_unknown_v1"
OTHER_FOLDER = "imported_folder_contradicts_label_v1"
REPEATED = "imported_id_repeated_v1"

KEYS = (
    "class_id", "class_name", "sub_class_id", "sub_class_name", "subsub_class_id",
    "subsub_class_name", "img_path", "img_resolution", "title", "OCR",
)  # fmt: skip
_KEYS = frozenset(KEYS)
_MAX_UNKNOWN = 8  # keys to tell of
IMAGES = "Images"
ABSENT = frozenset({"", "FALSE", "False", "false"})
"""How a third level that is not there is written beside null and false; MEP-3M says "FALSE"."""
_PATH = re.compile(r"(?:\./)?Images/([^/]+)/([^/]+)")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\\ud800-\udfff]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_MAX_NAME_BYTES = 200
_MAX_SIDES = 8
_LARGEST = 2**31 - 1


class _Faulty(Exception):
    """A row that becomes no record."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.reason)
        self.fault = fault


class RowReader:
    """Reads rows against one tree. `unknown_keys` are those that no record takes over."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._labels: dict[tuple[Any, ...], str | None] = {}
        self.unknown_keys: set[str] = set()

    def read(self, row: JsonRow) -> dict[str, Any]:
        """The row's columns. With a `fault` it is no record, and named after its place."""
        place = {"row": row.number, "byte": row.byte}
        found: dict[str, Any] = {}
        try:
            self._fill(row.value, found)
            return {**found, **place}
        except _Faulty as error:
            fault = error.fault
        name = f"{IMPORTED_SITE}:#{row.number}"
        told = {"fault": fault.rule, "reason": fault.reason, "value": fault.value}
        return {**found, **place, **told, "record_id": name}

    def _fill(self, value: Any, found: dict[str, Any]) -> None:
        """Put what is sound into `found`; raises _Faulty at the first thing that is not."""
        if isinstance(value, Fault):
            raise _Faulty(value)
        if isinstance(value, RepeatedKeys):
            keys = ", ".join(value.keys)[:80]
            raise _malformed(f"keys stand more than once: {_sound(keys)}")
        if not isinstance(value, dict):
            raise _malformed(f"expected an object, got {_kind(value)}")
        if not value.keys() <= _KEYS and len(self.unknown_keys) < _MAX_UNKNOWN:
            more = (key for key in value if key not in _KEYS)
            self.unknown_keys.update(_shown(key[:40]) for key in islice(more, _MAX_UNKNOWN))
        found["title"] = _text(value, "title")
        found["img_path"] = _text(value, "img_path")
        stated = _stated(value)
        found.update(vars(stated))
        found["ocr"] = None if value.get("OCR") is None else _text(value, "OCR")
        found["resolution"] = _resolution(value.get("img_resolution"))
        folder, stem = _folder_and_stem(found["img_path"])
        problem = self._problem(stated)
        if problem is not None:
            raise _Faulty(Fault(UNKNOWN_LABEL, problem, told(stated)))
        if folder != str(stated.sub_class_id):
            reason = "its picture lies in the folder of another sub-class"
            raise _Faulty(Fault(OTHER_FOLDER, reason, f"{folder}, not {stated.sub_class_id}"))
        found["record_id"] = record_id(folder, stem)

    def _problem(self, stated: Label) -> str | None:
        """What is wrong with the label; a copy has some hundred different ones."""
        key = tuple(vars(stated).values())
        if key not in self._labels:
            if len(self._labels) > 10_000:
                self._labels.clear()
            label = read_stated(stated, self._tree)
            self._labels[key] = label if isinstance(label, str) else None
        return self._labels[key]


def record_id(folder: str, stem: str) -> str:
    """The lasting name of an imported record; the same picture path gives the same name."""
    return f"{IMPORTED_SITE}:{quote(folder, safe='')}/{quote(stem, safe='')}"


def _folder_and_stem(path: str) -> tuple[str, str]:
    """Folder and file name without its ending; both are plain names inside the copy."""
    match = _PATH.fullmatch(path)
    reason = f"expected {IMAGES}/<sub-class>/<name>.<ending>, of plain names inside the copy"
    if match is None or _UNSAFE.search(path):
        raise _Faulty(Fault(UNSAFE_PATH, reason, _sound(path[:200])))
    folder, name = match[1], match[2]
    stem, dot, _ = name.rpartition(".")
    stem = stem if dot else name
    too_long = any(len(quote(text, safe="")) > _MAX_NAME_BYTES for text in (folder, name))
    if too_long:
        reason = f"expected names of up to {_MAX_NAME_BYTES} characters, percent-encoded"
    if not stem.strip(".") or not folder.strip(".") or too_long:
        raise _Faulty(Fault(UNSAFE_PATH, reason, _sound(path[:200])))
    return folder, stem


def _stated(value: Mapping[str, Any]) -> Label:
    third = (value.get("subsub_class_id"), value.get("subsub_class_name"))
    absent = [part is None or part is False or _is_absent(part) for part in third]
    if all(absent):
        third_id, third_name = None, None
    elif any(absent):
        there = "subsub_class_name" if absent[0] else "subsub_class_id"
        raise _malformed(f"expected both parts of the third level or neither, got {there} alone")
    else:
        third_id, third_name = _id(value, "subsub_class_id"), _text(value, "subsub_class_name")
    return Label(
        _id(value, "class_id"), _text(value, "class_name"),
        _id(value, "sub_class_id"), _text(value, "sub_class_name"), third_id, third_name,
    )  # fmt: skip


def _is_absent(part: Any) -> bool:
    return isinstance(part, str) and part in ABSENT


def _id(value: Mapping[str, Any], key: str) -> int:
    """An id, which MEP-3M writes as a string."""
    found = value.get(key)
    digits = isinstance(found, str) and found.isascii() and found.isdigit() and len(found) <= 10
    if digits or (isinstance(found, int) and not isinstance(found, bool)):
        number = int(found)  # type: ignore[arg-type]
        if 0 <= number <= _LARGEST:
            return number
    raise _malformed(f"expected {key} as digits in a string, got {_kind(found)}")


def _text(value: Mapping[str, Any], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise _malformed(f"expected {key} as a string, got {_kind(found)}")
    if _SURROGATE.search(found):
        raise _malformed(f"expected {key} as Unicode text, got half a surrogate or no UTF-8")
    return found


def _resolution(value: Any) -> list[int] | None:
    if value is None:
        return None
    if isinstance(value, list) and 0 < len(value) <= _MAX_SIDES:
        sound = (type(side) is int and 0 <= side <= _LARGEST for side in value)
        if all(sound):
            return value
    raise _malformed(f"expected img_resolution as a list of sizes, got {_kind(value)}")


def _malformed(reason: str) -> _Faulty:
    return _Faulty(Fault(MALFORMED, reason))


def _kind(value: Any) -> str:
    """What came, in a few words; it may be of any size."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | RepeatedKeys):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    return _sound(repr(value[:40] if isinstance(value, str) else value))


def _shown(key: str) -> str:
    """A key for a line of a terminal."""
    return ascii(key) if _UNSAFE.search(key) else key


def _sound(text: str) -> str:
    """The text as UTF-8 can say it."""
    return text.encode("utf-8", "backslashreplace").decode()
