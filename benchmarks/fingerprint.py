"""Decoding and fingerprinting pictures, beside imagehash alone.

In come JPEGs of quality 85 made of real shop photos where `../shared/data` is present, of the
demo's scenes otherwise; out go milliseconds of processor time for a picture in both modes against
`imagehash.phash(Image.open(...))`, the share of equal hashes, and the share of copies found.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast, get_args

import imagehash
import numpy as np
from fastwarc.warc import ArchiveIterator, WarcRecordType
from PIL import Image, ImageOps

from benchmarks.harness import Benchmark, Measurement
from cleaning.copies.neighbours import Fingerprints, assign_leaders
from cleaning.hashes import Mode
from cleaning.images.decoding import DecodedImage, decode
from cleaning.images.fingerprints import FingerprintBatch, fingerprint_batch
from demo.scenes import render

ARCHIVE = Path(__file__).parents[2] / "shared" / "data" / "oscar-sandbox.warc.gz"
LEAST_SIDE = 300  # the archive's smaller pictures are thumbnails of the others
SCENES = 120
BATCH = 64
ROUNDS = 5
TARGETS: dict[int, float | None] = {800: 5.0, 220: 2.5, 75: None}
CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "re-encoded at quality 50": lambda photo: photo,
    "resized to 75 px": lambda photo: ImageOps.contain(photo, (75, 75)),
    "padded by 5 %": lambda photo: ImageOps.expand(
        photo, (photo.width // 20, photo.height // 20), "white"
    ),
    "squared": lambda photo: ImageOps.pad(photo, (max(photo.size),) * 2, color="white"),
}


def photos() -> list[Image.Image]:
    """Real photos, or scenes of the demo where there are none."""
    if not ARCHIVE.is_file():
        return [render(seed, 480, 360 + 8 * (seed % 20)) for seed in range(SCENES)]
    with ARCHIVE.open("rb") as stream:
        files = [
            record.reader.read()
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response)
            if (record.http_headers.get("Content-Type") or "") == "image/jpeg"
        ]
    opened = (Image.open(io.BytesIO(data)).convert("RGB") for data in files)
    return [photo for photo in opened if max(photo.size) >= LEAST_SIDE]


def encoded(photo: Image.Image, quality: int = 85) -> bytes:
    """The photo as a JPEG file."""
    buffer = io.BytesIO()
    photo.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def ours(files: Sequence[bytes], mode: Mode) -> list[FingerprintBatch]:
    """Fingerprints of files, decoded and taken a batch at a time."""
    batches = []
    for start in range(0, len(files), BATCH):
        images = [decode(data, None, mode) for data in files[start : start + BATCH]]
        batches.append(fingerprint_batch([i for i in images if isinstance(i, DecodedImage)]))
    return batches


def by_imagehash(files: Sequence[bytes]) -> list[int]:
    """The hashes of files by imagehash."""
    opened = (imagehash.phash(Image.open(io.BytesIO(data))) for data in files)
    return [int(str(value), 16) for value in opened]


def measure(full: bool) -> Iterator[Measurement]:
    """Speed at three sizes, equality, and recall; both modes."""
    originals = photos()
    for side, target in TARGETS.items():
        files = [encoded(ImageOps.contain(photo, (side, side))) for photo in originals]
        size = f"{len(files)} JPEGs of {side} px, {sum(map(len, files)) // len(files)} bytes each"
        yield from _speed(files, size, target)
    for mode in get_args(Mode):
        yield from _recall(originals, mode)


def _speed(files: Sequence[bytes], size: str, target: float | None) -> Iterator[Measurement]:
    for mode in get_args(Mode):
        ours(files[:BATCH], mode)  # compiles, or loads what was compiled before
    best: dict[str, float] = {}
    # In turn, so that what else the machine does meets all alike.
    for _ in range(ROUNDS):
        for name in ("imagehash", *get_args(Mode)):
            start = time.process_time()
            by_imagehash(files) if name == "imagehash" else ours(files, cast(Mode, name))
            spent = (time.process_time() - start) / len(files)
            best[name] = min(best.get(name, spent), spent)
    expected = by_imagehash(files)
    for mode in get_args(Mode):
        least = target if mode == "reduced" else None
        ratio = best["imagehash"] / best[mode]
        yield Measurement(
            "fingerprint", f"{size}, {mode}", "ms", round(best[mode] * 1000, 3),
            "imagehash.phash alone", round(best["imagehash"] * 1000, 3), round(ratio, 2),
            None if least is None else f"ratio >= {least:g}",
            None if least is None else ratio >= least,
        )  # fmt: skip
        hashes = np.concatenate([batch.phash for batch in ours(files, mode)]).tolist()
        equal = float(np.mean([a == b for a, b in zip(hashes, expected, strict=True)]))
        if mode == "exact" and equal < 1:
            raise AssertionError(f"{1 - equal:.1%} of the exact hashes differ from imagehash's")
        yield Measurement("fingerprint", f"{size}, {mode}: equal hashes", "share", round(equal, 3))


def _recall(originals: Sequence[Image.Image], mode: Mode) -> Iterator[Measurement]:
    """Copies whose leader is their original, titles alike."""
    count = len(originals)
    for name, change in CHANGES.items():
        quality = 50 if name.startswith("re-encoded") else 85
        copies = [encoded(change(photo), quality) for photo in originals]
        batches = ours([*(encoded(photo, 92) for photo in originals), *copies], mode)
        prints = Fingerprints(
            np.concatenate([batch.phash for batch in batches]),
            np.concatenate([batch.phash_trim for batch in batches]),
            np.concatenate([batch.colour for batch in batches]),
            np.concatenate([batch.colour_trim for batch in batches]),
            np.ones((2 * count, 32), np.uint8),
        )
        leaders = assign_leaders(prints, np.arange(2 * count) < count).leader
        share = float((leaders[count:] == np.arange(count)).mean())
        yield Measurement(
            "fingerprint", f"{count} photos {name}, {mode}: found", "share", round(share, 3)
        )


FINGERPRINT = Benchmark("fingerprint", measure)
