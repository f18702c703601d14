"""A copy of MEP-3M on disk: its annotations file, its folder of pictures, and what to do with them.

In comes the path that a user names; out goes a `CopySource` that `run.json` records in full, so
that every later command of the run knows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from release.imports.errors import CopyError
from release.imports.rows import IMAGES
from runtime.storage import sha256_file

ANNOTATIONS_NAMES = ("annotations.json", "annotation.json")  # MEP-3M's own is called either


@dataclass(frozen=True)
class CopySource:
    """What is imported: absolute paths, and the SHA-256 of the annotations.

    `images` is the folder with a folder for each sub-class, None for titles alone. With
    `reject_unknown_labels` a row whose label the category tree does not know is rejected instead
    of ending the import.
    """

    annotations: Path
    sha256: str
    images: Path | None
    reject_unknown_labels: bool

    def to_json(self) -> dict[str, Any]:
        """The values that `run.json` keeps."""
        values = {
            name: v if not isinstance(v, Path) else str(v) for name, v in asdict(self).items()
        }
        return {"kind": "mep3m", **values, "text_only": self.images is None}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> CopySource:
        """The source that `to_json` told of."""
        images = values["images"]
        return cls(
            Path(values["annotations"]), values["sha256"], Path(images) if images else None,
            values["reject_unknown_labels"],
        )  # fmt: skip


def find_copy(
    path: Path,
    *,
    images: Path | None = None,
    text_only: bool = False,
    reject_unknown_labels: bool = False,
) -> CopySource:
    """The copy at a path: its folder, or its annotations file.

    Without `text_only` the pictures are those of `images`, or of the folder `Images` beside the
    annotations; where there is no such folder, titles are all there is. Raises CopyError where
    the annotations, or a folder that was named, cannot be found.
    """
    annotations = _annotations(path)
    folder = images if images is not None else annotations.parent / IMAGES
    if images is not None and not images.is_dir():
        raise CopyError(
            f"--images {images}: expected a folder with a folder for each sub-class, found none"
        )
    if images is not None and (images / IMAGES).is_dir():
        folder = images / IMAGES
    pictured = not text_only and folder.is_dir()
    return CopySource(
        annotations.resolve(), sha256_file(annotations), folder.resolve() if pictured else None,
        reject_unknown_labels,
    )  # fmt: skip


def _annotations(path: Path) -> Path:
    found = [path] if path.is_file() else [path / name for name in ANNOTATIONS_NAMES]
    for candidate in found:
        if candidate.is_file():
            return candidate
    raise CopyError(
        f"{path}: expected MEP-3M's annotations.json, or the folder that holds it, found neither; "
        "name one of them"
    )
