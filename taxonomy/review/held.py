"""The held records of a run, one after the other, as the mapper saw them.

In come the labels, listings and cleaned titles of a run; out goes, for each record that is held,
what a person needs to see of it. A part is in memory at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runtime.workspace import Run
from taxonomy.breadcrumbs import Breadcrumb, distinct_breadcrumbs, title_among
from taxonomy.suggestions import Suggestion
from taxonomy.tree import Level, Node, Tree

Paths = tuple[tuple[str, ...], ...]

_REMEMBERED = 20_000
"""Sets of paths whose reading is kept: shops have few, hostile pages have endlessly many."""


@dataclass(frozen=True)
class Held:
    """A record without a label: its paths as the shop wrote them and as the mapper read them.

    `crumbs` are without the record's own title at their ends; empty without any category. `rule`
    is why it is held; `guesses` are what the names of all paths and the title may mean, each leaf
    once, `title_guess` what the title alone does.
    """

    record_id: str
    paths: Paths
    crumbs: tuple[Breadcrumb, ...]
    title: str
    rule: str
    guesses: tuple[Suggestion, ...]
    title_guess: tuple[Suggestion, ...]


def site_of_part(part: str) -> str:
    """The site whose records a part holds."""
    return part.rpartition("-")[0]


class HeldReader:
    """Reads the held records of a run's parts; keeps how paths are read from part to part."""

    def __init__(self, run: Run, tree: Tree) -> None:
        self._run = run
        self._tree = tree
        self._crumbs: dict[tuple[Paths, str | None], tuple[Breadcrumb, ...]] = {}
        self._last_names: dict[Paths, frozenset[str]] = {}

    def read(self, part: str) -> Iterator[Held]:
        """The part's held records, in their order. Raises PartError for a damaged part."""
        columns = ["record_id", "mapped", "label_rule", "suggestions", "title_leaf"]
        labels = self._run.labels.read(part, columns)
        labels = labels.filter(pc.invert(labels["mapped"]))
        if not labels.num_rows:
            return
        ids = labels["record_id"]
        listings = self._run.listings.read(part, ["record_id", "category_paths"])
        cleaned = self._run.cleaned.read(part, ["record_id", "title"])
        joined = pa.table(
            {
                "record_id": ids,
                "label_rule": labels["label_rule"],
                "suggestions": labels["suggestions"],
                "title_leaf": labels["title_leaf"],
                "category_paths": _looked_up(listings, ids, "category_paths"),
                "title": _looked_up(cleaned, ids, "title"),
            }
        )
        for batch in joined.to_batches(max_chunksize=1_000):
            for row in batch.to_pylist():
                yield self._held(row)

    def _held(self, row: dict[str, Any]) -> Held:
        paths = tuple(map(tuple, row["category_paths"] or ()))
        title = row["title"] or ""
        by_title = [row["title_leaf"]] if row["title_leaf"] else []
        return Held(
            row["record_id"], paths, self._read(paths, title), title, row["label_rule"],
            self._guesses([*by_title, *row["suggestions"]]), self._guesses(by_title),
        )  # fmt: skip

    def _read(self, paths: Paths, title: str) -> tuple[Breadcrumb, ...]:
        names = self._last_names.get(paths)
        if names is None:
            if len(self._crumbs) >= _REMEMBERED:
                self._crumbs.clear()
                self._last_names.clear()
            whole = self._crumbs[paths, None] = distinct_breadcrumbs(paths)
            names = self._last_names[paths] = frozenset(crumb.names[-1] for crumb in whole)
        ending = title_among(names, title) if title else None
        if (paths, ending) not in self._crumbs:
            self._crumbs[paths, ending] = distinct_breadcrumbs(paths, ending)
        return self._crumbs[paths, ending]

    def _guesses(self, rows: list[dict[str, Any]]) -> tuple[Suggestion, ...]:
        best: dict[Node, Suggestion] = {}
        for row in rows:
            node = self._tree.get(Level(row["level"]), row["id"])
            known = best.get(node) if node is not None else None
            if node is not None and (known is None or known.confidence < row["confidence"]):
                best[node] = Suggestion(node, row["confidence"], row["by"])
        return tuple(best.values())


def _looked_up(rows: pa.Table, ids: pa.ChunkedArray, column: str) -> pa.ChunkedArray:
    """A column in the order of `ids`; null where a stage that ran again has the record no more."""
    return rows[column].take(pc.index_in(ids, value_set=rows["record_id"]))
