"""Judge the listings of one part: its title, its picture, the shop's opt-outs.

In come listings and what is known of their pictures; out go the rows of ``cleaned``, the decisions
of the clean stage and their counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from cleaning.images.pictures import Picture
from cleaning.images.rules import OF_TASTE, ImageFacts, ImageThresholds, judge_image
from cleaning.titles.language import LanguageThresholds
from cleaning.titles.rules import RuleVerdict, TitleJudgement, TitleThresholds, judge_title
from cleaning.titles.sketch import title_sketches
from runtime import columns
from runtime.config import CleanConfig
from runtime.decisions import Decisions
from runtime.image_index import ImagePlace
from runtime.optouts import OPTED_OUT_RULE, forbids
from runtime.origins import IMPORTED
from runtime.stages import Counts
from runtime.tables import CLEANED

FETCH_FAILED = "image_fetch_failed_v1"
PASSED = "clean_passed_v1"
_OPT_OUT_OUTCOMES = frozenset({"opted_out"})
_UNKNOWN = Picture(ImageFacts(present=False))
_NOWHERE = ImagePlace("not requested", "", 0, None)


class Judge:
    """Collects the rows, decisions and counts of one part."""

    def __init__(self, settings: CleanConfig, honour: tuple[str, ...], run_id: str) -> None:
        self.counts: Counts = Counter()
        self._languages = tuple(settings.languages)
        self._honour = honour
        self._decisions = Decisions("clean", run_id)
        self._columns: dict[str, list[Any]] = {
            name: [] for name in CLEANED.schema.names if name != "sketch"
        }
        self._titles = _title_thresholds(settings)
        self._images = ImageThresholds(
            settings.min_image_side, settings.max_image_aspect, settings.min_image_deviation
        )

    def add(
        self, row: Mapping[str, Any], place: ImagePlace | None, picture: Picture | None
    ) -> None:
        """Judge one listing; `place` is where its picture lies, `picture` what is known of it.

        An imported record was chosen by others: it is refused where its picture is none, else what
        would have refused it is flagged.
        """
        title = judge_title(row["title"] or "", self._titles, self._languages)
        verdicts, flags = [*self._opt_out(row["opt_out"]), *title.verdicts], [*title.flags]
        imported = row["provenance"] == IMPORTED
        alone = imported and place is None  # a title is all that the copy has of it
        opted_out = bool(verdicts) and verdicts[0].rule == OPTED_OUT_RULE
        if not alone and (place is not None or not opted_out):
            # The picture of a page that opted out was not asked for, and is not missing.
            verdicts += self._image(row["image_url"], place, picture)
        if imported:
            tasted = [v for v in verdicts if v in title.verdicts or v.rule in OF_TASTE]
            verdicts = [v for v in verdicts if v not in tasted]
            flags = [*tasted, *flags]
        self._decide(row["record_id"], verdicts, flags)
        self._add_row(row, title, not verdicts, place, picture)

    def decisions(self) -> pa.Table:
        """Every verdict on every listing."""
        return self._decisions.table()

    def cleaned(self) -> pa.Table:
        """The listings as later stages see them."""
        sketches = title_sketches(self._columns["title"])
        self._columns["sketch"] = [sketch.tobytes() for sketch in sketches]
        return columns.table(self._columns, CLEANED.schema)

    def _decide(
        self, record_id: str, refused: Sequence[RuleVerdict], flags: Sequence[RuleVerdict]
    ) -> None:
        self.counts["rejected" if refused else "kept"] += 1
        if not refused:
            self._decisions.add(record_id, PASSED, "kept", "no title or image rule refused it")
        for verdict, found in [("rejected", v) for v in refused] + [("flagged", v) for v in flags]:
            self.counts[f"rule.{found.rule}"] += 1
            self._decisions.add(
                record_id, found.rule, verdict, found.reason, found.value, found.threshold
            )

    def _add_row(
        self,
        row: Mapping[str, Any],
        title: TitleJudgement,
        kept: bool,
        place: ImagePlace | None,
        picture: Picture | None,
    ) -> None:
        seen = picture or _UNKNOWN
        cells = {
            "record_id": row["record_id"],
            "kept": kept,
            "title": title.title,
            "title_raw": row["title"],
            "removed_segments": title.removed,
            "language": title.language,
            "width": seen.facts.width,
            "height": seen.facts.height,
            "format": seen.decoded_format,
            "sha256": place and place.sha256,
            "phash": seen.phash,
            "phash_trim": seen.phash_trim,
            "colour": seen.colour,
            "colour_trim": seen.colour_trim,
            "content_width": seen.content_width,
            "content_height": seen.content_height,
            "image_part": place and place.part,
            "image_row": place and place.row,
        }
        for name, cell in cells.items():
            self._columns[name].append(cell)

    def _opt_out(self, words: str | None) -> list[RuleVerdict]:
        if words is None or not forbids(words, self._honour):
            return []
        return [RuleVerdict(OPTED_OUT_RULE, "the shop forbids this use of the page", words, "")]

    def _image(
        self, url: str | None, place: ImagePlace | None, picture: Picture | None
    ) -> Sequence[RuleVerdict]:
        if picture is not None:
            return judge_image(picture.facts, self._images)
        if url is None:
            return judge_image(_UNKNOWN.facts, self._images)
        outcome = (place or _NOWHERE).outcome
        if outcome in _OPT_OUT_OUTCOMES:
            words = "X-Robots-Tag of the image"
            reason = "the shop forbids this use of the image"
            return [RuleVerdict(OPTED_OUT_RULE, reason, words, "")]
        return [RuleVerdict(FETCH_FAILED, "its image could not be had", outcome, "ok")]


def _title_thresholds(settings: CleanConfig) -> TitleThresholds:
    thresholds = TitleThresholds(
        max_chars=settings.max_title_chars,
        max_repetition=settings.max_title_repetition,
        language=LanguageThresholds(
            settings.min_script_share,
            settings.min_doubted_letters,
            settings.min_language_probability,
        ),
    )
    least = settings.min_title_chars
    if least is None:
        return thresholds
    return replace(thresholds, min_chars=least, min_chars_latin=least)
