"""When two records show the same picture: the bounds that every comparison of them is held to.

Importing this loads none of the libraries that the search is compiled with.
"""

from __future__ import annotations

from dataclasses import dataclass

from runtime.config import DedupeConfig

MAX_RADIUS = 7
"""In bits: as far as four bands of 16 bits find every neighbour (see ``hamming_index``)."""


@dataclass(frozen=True)
class NeighbourThresholds:
    """When two records show the same picture.

    ``radius``: bits of the 64 that may differ, at most 7. Re-encoded and 75-pixel copies lie within
    2 bits, padded and squared ones within 6 after trimming; at 10, 30 % of what is removed is a
    different product, at 6 with agreeing titles 5.9 %. ``title_free_radius``: up to this many bits
    the titles need not agree (6.2 % wrong at 4, against a floor of 3.7 %).
    ``min_title_agreement``: equal components of the sketches' 32 beyond it; 3 are reached by 95 %
    of title pairs that share a fifth of their 3-grams and by 2 % of all pairs of one sub-class.
    ``max_lightness_difference`` and ``max_chroma_difference`` (of 255, in any cell): 99 % of
    thumbnails and re-encodings stay within 8 and 3; of photos whose hue is turned by 84 degrees
    96 %, all that have a hue to turn, differ by more than 6 in chroma. ``keep_variants`` off
    ignores colour.
    """

    radius: int = 6
    title_free_radius: int = 4
    min_title_agreement: int = 3
    max_lightness_difference: int = 20
    max_chroma_difference: int = 6
    keep_variants: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.radius <= MAX_RADIUS:
            raise ValueError(f"radius is {self.radius}, expected 0 to {MAX_RADIUS}")

    @classmethod
    def of(cls, settings: DedupeConfig) -> NeighbourThresholds:
        """The bounds as configured; exact copies are those within no bit."""
        return cls(
            radius=settings.radius if settings.policy == "near" else 0,
            title_free_radius=settings.title_free_radius,
            min_title_agreement=settings.min_title_agreement,
            max_lightness_difference=settings.max_lightness_difference,
            max_chroma_difference=settings.max_chroma_difference,
            keep_variants=settings.keep_variants,
        )
