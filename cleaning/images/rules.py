"""The rules that keep or refuse an image: a rule is a row of ``IMAGE_RULES``.

In come the facts that decoding and fingerprinting found; out goes every rule that fires, the
deciding one first.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cleaning.images.decoding import ImageFailure
from cleaning.titles.rules import Finding, RuleVerdict


@dataclass(frozen=True)
class ImageThresholds:
    """What an image is measured against; the defaults' origins stand in the rules' rows."""

    min_side: int = 64
    max_aspect: float = 5.0
    min_luminance_std: float = 2.0


@dataclass(frozen=True)
class ImageFacts:
    """An image as the rules see it; sizes and deviation are null when it did not decode."""

    present: bool
    failure: ImageFailure | None = None
    width: int | None = None
    height: int | None = None
    luminance_std: float | None = None


@dataclass(frozen=True)
class ImageRule:
    """One versioned rule; ``predicate`` returns a finding when the image breaks it."""

    name: str
    predicate: Callable[[ImageFacts, ImageThresholds], Finding | None]
    reason: str
    source_of_threshold: str


def _missing(facts: ImageFacts, thresholds: ImageThresholds) -> Finding | None:
    return None if facts.present else ("no image", "one image")


def _failed(rule: str) -> Callable[[ImageFacts, ImageThresholds], Finding | None]:
    def predicate(facts: ImageFacts, thresholds: ImageThresholds) -> Finding | None:
        if facts.failure is None or facts.failure.rule != rule:
            return None
        return facts.failure.reason, "decodable"

    return predicate


def _too_small(facts: ImageFacts, thresholds: ImageThresholds) -> Finding | None:
    if facts.width is None or facts.height is None:
        return None
    side = min(facts.width, facts.height)
    return (side, thresholds.min_side) if side < thresholds.min_side else None


def _extreme_aspect(facts: ImageFacts, thresholds: ImageThresholds) -> Finding | None:
    if not facts.width or not facts.height:
        return None
    aspect = max(facts.width, facts.height) / min(facts.width, facts.height)
    if aspect <= thresholds.max_aspect:
        return None
    return round(aspect, 2), thresholds.max_aspect


def _blank(facts: ImageFacts, thresholds: ImageThresholds) -> Finding | None:
    std = facts.luminance_std
    if std is None or std >= thresholds.min_luminance_std:
        return None
    return round(std, 2), thresholds.min_luminance_std


IMAGE_RULES: tuple[ImageRule, ...] = (
    ImageRule("image_missing_v1", _missing, "no image was received", "by definition"),
    *(
        ImageRule(name, _failed(name), reason, source)
        for name, reason, source in (
            ("image_missing_v1", "the image's response was empty", "by definition"),
            ("image_not_an_image_v1", "the bytes are no raster image", "the formats' magic bytes"),
            (
                "image_too_many_bytes_v1",
                "the file is too large",
                "256 MiB, the most that fetch can be told to take",
            ),
            ("image_too_many_pixels_v1", "too many pixels", "64 M pixels: 192 MB once decoded"),
            ("image_truncated_v1", "the file ends too early", "the formats' end marks"),
            ("image_undecodable_v1", "the file is broken", "by definition"),
            (
                "image_too_slow_v1",
                "the file takes its decoder too long",
                "20 s of processor time: honest pictures of 64 M pixels take 1 to 8",
            ),
            (
                "image_too_much_memory_v1",
                "the file takes its decoder too much memory",
                "48 bytes a pixel: honest pictures take 10 to 31",
            ),
            ("image_kills_decoder_v1", "the file ends its decoder's process", "by definition"),
        )
    ),
    ImageRule(
        "image_too_small_v1",
        _too_small,
        "the image is too small to show a product",
        "41 % of MEP-3M's images are 75x75; 64 keeps them and refuses icons",
    ),
    ImageRule(
        "image_extreme_aspect_v1",
        _extreme_aspect,
        "the image is a banner or a ruler, not a product",
        "product pictures lie within 1:3; 5 leaves room for tall ones",
    ),
    ImageRule(
        "image_blank_v1",
        _blank,
        "the image shows nothing",
        "standard deviation of luminance at 32x32: 0 to 0.5 for blank JPEGs, from 11 for photos",
    ),
)
"""In deciding order: what makes the later measurements impossible comes first."""

OF_TASTE = frozenset({"image_too_small_v1", "image_extreme_aspect_v1", "image_blank_v1"})
"""Rules that refuse a picture which is a picture all the same."""


def judge_image(facts: ImageFacts, thresholds: ImageThresholds) -> tuple[RuleVerdict, ...]:
    """Every rule that fires on an image, the deciding one first; empty means that it is kept."""
    return tuple(
        RuleVerdict(rule.name, rule.reason, *finding)
        for rule in IMAGE_RULES
        if (finding := rule.predicate(facts, thresholds)) is not None
    )
