"""Clean one part: its listings and their pictures in; its cleaned rows and decisions out."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from cleaning.hashes import VERSIONS
from cleaning.images.decoding import ImageLimits
from cleaning.images.pictures import pictures_of
from cleaning.judge import Judge
from runtime.picture_places import PicturePlaces
from runtime.tables import FINGERPRINT

if TYPE_CHECKING:
    from cleaning.stage import CleanWork


def clean_part(work: CleanWork) -> None:
    """Judge every listing of one part."""
    run, settings = work.run, work.settings
    columns = ["record_id", "provenance", "title", "image_url", "opt_out"]
    listings = run.listings.read(work.name, columns).to_pylist()
    with closing(PicturePlaces(run)) as known:
        places = known.of_part(work.name)
    limits = ImageLimits(
        max_pixels=settings.max_image_megapixels * 1_000_000,
        max_seconds=settings.max_image_seconds,
    )
    pictures = pictures_of(
        run, places.values(), limits, settings.fingerprints, careful=work.careful
    )
    judge = Judge(settings, work.honour, run.run_id)
    for row in listings:
        place = places.get(row["record_id"])
        picture = None if place is None else pictures.get((place.part, place.row))
        judge.add(row, place, picture)
    run.decisions("clean").write(work.name, judge.decisions(), work.key)
    version = {FINGERPRINT: VERSIONS[settings.fingerprints]}
    run.cleaned.write(work.name, judge.cleaned(), work.key, judge.counts, metadata=version)
