"""Measuring: the figures of a run, from the counts in its seals and a few columns of its tables.

Comes in: a run whose publish decisions are made. Goes out: its `Figures`. One part is in memory
at a time, and no picture is read.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from operations.gates.figures import FIELDS, Figures, SiteFigures
from runtime.optouts import OPTED_OUT_RULE
from runtime.tombstones import REMOVED
from runtime.workspace import Run

_FETCH_FAILED = "rule.image_fetch_failed_v1"


def measure(run: Run, *, removed: int, published: int) -> Figures:
    """The figures of every site of the run. Raises PartError when a part is damaged.

    `removed` are the published records that leave, of the `published` there are.
    """
    parts: dict[str, list[str]] = defaultdict(list)
    for name in run.listings.names():
        parts[name.rpartition("-")[0]].append(name)
    sites = {site: measure_site(run, site, parts[site]) for site in sorted(run.record["sites"])}
    return Figures(sites, removed, published)


def measure_site(run: Run, site: str, parts: Sequence[str]) -> SiteFigures:
    """The figures of one site, whose listings are in these parts."""
    pages, sightings = run.pages.seal(site), run.sightings.seal(site)
    counts, filled = _of_seals(run, parts), _filled(run, parts)
    opted_out = counts["clean", f"rule.{OPTED_OUT_RULE}"]
    failed = counts["clean", _FETCH_FAILED]
    return SiteFigures(
        pages={
            name.removeprefix("pages."): count
            for name, count in sorted((pages.counts if pages else {}).items())
        },
        sightings=sightings.rows + sightings.counts.get(REMOVED, 0) if sightings else 0,
        listings=counts["listings", "rows"],
        new=max(0, counts["listings", "rows"] - _seen_again(run, site)),
        filled={name: filled[name] for name in FIELDS},
        # A picture that must not be used is neither had nor missing.
        pictures=max(filled["image"] - opted_out, failed),
        pictures_failed=failed,
        rejected=counts["clean", "rejected"],
        mapped=counts["labels", "mapped"],
        held=counts["labels", "held"],
        duplicates=counts["dedupe", "duplicate"],
        classes=dict(sorted(_classes(run, parts).items())),
    )


def _of_seals(run: Run, parts: Sequence[str]) -> Counter[tuple[str, str]]:
    """What the parts' seals count, by table."""
    tables = {
        "listings": run.listings, "clean": run.cleaned, "labels": run.labels,
        "dedupe": run.survivors,
    }  # fmt: skip
    found: Counter[tuple[str, str]] = Counter()
    for table, folder in tables.items():
        for part in parts:
            seal = folder.seal(part)
            if seal is not None:
                found[table, "rows"] += seal.rows
                found.update({(table, name): count for name, count in seal.counts.items()})
    return found


def _seen_again(run: Run, site: str) -> int:
    """Listings that an earlier run saw: all it knew, but for those that are absent now."""
    known, absent = run.known.seal(site), run.absent.seal(site)
    return (known.rows if known else 0) - (absent.rows if absent else 0)


def _filled(run: Run, parts: Sequence[str]) -> Counter[str]:
    """How many listings have each field."""
    found: Counter[str] = Counter()
    for part in parts:
        table = run.listings.read(part, list(FIELDS.values()))
        for name, column in FIELDS.items():
            values = table[column]
            if pa.types.is_list(values.type):
                filled = pc.greater(pc.list_value_length(values), 0)
                found[name] += pc.sum(filled).as_py() or 0
            else:
                found[name] += len(values) - values.null_count
    return found


def _classes(run: Run, parts: Sequence[str]) -> Counter[str]:
    """Mapped records by the name of their class."""
    found: Counter[str] = Counter()
    for part in parts:
        if run.labels.seal(part) is not None:
            names = run.labels.read(part, ["class_name"])["class_name"].drop_null()
            for row in names.value_counts().to_pylist():
                found[row["values"]] += row["counts"]
    return found
