"""The clean stage: title and image facts of every listing, and whether it goes on.

Per part: listings and their pictures in; cleaned rows and decisions out. A picture is decoded once
a part, in small batches, so memory does not depend on the number of records.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib.metadata import version

from PIL import features

from cleaning.fingerprints import VERSIONS
from cleaning.images import ImageLimits
from cleaning.judge import Judge
from cleaning.pictures import pictures_of
from runtime.config import CleanConfig
from runtime.image_index import ImageIndex
from runtime.keys import digest
from runtime.parts import run_key
from runtime.stages import Context, StageResult, Unit, run_units
from runtime.workspace import Run

VERSION = "2"
MAX_IMAGE_BYTES = 256 * 1024 * 1024  # fetch has its own bound, and never a larger one


@dataclass(frozen=True)
class _Work:
    """One part to clean."""

    run: Run
    name: str
    key: str
    settings: CleanConfig
    honour: tuple[str, ...]
    careful: bool = False
    """Whether each picture is decoded where its crash does no harm: its part killed a worker."""


def libraries() -> tuple[str, ...]:
    """Versions of the libraries that decide what a part holds; another one is another run key."""
    packages = ("pillow", "numpy", "scipy", "pyarrow", "langdetect", "ftfy")
    return (
        f"python {sys.version_info.major}.{sys.version_info.minor}",
        f"libjpeg {features.version('jpg')}",
        *(f"{package} {version(package)}" for package in packages),
    )


def clean(context: Context) -> StageResult:
    """Clean every part whose listings, pictures, settings or libraries changed."""
    run = context.run
    settings, honour = context.config.clean, tuple(sorted(set(context.config.crawl.honour)))
    declared = [settings.model_dump(mode="json"), honour]
    code = "; ".join((VERSION, *libraries(), VERSIONS[settings.fingerprints]))
    units = []
    index = ImageIndex(run, read_only=True)
    try:
        for name, listings in run.listings.seals().items():
            inputs = {"listings": listings.sha256, "images": _images_digest(run, name, index)}
            key = run_key("clean", code, declared, inputs)
            units.append(Unit(name, key, _Work(run, name, key, settings, honour)))
    finally:
        index.close()
    outputs = [run.decisions("clean"), run.cleaned]
    return run_units(
        context,
        "clean: parts",
        outputs,
        units,
        clean_part,
        after_death=lambda work: replace(work, careful=True),
    )


def _images_digest(run: Run, name: str, index: ImageIndex) -> str:
    """What the part's pictures are, wherever their bytes lie."""
    urls = run.listings.read(name, ["image_url"])["image_url"].to_pylist()
    places = index.places(url for url in urls if url)
    found = ((places[url].outcome, places[url].sha256) for url in urls if url in places)
    return digest(*(f"{outcome} {sha256}" for outcome, sha256 in found))


def clean_part(work: _Work) -> None:
    """Judge every listing of one part."""
    run, settings = work.run, work.settings
    columns = ["record_id", "title", "image_url", "opt_out"]
    listings = run.listings.read(work.name, columns).to_pylist()
    index = ImageIndex(run, read_only=True)
    try:
        places = index.places(row["image_url"] for row in listings if row["image_url"])
    finally:
        index.close()
    limits = ImageLimits(
        MAX_IMAGE_BYTES,
        settings.max_image_megapixels * 1_000_000,
        settings.max_image_seconds,
    )
    pictures = pictures_of(
        run, places.values(), limits, settings.fingerprints, careful=work.careful
    )
    judge = Judge(settings, work.honour, run.run_id)
    for row in listings:
        place = places.get(row["image_url"])
        picture = None if place is None else pictures.get((place.part, place.row))
        judge.add(row, place, picture)
    run.decisions("clean").write(work.name, judge.decisions(), work.key)
    run.cleaned.write(work.name, judge.cleaned(), work.key, judge.counts)
