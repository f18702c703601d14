"""The clean stage: title and image facts of every listing, and whether it goes on.

Per part: listings and their pictures in; cleaned rows and decisions out. A picture is decoded once
a part, in small batches, so memory does not depend on the number of records.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import imagehash
import numpy as np
import PIL
import pyarrow as pa
import scipy

from cleaning.candidates import OPTED_OUT
from cleaning.fingerprints import VERSIONS
from cleaning.image_rules import ImageFacts, ImageThresholds, judge_image
from cleaning.images import ImageLimits
from cleaning.pictures import Picture, pictures_of
from cleaning.rules import RuleVerdict, TitleThresholds, judge_title
from cleaning.sketch import title_sketches
from runtime.config import CleanConfig
from runtime.image_index import ImageIndex, ImagePlace
from runtime.keys import digest
from runtime.optouts import forbids
from runtime.parts import run_key
from runtime.stages import Context, Counts, StageResult, Unit, run_units
from runtime.tables import CLEANED, DECISIONS
from runtime.workspace import Run

VERSION = "1"
MAX_IMAGE_BYTES = 256 * 1024 * 1024  # fetch has its own bound, and never a larger one
# Libraries that decide what a part holds; another version is another run key.
LIBRARIES = (
    f"python {sys.version_info.major}.{sys.version_info.minor}",
    f"pillow {PIL.__version__}",
    f"numpy {np.__version__}",
    f"scipy {scipy.__version__}",
    f"imagehash {imagehash.__version__}",
    f"pyarrow {pa.__version__}",
)

FETCH_FAILED = "image_fetch_failed_v1"
PASSED = "clean_passed_v1"
_OPT_OUT_OUTCOMES = frozenset({"opted_out"})


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


def clean(context: Context) -> StageResult:
    """Clean every part whose listings, pictures, settings or libraries changed."""
    run = context.run
    settings, honour = context.config.clean, tuple(sorted(set(context.config.crawl.honour)))
    declared = [settings.model_dump(mode="json"), honour]
    version = "; ".join((VERSION, *LIBRARIES, VERSIONS[settings.fingerprints]))
    units = []
    index = ImageIndex(run, read_only=True)
    try:
        for name, listings in run.listings.seals().items():
            inputs = {"listings": listings.sha256, "images": _images_digest(run, name, index)}
            key = run_key("clean", version, declared, inputs)
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
    judge = _Judge(settings, work.honour, run.run_id)
    for row in listings:
        place = places.get(row["image_url"])
        picture = None if place is None else pictures.get((place.part, place.row))
        judge.add(row, place, picture)
    rows = judge.rows
    sketches = title_sketches([row["title"] or "" for row in rows])
    for row, sketch in zip(rows, sketches, strict=True):
        row["sketch"] = sketch.tobytes()
    run.decisions("clean").write(
        work.name, pa.Table.from_pylist(judge.decisions, DECISIONS.schema), work.key
    )
    run.cleaned.write(work.name, pa.Table.from_pylist(rows, CLEANED.schema), work.key, judge.counts)


@dataclass
class _Judge:
    """Collects the rows, decisions and counts of one part."""

    settings: CleanConfig
    honour: tuple[str, ...]
    run_id: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    decisions: list[dict[str, Any]] = field(default_factory=list)
    counts: Counts = field(default_factory=Counter)

    def __post_init__(self) -> None:
        bound = self.settings.min_title_chars
        self._titles = TitleThresholds(
            max_chars=self.settings.max_title_chars,
            max_repetition=self.settings.max_title_repetition,
        )
        if bound is not None:
            self._titles = replace(self._titles, min_chars=bound, min_chars_latin=bound)
        self._images = ImageThresholds(
            self.settings.min_image_side,
            self.settings.max_image_aspect,
            self.settings.min_image_deviation,
        )

    def add(self, row: dict[str, Any], place: ImagePlace | None, picture: Picture | None) -> None:
        """Judge one listing."""
        title = judge_title(row["title"] or "", self._titles, tuple(self.settings.languages))
        verdicts = [*self._opt_out(row["opt_out"]), *title.verdicts]
        if place is not None or not verdicts or verdicts[0].rule != OPTED_OUT:
            # The picture of a page that opted out was not asked for, and is not missing.
            verdicts += self._image(row["image_url"], place, picture)
        self.counts.update(["rejected" if verdicts else "kept"])
        self.counts.update(f"rule.{verdict.rule}" for verdict in verdicts)
        for verdict in verdicts or [RuleVerdict(PASSED, "no title or image rule fired", "", "")]:
            self.decisions.append(self._decision(row["record_id"], verdict, bool(verdicts)))
        self.rows.append(
            {
                "record_id": row["record_id"],
                "kept": not verdicts,
                "title": title.title,
                "title_raw": row["title"],
                "removed_segments": list(title.removed),
                "language": title.language,
                "width": picture and picture.facts.width,
                "height": picture and picture.facts.height,
                "format": picture and picture.decoded_format,
                "sha256": place and place.sha256,
                "phash": picture and picture.phash,
                "phash_trim": picture and picture.phash_trim,
                "colour": picture and picture.colour,
                "colour_trim": picture and picture.colour_trim,
                "content_width": picture and picture.content_width,
                "content_height": picture and picture.content_height,
                "image_part": place and place.part,
                "image_row": place and place.row,
            }
        )

    def _opt_out(self, words: str | None) -> list[RuleVerdict]:
        if words is None or not forbids(words, self.honour):
            return []
        return [RuleVerdict(OPTED_OUT, "the shop forbids this use of the page", words, "")]

    def _image(
        self, url: str | None, place: ImagePlace | None, picture: Picture | None
    ) -> Sequence[RuleVerdict]:
        if picture is not None:
            return judge_image(picture.facts, self._images)
        if url is None:
            return judge_image(ImageFacts(present=False), self._images)
        outcome = "not requested" if place is None else place.outcome
        if outcome in _OPT_OUT_OUTCOMES:
            words = "X-Robots-Tag of the image"
            return [RuleVerdict(OPTED_OUT, "the shop forbids this use of the image", words, "")]
        return [RuleVerdict(FETCH_FAILED, "its image could not be had", outcome, "ok")]

    def _decision(self, record_id: str, verdict: RuleVerdict, rejected: bool) -> dict[str, Any]:
        threshold = verdict.threshold
        return {
            "record_id": record_id,
            "stage": "clean",
            "rule": verdict.rule,
            "verdict": "rejected" if rejected else "kept",
            "reason": verdict.reason,
            "value": str(verdict.value),
            "threshold": float(threshold) if isinstance(threshold, int | float) else None,
            "peer_id": None,
            "run_id": self.run_id,
        }
