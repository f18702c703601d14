"""All sightings of one record become one listing.

The product page before the grid, then the sighting with more fields, then the smallest canonical
URL; every category path is kept. A page that forbids its own use takes its tiles out; words on
the product's own page, or that forbid the use of what is shown anywhere, count for the record.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import compress

from crawler.rows import Row
from runtime.origins import CRAWLED
from runtime.tables import LISTINGS, SIGHTINGS

RULE = "merged_sighting_v1"
# What a robots tag says of the page that carries it; every other word is about what it shows.
PAGE_WORDS = frozenset({"noindex", "none"})
_SHARED = tuple(name for name in LISTINGS.schema.names if name in SIGHTINGS.schema.names)


def merge_sightings(
    sightings: Sequence[Row],
    paths: Mapping[str, Sequence[str]],
    refused: bool,
    run_id: str,
    known: Row | None = None,
    *,
    honour_noindex: bool = True,
) -> tuple[Row, list[Row]]:
    """One record's listing, and a `merged` decision for each of its other sightings.

    `paths` are category paths by page, from links; `refused` tells that robots.txt disallows the
    product's page; `known` is what earlier runs knew of the record. Instants may be of any one
    type. A field that the kept sighting lacks is taken from the next one that has it.
    """
    ordered = sorted(sightings, key=_preference)
    shown = [not (honour_noindex and hides_itself(row)) for row in ordered]
    if not any(shown):
        shown = [True] * len(ordered)
    used = list(compress(ordered, shown))
    kept = used[0]
    found: dict[tuple[str, ...], None] = {}
    for row in used:
        for path in row["category_paths"]:
            found.setdefault(tuple(path))
        if from_links := paths.get(row["page_url"]):
            found.setdefault(tuple(from_links))
    opt_outs = [row["opt_out"] for row in used if row["opt_out"]]
    if refused:
        opt_outs.append("robots.txt: disallows the product's page")
    times = [row["fetched_at"] for row in ordered]
    listing = {
        **{name: kept[name] for name in _SHARED},
        "provenance": CRAWLED,
        "title": next((row["title"] for row in used if row["title"]), None),
        "image_url": next((row["image_url"] for row in used if row["image_url"]), None),
        "category_paths": [list(path) for path in found],
        "opt_out": "; ".join(dict.fromkeys(opt_outs)) or None,
        "sightings": len(ordered),
        "first_seen": min([*times, known["first_seen"]] if known else times),
        "last_seen": max([*times, known["last_seen"]] if known else times),
    }
    others = (
        (row, is_used) for row, is_used in zip(ordered, shown, strict=True) if row is not kept
    )
    return listing, [_merged(row, run_id, used=is_used) for row, is_used in others]


def _preference(row: Row) -> tuple[bool, int, str, str, int]:
    filled = bool(row["title"]) + bool(row["image_url"]) + bool(row["category_paths"])
    return (
        row["page_kind"] != "product", -filled, row["product_url"], row["page_url"], row["position"]
    )  # fmt: skip


def hides_itself(row: Row) -> bool:
    """Whether the sighting is on a listing page whose words are about that page alone."""
    if row["page_kind"] == "product" or not row["opt_out"]:
        return False
    words = [
        word.strip().lower()
        for clause in row["opt_out"].split(";")
        for word in clause.rpartition(":")[2].split(",")
    ]
    return all(word in PAGE_WORDS for word in words)


def _merged(row: Row, run_id: str, *, used: bool) -> Row:
    reason = f"another sighting of the record, on a {row['page_kind']} page"
    if not used:
        reason += f" that forbids its use ({row['opt_out']})"
    return {
        "record_id": row["record_id"],
        "stage": "merge",
        "rule": RULE,
        "verdict": "merged",
        "reason": reason,
        "value": f"{row['page_url']}#{row['position']}",
        "threshold": None,
        "peer_id": row["record_id"],
        "run_id": run_id,
    }
