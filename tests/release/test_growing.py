"""A release of 5,000 records grown by 500, by the project's own commands."""

from __future__ import annotations

from pathlib import Path

from benchmarks.release_run import add_run, command, configure
from provenance.verify import examine
from release.lineage import LINEAGE_FILE, stream_table
from release.manifest import read_manifest
from runtime.workspace import Workspace
from taxonomy.tree import load_tree

RECORDS, NEWCOMERS, SIDE = 5_000, 500, 75


def test_a_grown_release_keeps_its_full_shards_as_they_are(tmp_path: Path) -> None:
    configure(tmp_path, shard_mib=1)
    releases = Workspace(tmp_path).releases
    add_run(tmp_path, 0, RECORDS, SIDE)
    command(tmp_path, "publish")
    add_run(tmp_path, RECORDS, RECORDS + NEWCOMERS, SIDE)
    grown = command(tmp_path, "publish")
    first, second = releases / "1.0.0", releases / "1.1.0"
    before, after = read_manifest(first), read_manifest(second)
    old = {entry.path for entry, _ in before.shards}
    new = {entry.path for entry, _ in after.shards}
    for path in old & new:
        assert (first / path).samefile(second / path)
    # One short shard of a split at most is topped up.
    topped_up = [entry.path.split("-")[0] for entry, _ in before.shards if entry.path not in new]
    assert len(topped_up) == len(set(topped_up)) <= 3
    assert len(old & new) >= 3
    assert after.counts.records == before.counts.records + after.counts.added
    assert after.counts.added > NEWCOMERS / 2
    assert grown.peak_mb < 1_000
    kept = splits(first)
    assert {record: splits(second)[record] for record in kept} == kept
    found = examine(second, None, lambda done, total=None: None, load_tree(), sample=500)
    assert found.failures == []


def splits(release: Path) -> dict[str, str]:
    return {
        row["record_id"]: row["split"]
        for batch in stream_table(release / LINEAGE_FILE)
        for row in batch.select(["record_id", "split"]).to_pylist()
    }
