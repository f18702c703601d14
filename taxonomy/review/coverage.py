"""How far a run's records are mapped, by site and rule, and which leaves have few or none.

In come the seals and labels of a run, and the current release where there is one; out go counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from runtime.workspace import Run
from taxonomy.tree import Level, Node, Tree

FEW = 30
"""Records below which a leaf is too small to train or to judge on."""

_IDS = ("class_id", "sub_class_id", "subsub_class_id")


@dataclass(frozen=True)
class Coverage:
    """`sites`: mapped, held and `rule.…` counts of the run by site. `records`: of each category
    with any, in the release (`source` names it) or, before the first, in the run."""

    source: str
    sites: Mapping[str, Mapping[str, int]]
    records: Mapping[Node, int]

    def level(self, level: Level, tree: Tree) -> tuple[int, int]:
        """Categories of a level that have records, and all of them."""
        nodes = [node for node in tree.nodes if node.level is level]
        return sum(node in self.records for node in nodes), len(nodes)

    def few(self, tree: Tree) -> list[tuple[Node, int]]:
        """Leaves with fewer than FEW records, those with none among them, in the tree's order."""
        counts = ((leaf, self.records.get(leaf, 0)) for leaf in tree.leaves())
        return [(leaf, count) for leaf, count in counts if count < FEW]


def coverage(run: Run, release: Path | None, tree: Tree) -> Coverage:
    """Count the run's labels, and the records of the current release or else of the run."""
    sites: dict[str, Counter[str]] = {}
    for part, seal in run.labels.seals().items():
        sites.setdefault(part.rpartition("-")[0], Counter()).update(seal.counts)
    found: Counter[tuple[str, int]] = Counter()
    if release is not None:
        for shard in sorted((release / "data").glob("*.parquet")):
            _count(pq.read_table(shard, columns=list(_IDS)), found)
    else:
        for part in run.labels.names():
            _count(run.labels.read(part, list(_IDS)), found)
    records = {
        node: count
        for (level, id), count in found.items()
        if (node := tree.get(Level(level), id)) is not None
    }
    source = f"release {release.name}" if release is not None else f"run {run.run_id}"
    return Coverage(source, {site: dict(sites[site]) for site in sorted(sites)}, records)


def _count(table: pa.Table, found: Counter[tuple[str, int]]) -> None:
    for column, level in zip(_IDS, Level, strict=True):
        for pair in pc.value_counts(table[column]).to_pylist():
            if pair["values"] is not None:
                found[level, pair["values"]] += pair["counts"]
