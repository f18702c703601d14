"""What is sown in the embedded shops, how much of it, and the fate it should meet.

A number of products comes in, the number of products of every kind goes out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Shop = Literal["shop-a", "shop-b"]
MINIMUM_PRODUCTS = 60


class Sown(StrEnum):
    """What was done to a product on purpose."""

    PLAIN = "plain"
    EXACT_COPY = "exact copy"
    REENCODED_COPY = "re-encoded copy"
    RESIZED_COPY = "resized copy"
    PADDED_COPY = "padded copy"
    COLOUR_VARIANT = "colour variant"
    BLANK = "blank picture"
    PLACEHOLDER = "placeholder picture"
    TRUNCATED = "truncated picture"
    MISSING = "missing picture"
    HTML_PICTURE = "HTML served as JPEG"
    FOREIGN_TITLE = "non-Chinese title"
    SPAM_TITLE = "spam title"
    RESIDUE_TITLE = "template residue in title"
    UNMAPPABLE = "unmappable category"
    TWO_LEAVES = "two categories that disagree"
    TWO_CATEGORIES = "second, promotional category"
    DISALLOWED = "robots-disallowed"
    NOAI_HEADER = "noai header"
    NOAI_META = "noai meta tag"
    CRAWL_DELAY = "branch with Crawl-delay"
    REDIRECT = "redirected link"
    RETRY_AFTER = "429 with Retry-After"
    SITEMAP_ONLY = "only in the sitemap"
    ENDLESS_TRAP = "in the endless category"


COPIES = (Sown.EXACT_COPY, Sown.REENCODED_COPY, Sown.RESIZED_COPY, Sown.PADDED_COPY)


class Expected(StrEnum):
    """The fate a product should meet; of a cluster of copies any one member may be published."""

    PUBLISHED = "published"
    DUPLICATE = "duplicate"
    REJECTED = "rejected"
    HELD = "held"
    ABSENT = "absent"


@dataclass(frozen=True)
class Sowing:
    """How many products of a kind are sown: `share` of all, within bounds, and in which shop."""

    share: float
    least: int
    expected: Expected
    shop: Shop | None = None
    most: int = 10**9


SOWINGS: Mapping[Sown, Sowing] = {
    Sown.EXACT_COPY: Sowing(0.03, 1, Expected.DUPLICATE),
    Sown.REENCODED_COPY: Sowing(0.03, 1, Expected.DUPLICATE),
    Sown.RESIZED_COPY: Sowing(0.03, 1, Expected.DUPLICATE),
    Sown.PADDED_COPY: Sowing(0.03, 1, Expected.DUPLICATE),
    Sown.COLOUR_VARIANT: Sowing(0.025, 1, Expected.PUBLISHED),
    Sown.BLANK: Sowing(0.01, 1, Expected.REJECTED),
    # Few unlike titles under one picture could be chance; six and more are a placeholder.
    Sown.PLACEHOLDER: Sowing(0.006, 6, Expected.REJECTED, "shop-b"),
    Sown.TRUNCATED: Sowing(0.01, 1, Expected.REJECTED),
    Sown.MISSING: Sowing(0.01, 1, Expected.REJECTED),
    Sown.HTML_PICTURE: Sowing(0.01, 1, Expected.REJECTED),
    Sown.FOREIGN_TITLE: Sowing(0.012, 6, Expected.REJECTED),
    Sown.SPAM_TITLE: Sowing(0.012, 3, Expected.REJECTED),
    Sown.RESIDUE_TITLE: Sowing(0.01, 2, Expected.REJECTED),
    Sown.UNMAPPABLE: Sowing(0.01, 2, Expected.HELD),
    Sown.TWO_LEAVES: Sowing(0.005, 1, Expected.HELD, "shop-b"),
    Sown.TWO_CATEGORIES: Sowing(0.015, 1, Expected.PUBLISHED, "shop-b"),
    Sown.DISALLOWED: Sowing(0.01, 1, Expected.ABSENT, "shop-a"),
    Sown.NOAI_HEADER: Sowing(0.005, 1, Expected.ABSENT, "shop-a"),
    Sown.NOAI_META: Sowing(0.005, 1, Expected.ABSENT, "shop-a"),
    # Every product here costs the crawl two delays, so the branch stays small.
    Sown.CRAWL_DELAY: Sowing(0.02, 2, Expected.PUBLISHED, "shop-a", most=9),
    Sown.REDIRECT: Sowing(0.01, 1, Expected.PUBLISHED, "shop-a"),
    Sown.RETRY_AFTER: Sowing(0.002, 2, Expected.PUBLISHED, most=6),
    Sown.SITEMAP_ONLY: Sowing(0.015, 1, Expected.PUBLISHED, "shop-a"),
    Sown.ENDLESS_TRAP: Sowing(0.013, 2, Expected.PUBLISHED, "shop-a"),
}


def sown_counts(products: int) -> dict[Sown, int]:
    """How many products of each kind a catalogue of `products` holds; they add up to it.

    Raises ValueError below 60 products, where not every kind would have room.
    """
    if products < MINIMUM_PRODUCTS:
        raise ValueError(
            f"products: expected {MINIMUM_PRODUCTS} or more, so that every defect can be sown; "
            f"got {products}"
        )
    counts = {
        sown: min(sowing.most, max(sowing.least, round(products * sowing.share)))
        for sown, sowing in SOWINGS.items()
    }
    return {Sown.PLAIN: products - sum(counts.values()), **counts}
