"""Which categories of a run's shops wait for an answer, the ones with most records first.

In come the labels of a run and the records' paths; out goes one entry for each site and path that
nobody has answered yet, with examples and guesses. What is counted is kept, not the records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runtime.workspace import Run
from taxonomy.breadcrumbs import Breadcrumb, read_breadcrumb, without_title
from taxonomy.curated import STAR, CuratedMapping
from taxonomy.names import normalise_name
from taxonomy.suggestions import Suggestion
from taxonomy.tree import Level, Tree

EXAMPLES = 3
GUESSES = 3
MAX_PATHS = 100_000
"""Paths counted apart; hostile pages could name endlessly many."""


@dataclass(frozen=True)
class Waiting:
    """A path of a site, as the shop writes it, and the records that wait for an answer to it.

    `rule` is why most likely they are held; `examples` are titles; `guesses` come best first. A
    path of "*" stands for records that have none.
    """

    site: str
    path: str
    records: int
    rule: str
    examples: tuple[str, ...]
    guesses: tuple[Suggestion, ...]


@dataclass
class _Count:
    crumb: Breadcrumb
    rule: str
    records: int = 0
    examples: list[str] = field(default_factory=list)
    guesses: dict[tuple[str, int], Suggestion] = field(default_factory=dict)


@dataclass(frozen=True)
class WaitingList:
    """All entries in order, how many records wait in all, and how many paths were not counted."""

    entries: tuple[Waiting, ...]
    records: int
    uncounted: int


def waiting_list(
    run: Run, tree: Tree, mappings: Mapping[str, CuratedMapping], site: str | None = None
) -> WaitingList:
    """What waits in the run, of all sites or of one; what a mapping answers already is left out.

    A record with several paths waits under each of them: one answer is enough for it.
    """
    counts: dict[tuple[str, tuple[str, ...]], _Count] = {}
    records = uncounted = 0
    for part in run.labels.names():
        of = part.rpartition("-")[0]
        if site not in (None, of):
            continue
        mapping = mappings.get(of) or CuratedMapping({}, {})
        for held in _held(run, part):
            crumbs = _crumbs(held)
            if any(mapping.find(crumb) is not None for crumb in crumbs):
                continue
            records += 1
            for crumb in crumbs:
                key = (of, crumb.names)
                count = counts.get(key)
                if count is None:
                    if len(counts) >= MAX_PATHS:
                        uncounted += 1
                        continue
                    count = counts[key] = _Count(crumb, held["label_rule"])
                _add(count, held, tree)
    entries = sorted(
        (_entry(of, count) for (of, _), count in counts.items()),
        key=lambda entry: (-entry.records, entry.site, entry.path),
    )
    return WaitingList(tuple(entries), records, uncounted)


def _held(run: Run, part: str) -> Iterator[dict[str, Any]]:
    """The part's held records that nobody has said of that the tree has no place for them."""
    columns = ["record_id", "mapped", "label_rule", "suggestions", "title_leaf"]
    labels = run.labels.read(part, columns)
    labels = labels.filter(pc.invert(labels["mapped"]))
    if not labels.num_rows:
        return
    listings = run.listings.read(part, ["record_id", "category_paths", "title"])
    places = pc.index_in(labels["record_id"], value_set=listings["record_id"])
    rows = listings.take(places).select(["category_paths", "title"])
    joined = pa.Table.from_arrays(
        [*labels.columns, *rows.columns], names=[*labels.schema.names, *rows.schema.names]
    )
    for batch in joined.to_batches(max_chunksize=1_000):
        yield from batch.to_pylist()


def _crumbs(held: dict[str, Any]) -> list[Breadcrumb]:
    title = normalise_name(held["title"] or "")
    crumbs: dict[tuple[str, ...], Breadcrumb] = {}
    for path in held["category_paths"] or []:
        crumb = without_title(read_breadcrumb(path), title)
        if crumb.names:
            crumbs.setdefault(crumb.names, crumb)
    return [crumbs[names] for names in sorted(crumbs)] or [Breadcrumb((), ())]


def _add(count: _Count, held: dict[str, Any], tree: Tree) -> None:
    count.records += 1
    if held["title"] and len(count.examples) < EXAMPLES:
        count.examples.append(held["title"])
    for row in [held["title_leaf"], *held["suggestions"]]:
        node = row and tree.get(Level(row["level"]), row["id"])
        if not node:
            continue
        known = count.guesses.get((row["level"], row["id"]))
        if known is None or known.confidence < row["confidence"]:
            guess = Suggestion(node, row["confidence"], row["by"])
            count.guesses[row["level"], row["id"]] = guess


def _entry(site: str, count: _Count) -> Waiting:
    guesses = sorted(count.guesses.values(), key=lambda guess: (-guess.confidence, guess.node))
    return Waiting(
        site,
        str(count.crumb) or STAR,
        count.records,
        count.rule,
        tuple(count.examples),
        tuple(guesses[:GUESSES]),
    )
