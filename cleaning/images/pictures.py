"""What is known of a part's pictures: their size, their fingerprints, or why they do not decode.

In come the places of origin bytes; out goes a ``Picture`` for each. A picture is decoded once a
part, in small batches, so memory does not depend on how many there are; and within an allowance of
processor time and memory, which ends the worker. Such a part is done again with care: its pictures
are decoded in a process apart, and one that kills it is refused by name.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

from PIL import Image

from cleaning.hashes import Mode
from cleaning.images.decoding import DecodedImage, ImageFailure, ImageLimits, decode
from cleaning.images.fingerprints import fingerprint_batch
from cleaning.images.rules import ImageFacts
from runtime.allowance import SIGNAL, is_expendable, limited_memory, limited_time, unheard
from runtime.apart import OUT_OF_MEMORY, Death, judged_apart
from runtime.image_bytes import picture_bytes
from runtime.image_index import ImagePlace
from runtime.workspace import Run

BATCH_IMAGES = 64
BATCH_PIXELS = 32_000_000

# The worst honest picture, 16-bit grey, takes 31 bytes a pixel (measured); AVIF's threads take
# 8 MiB of stack for each processor.
BYTES_PER_PIXEL = 48
BYTES_BESIDE = 1024**3
# What passed in a worker must pass again apart, whatever the two had allocated before.
MORE_APART = 1.25


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
    """The facts of every picture that was received, by (image part, row).

    The limit on time is kept in processes that may end; in them a picture that is too slow, or
    crashes its decoder, ends the process. `careful` decodes apart instead, and says which ones
    those are. Memory that is refused leads there by itself.
    """
    rows: dict[str, set[int]] = defaultdict(set)
    for place in places:
        if place.outcome == "ok":
            rows[place.part].add(place.row)
    found: dict[tuple[str, int], Picture] = {}
    for part in sorted(rows):
        origin = _Origin(run, part, limits, mode)
        wanted = sorted(rows[part])
        try:
            pictures = dict(origin.apart(wanted) if careful else origin.pictures(wanted))
        except MemoryError:
            pictures = dict(origin.apart(wanted))
        found.update(((part, row), picture) for row, picture in pictures.items())
    return found


@dataclass(frozen=True)
class _Origin:
    """The pictures of one image part, read a row group at a time (some megabytes)."""

    run: Run
    part: str
    limits: ImageLimits
    mode: Mode

    def pictures(self, rows: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """Every picture's facts, decoded here; within limits, where this process may end."""
        with ExitStack() as limits:
            if is_expendable():
                limits.enter_context(limited_memory(self._memory() + _batch_bytes(self.limits)))
                limits.enter_context(unheard())
            decoded = (self._decoded(data) for data in self.read(rows))
            for batch in _batches(zip(rows, decoded, strict=True)):
                found = _fingerprinted([image for _, image in batch])
                done = [row for row, _ in batch]
                batch.clear()  # before the next one is decoded
                yield from zip(done, found, strict=True)

    def apart(self, rows: Sequence[int]) -> Iterator[tuple[int, Picture]]:
        """The same, decoded in a process apart; those that kill it are refused."""
        for row, judged in judged_apart(self, rows):
            yield row, self._refused(judged) if isinstance(judged, Death) else judged

    def read(self, rows: Sequence[int]) -> Iterator[bytes]:
        """Origin bytes, in the rows' order."""
        Image.init()  # loading the formats' modules shall not count as the first picture's time
        for data in picture_bytes(self.run, self.part, rows):
            yield b"" if data is None else data.to_pybytes()

    def judge(self, data: bytes) -> Picture:
        """One picture's facts, in the process apart."""
        with limited_memory(int(self._memory() * MORE_APART)), unheard():
            (picture,) = _fingerprinted([self._decoded(data, MORE_APART)])
        return picture

    def _decoded(self, data: bytes, times: float = 1.0) -> DecodedImage | ImageFailure:
        if not is_expendable():
            return decode(data, self.limits, self.mode)
        with limited_time(self.limits.max_seconds * times):
            return decode(data, self.limits, self.mode)

    def _memory(self) -> int:
        """Bytes that decoding one picture may take. Fingerprinting it takes less, and its time
        is bounded by the pixels: 10 ms a million."""
        beside = BYTES_BESIDE + self.limits.max_bytes
        return beside + BYTES_PER_PIXEL * self.limits.max_pixels

    def _refused(self, death: Death) -> Picture:
        if death.cause == SIGNAL:
            seconds = f"{self.limits.max_seconds:g} s of processor time"
            failure = ImageFailure("image_too_slow_v1", f"decoding it took more than {seconds}")
        elif death.cause == OUT_OF_MEMORY:
            gibibytes = f"{self._memory() / 1024**3:.1f} GiB"
            failure = ImageFailure(
                "image_too_much_memory_v1", f"decoding it needs more than {gibibytes}"
            )
        else:
            reason = f"decoding it ends its process by {death.cause}"
            failure = ImageFailure("image_kills_decoder_v1", reason)
        return Picture(ImageFacts(present=True, failure=failure))


def _batch_bytes(limits: ImageLimits) -> int:
    """The most that a batch of decoded pictures takes."""
    return 3 * (BATCH_PIXELS + limits.max_pixels)


_Numbered = tuple[int, DecodedImage | ImageFailure]


def _batches(decoded: Iterable[_Numbered]) -> Iterator[list[_Numbered]]:
    """Bounded in pictures and in pixels: decoded pictures are large."""
    batch: list[_Numbered] = []
    pixels = 0
    for row, image in decoded:
        batch.append((row, image))
        pixels += image.pixels.size // 3 if isinstance(image, DecodedImage) else 0
        if len(batch) >= BATCH_IMAGES or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def _fingerprinted(batch: Sequence[DecodedImage | ImageFailure]) -> list[Picture]:
    images = [image for image in batch if isinstance(image, DecodedImage)]
    found = iter(_prints_of(images) if images else ())
    return [
        Picture(ImageFacts(present=True, failure=image))
        if isinstance(image, ImageFailure)
        else next(found)
        for image in batch
    ]


def _prints_of(images: Sequence[DecodedImage]) -> Iterator[Picture]:
    prints = fingerprint_batch(images)
    for i, image in enumerate(images):
        facts = ImageFacts(
            present=True,
            width=image.width,
            height=image.height,
            luminance_std=float(prints.luminance_std[i]),
        )
        yield Picture(
            facts,
            image.format,
            int(prints.phash[i]),
            int(prints.phash_trim[i]),
            prints.colour[i].tobytes(),
            prints.colour_trim[i].tobytes(),
            int(prints.content[i, 0]),
            int(prints.content[i, 1]),
        )
