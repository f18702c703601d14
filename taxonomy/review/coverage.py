"""How far a run's records are mapped, by site and rule, and which leaves have few or none.

In come the labels of a run, and the current release where there is one; out go counts. Records of
both count once: record ids lie sorted in both, so that a part is compared with its own range.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from release.lineage import LINEAGE_FILE, read_range, stream_table
from runtime.workspace import Run
from taxonomy.review.held import site_of_part
from taxonomy.tree import Level, Node, Tree

FEW = 30
"""Records below which a leaf is too small to train or to judge on."""

_IDS = ("class_id", "sub_class_id", "subsub_class_id")


@dataclass(frozen=True)
class Coverage:
    """`sites`: mapped, held and `rule.…` counts of the run by site. `records`: of each category
    that has any, in what `source` names."""

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
    """Count the run's labels, and the records of the release and of what may join it.

    Once the run went through publish, the release is all there is; before, the run's mapped
    records count as well, copies among them. Raises PartError and WorkspaceError for damage.
    """
    sites: dict[str, Counter[str]] = {}
    for part, seal in run.labels.seals().items():
        sites.setdefault(site_of_part(part), Counter()).update(seal.counts)
    found: Counter[tuple[str, int]] = Counter()
    sources = []
    if release is not None:
        sources.append(f"release {release.name}")
        for shard in sorted((release / "data").glob("*.parquet")):
            for batch in stream_table(shard, list(_IDS)):
                _count(pa.Table.from_batches([batch]), found)
    if release is None or "publish" not in run.record["stages"]:
        sources.append(f"the mapped records of run {run.run_id}, copies among them")
        for part in run.labels.names():
            _count(_newcomers(run, part, release), found)
    records = {
        node: count
        for (level, id), count in found.items()
        if (node := tree.get(Level(level), id)) is not None
    }
    ordered = {site: dict(sites[site]) for site in sorted(sites)}
    return Coverage(" and ".join(sources), ordered, records)


def _newcomers(run: Run, part: str, release: Path | None) -> pa.Table:
    """The part's mapped records that the release does not have."""
    labels = run.labels.read(part, ["record_id", "mapped", *_IDS])
    labels = labels.filter(labels["mapped"])
    if release is None or not labels.num_rows:
        return labels
    ids = labels["record_id"]
    span = str(ids[0]), str(ids[-1])
    published = read_range(release / LINEAGE_FILE, *span, ["record_id"])
    return labels.filter(pc.invert(pc.is_in(ids, value_set=published["record_id"])))


def _count(table: pa.Table, found: Counter[tuple[str, int]]) -> None:
    for column, level in zip(_IDS, Level, strict=True):
        for pair in pc.value_counts(table[column]).to_pylist():
            if pair["values"] is not None:
                found[level, pair["values"]] += pair["counts"]
