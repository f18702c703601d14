"""What is known of a part's pictures: their size, their fingerprints, or why they do not decode.

In come the places of origin bytes; out goes a ``Picture`` for each. A picture is decoded once a
part, in small batches, so memory does not depend on how many there are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from cleaning.fingerprints import fingerprint_batch
from cleaning.image_rules import ImageFacts
from cleaning.images import DecodedImage, ImageFailure, ImageLimits, Mode, decode
from runtime.image_index import ImagePlace
from runtime.workspace import Run

BATCH_IMAGES = 64
BATCH_PIXELS = 32_000_000


@dataclass(frozen=True)
class Picture:
    """What is known of one picture; the arrays are one row each."""

    facts: ImageFacts
    decoded_format: str | None = None
    phash: int | None = None
    phash_trim: int | None = None
    colour: bytes | None = None
    colour_trim: bytes | None = None
    content_width: int | None = None
    content_height: int | None = None


def pictures_of(
    run: Run,
    places: Iterable[ImagePlace],
    limits: ImageLimits,
    mode: Mode,
    *,
    careful: bool = False,
) -> dict[tuple[str, int], Picture]:
    """The facts of every picture that was received, by (image part, row)."""
    rows: dict[str, set[int]] = defaultdict(set)
    for place in places:
        if place.outcome == "ok":
            rows[place.part].add(place.row)
    found: dict[tuple[str, int], Picture] = {}
    for part in sorted(rows):
        for batch in _batches(_decoded(run, part, sorted(rows[part]), limits, mode)):
            found.update(_fingerprinted(part, batch))
    return found


def _decoded(
    run: Run, part: str, rows: Sequence[int], limits: ImageLimits, mode: Mode
) -> Iterator[tuple[int, DecodedImage | ImageFailure]]:
    for first, table in run.images.take(part, rows, ["image"]):
        for offset, value in enumerate(table["image"]):
            yield rows[first + offset], decode(value.as_py(), limits, mode)


def _batches(
    decoded: Iterator[tuple[int, DecodedImage | ImageFailure]],
) -> Iterator[list[tuple[int, DecodedImage | ImageFailure]]]:
    """Bounded in pictures and in pixels: decoded pictures are large."""
    batch: list[tuple[int, DecodedImage | ImageFailure]] = []
    pixels = 0
    for row, image in decoded:
        batch.append((row, image))
        pixels += image.width * image.height if isinstance(image, DecodedImage) else 0
        if len(batch) >= BATCH_IMAGES or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _fingerprinted(
    part: str, batch: Sequence[tuple[int, DecodedImage | ImageFailure]]
) -> Iterator[tuple[tuple[str, int], Picture]]:
    images = [(row, image) for row, image in batch if isinstance(image, DecodedImage)]
    for row, failure in batch:
        if isinstance(failure, ImageFailure):
            yield (part, row), Picture(ImageFacts(present=True, failure=failure))
    if not images:
        return
    prints = fingerprint_batch([image for _, image in images])
    for i, (row, image) in enumerate(images):
        facts = ImageFacts(
            present=True,
            width=image.width,
            height=image.height,
            luminance_std=float(prints.luminance_std[i]),
        )
        yield (
            (part, row),
            Picture(
                facts,
                image.format,
                int(prints.phash[i]),
                int(prints.phash_trim[i]),
                prints.colour[i].tobytes(),
                prints.colour_trim[i].tobytes(),
                int(prints.content[i, 0]),
                int(prints.content[i, 1]),
            ),
        )
