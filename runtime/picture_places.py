"""Where the picture of each listing lies: found by its URL, or beside it where it was imported.

In comes a run and the name of a listings part; out go places by record id. A record of which
nothing is known is left out: nobody asked for its picture, or it was imported as a title alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from runtime.image_index import ImageIndex, ImagePlace
from runtime.workspace import Run


class PicturePlaces:
    """Looks places up; close it after. Raises WorkspaceError where pictures were not fetched."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._index = None if run.is_imported else ImageIndex(run, read_only=True)

    def close(self) -> None:
        """Release the index."""
        if self._index is not None:
            self._index.close()

    def of_part(self, name: str) -> Mapping[str, ImagePlace]:
        """The places of a listings part, in the order of its rows."""
        rows: list[dict[str, Any]] = self._run.listings.read(
            name, ["record_id", "image_url"]
        ).to_pylist()
        if self._index is not None:
            places = self._index.places(row["image_url"] for row in rows if row["image_url"])
            known = ((row["record_id"], places.get(row["image_url"])) for row in rows)
            return {record: place for record, place in known if place is not None}
        if self._run.images.seal(name) is None:
            return {}  # titles are all that the copy has
        pictures = self._run.images.read(name, ["outcome", "sha256"]).to_pylist()
        return {
            row["record_id"]: ImagePlace(picture["outcome"], name, number, picture["sha256"])
            for number, (row, picture) in enumerate(zip(rows, pictures, strict=True))
        }
