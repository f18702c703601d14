"""The card's section on what is in a release: splits, sites and terms, classes, columns.

In come the manifest and the figures of the release's rows; out goes Markdown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from statistics import median_low

from release.contents import Contents
from release.manifest import Manifest
from release.markdown import code, plain, table
from release.schema import COLUMNS
from release.splits import SMALLEST_VALIDATED


def composition(manifest: Manifest) -> str:
    """What a record is, how many there are, and in which splits."""
    counts = manifest.counts
    rows = [(split, f"{count:,}") for split, count in counts.splits.items()]
    rows.append(("all", f"{counts.records:,}"))
    return (
        "A record is one product of one shop: a picture, its title, and its label.\n\n"
        + table(("split", "records"), rows, numbers=1)
        + f"\nThis release added {counts.added:,} records, removed {counts.removed:,} and changed "
        f"{counts.changed:,} in place; the pictures take {counts.image_bytes / 2**20:,.1f} MiB. "
        "Records whose pictures are near one another, in whatever colour, are in one split; a "
        "record keeps its split over all releases (`lineage/`).\n"
    )


def sites(manifest: Manifest, contents: Contents) -> str:
    """Each site with its terms, the dates of its pages and its records."""
    rows = []
    for site, count in manifest.counts.sites.items():
        terms = manifest.sites.get(site)
        url = terms.terms_url if terms and terms.terms_url else "not stated"
        licence = terms.licence if terms and terms.licence else "not stated"
        days = contents.captured.get(site, ("", ""))
        rows.append((plain(site), plain(licence), plain(url), *days, f"{count:,}"))
    return (
        "The records stay under the terms of the shop they come from.\n\n"
        + table(("site", "licence", "terms", "oldest page", "newest page", "records"), rows,
                numbers=1)
    )  # fmt: skip


def classes(manifest: Manifest, contents: Contents) -> str:
    """How evenly the categories of all three levels are filled."""
    total = manifest.counts.records
    below = [Counter(name for name, _ in level) for level in _levels(contents)]
    rows = [
        (
            plain(name),
            *(f"{level[name]:,}" for level in below),
            f"{count:,}",
            f"{count / total:.1%}",
        )
        for name, count in Counter(manifest.counts.classes).most_common()
    ]
    head = ("class", "sub-classes", "sub-sub-classes", "records", "share")
    return "".join(_balances(contents)) + "\n" + table(head, rows, numbers=4)


def _levels(contents: Contents) -> tuple[Counter[tuple[str, int]], Counter[tuple[str, int]]]:
    return contents.sub_classes, contents.subsub_classes


def _balances(contents: Contents) -> Iterator[str]:
    """How evenly the two lower levels are filled."""
    for name, counts in zip(("sub-class", "sub-sub-class"), _levels(contents), strict=True):
        if counts:
            sizes = sorted(counts.values())
            few = sum(size < SMALLEST_VALIDATED for size in sizes)
            yield (
                f"- Records with a {name}: {counts.total():,}, in {len(counts):,} of them; a "
                f"{name} has {median_low(sizes):,} in the median, {sizes[-1]:,} at most; {few:,} "
                f"have fewer than {SMALLEST_VALIDATED}.\n"
            )


def columns(manifest: Manifest) -> str:
    """Each column as the schema describes it."""
    rows = [(code(c.name), plain(c.description), c.unit, plain(c.example)) for c in COLUMNS]
    text = table(("column", "meaning", "unit", "example"), rows)
    if manifest.fingerprint is None:
        return text
    return text + (
        f"\nFingerprints are of version `{manifest.fingerprint}`: the algorithms, their resampling "
        "and whether JPEGs are decoded in full (`exact`) or at a reduced scale. Hashes of two "
        "versions cannot be compared.\n"
    )
