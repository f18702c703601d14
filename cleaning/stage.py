"""The clean stage: title and image facts of every listing, and whether it goes on.

Per part: listings and their pictures in; cleaned rows and decisions out. A picture is decoded once
a part, in small batches, so memory does not depend on the number of records.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from importlib.metadata import version

from PIL import features

from cleaning.hashes import VERSIONS
from cleaning.set_aside import set_aside_part
from runtime.config import CleanConfig
from runtime.image_bytes import prepare_published
from runtime.keys import digest
from runtime.parts import run_key
from runtime.picture_places import PicturePlaces
from runtime.stages import Context, StageResult, Unit, run_units
from runtime.workspace import Run

VERSION = "3"


@dataclass(frozen=True)
class CleanWork:
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
    packages = ("pillow", "simplejpeg", "numpy", "scipy", "pyarrow", "langdetect", "ftfy", "opencc")
    return (
        f"python {sys.version_info.major}.{sys.version_info.minor}",
        f"libjpeg {features.version('jpg')}",
        *(f"{package} {version(package)}" for package in packages),
    )


def clean(context: Context) -> StageResult:
    """Clean every part whose listings, pictures, settings or libraries changed."""
    run = context.run
    prepare_published(run)
    return run_units(
        context,
        "clean: parts",
        [run.decisions("clean"), run.cleaned],
        clean_units(context),
        clean_part,
        after_death=lambda work: replace(work, careful=True),
        set_aside=set_aside_part,
    )


def clean_units(context: Context) -> list[Unit[CleanWork]]:
    """Every part to clean, with its run key."""
    run = context.run
    settings, honour = context.config.clean, tuple(sorted(set(context.config.crawl.honour)))
    declared = [settings.model_dump(mode="json"), honour]
    code = "; ".join((VERSION, *libraries(), VERSIONS[settings.fingerprints]))
    units = []
    places = PicturePlaces(run)
    try:
        for name, listings in run.listings.seals().items():
            inputs = {"listings": listings.sha256, "images": _images_digest(places, name)}
            key = run_key("clean", code, declared, inputs)
            units.append(Unit(name, key, CleanWork(run, name, key, settings, honour)))
    finally:
        places.close()
    return units


def _images_digest(places: PicturePlaces, name: str) -> str:
    """What the part's pictures are, wherever their bytes lie."""
    found = places.of_part(name).values()
    return digest(*(f"{place.outcome} {place.sha256}" for place in found))


def clean_part(work: CleanWork) -> None:
    """Judge every listing of one part, in a worker: only there its libraries are loaded."""
    from cleaning import part

    part.clean_part(work)
