"""Writing a release's decisions: those of its run on records whose verdicts changed.

Comes in: the decisions of all stages, part by part, and the files that the parent release has. Goes
out: one file, sorted by record_id, with all decisions on each record of which one differs from what
the parent's newest file says of it; the parent's files are carried as they are. That a published
record was seen again is no difference.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provenance.ledger import DECIDING_STAGES
from release.ledger_files import Row, decisions_between, ledger_file, ledger_files
from release.lineage import stream_table, write_sorted
from release.manifest import FileEntry, LedgerFacts, Manifest, RuleCount
from release.publish_rules import ALREADY, NEWCOMER
from runtime.columns import column
from runtime.executor import WorkerPool
from runtime.storage import link_or_copy, sha256_file
from runtime.tables import DECISIONS
from runtime.workspace import Run

_ORDER = ("record_id", "order", "rule", "value", "peer_id")
_SAID = tuple(name for name in DECISIONS.schema.names if name not in ("record_id", "run_id"))


@dataclass(frozen=True)
class _CollectWork:
    """One listings part, and the release whose ledger says what was known."""

    run: Run
    part: str
    target: Path
    parent: Path | None
    files: tuple[FileEntry, ...]


@dataclass(frozen=True)
class _Collected:
    """What is new of a part."""

    part: str
    records: int
    rules: Counter[tuple[str, str, str]]


def write_ledger(
    pool: WorkerPool,
    run: Run,
    folder: Path,
    scratch: Path,
    version: str,
    parent: Path | None,
    manifest: Manifest | None,
) -> FileEntry:
    """Write the file that this version adds; raises WorkspaceError where the parent's is damaged.

    `parent` and `manifest` are the release before it; `scratch` is for the parts on the way.
    """
    pieces = scratch / DECISIONS.name
    pieces.mkdir()
    files = tuple(ledger_files(manifest)) if manifest is not None else ()
    parts = sorted(run.listings.names(), key=site_order)
    works = [_CollectWork(run, part, pieces / f"{part}.parquet", parent, files) for part in parts]
    records = 0
    rules: Counter[tuple[str, str, str]] = Counter()
    for found in pool.map(collect_decisions, works):
        records += found.records
        rules.update(found.rules)
    path = folder / ledger_file(version)
    rows = (pa.Table.from_batches([b]) for work in works for b in stream_table(work.target))
    written = write_sorted(path, DECISIONS, rows)
    counts = tuple(RuleCount(*key, count) for key, count in sorted(rules.items()))
    return FileEntry(
        ledger_file(version), path.stat().st_size, sha256_file(path), written,
        ledger=LedgerFacts(records, counts),
    )  # fmt: skip


def carry_ledger(parent: Path, manifest: Manifest, folder: Path) -> list[FileEntry]:
    """Link the parent's files of decisions, unchanged."""
    entries = ledger_files(manifest)
    for entry in entries:
        link_or_copy(parent / entry.path, folder / entry.path)
    return entries


def site_order(part: str) -> tuple[str, str]:
    """Orders parts `<site>-<number>` as the record ids in them, which start with `<site>:`."""
    site, _, number = part.rpartition("-")
    return f"{site}:", number


def collect_decisions(work: _CollectWork) -> _Collected:
    """Write the part's new decisions, by record, stage order and rule."""
    tables = []
    for number, stage in enumerate(DECIDING_STAGES):
        folder = work.run.decisions(stage)
        if folder.seal(work.part) is not None:
            rows = folder.read(work.part)
            order = column([number] * rows.num_rows, pa.int8())
            tables.append(rows.append_column("order", order))
    rows = pa.concat_tables(tables).sort_by([(name, "ascending") for name in _ORDER])
    rows = rows.drop_columns("order").cast(DECISIONS.schema)
    changed = _changed(work, rows) if work.files and rows.num_rows else None
    if changed is not None:
        wanted = pa.array(sorted(changed), pa.string())
        rows = rows.filter(pc.is_in(rows["record_id"], value_set=wanted))
    pq.write_table(rows, work.target)
    told = zip(*(rows[name].to_pylist() for name in ("stage", "rule", "verdict")), strict=True)
    return _Collected(work.part, pc.count_distinct(rows["record_id"]).as_py(), Counter(told))


def _changed(work: _CollectWork, rows: pa.Table) -> set[str]:
    """The records of which the parent's ledger says something else, or nothing."""
    now = dict(_by_record(rows))
    changed, open_ids = set(), set(now)
    low, high = min(now), max(now)
    for entry in reversed(work.files):
        if not open_ids or work.parent is None:
            break
        for record_id, said in _by_record(decisions_between(work.parent, entry, low, high)):
            if record_id in open_ids:
                open_ids.remove(record_id)
                if said != now[record_id]:
                    changed.add(record_id)
    return changed | open_ids


def _by_record(rows: pa.Table) -> Iterator[tuple[str, list[Row]]]:
    """What is said of each record, but by whom and that it is published still."""
    ids = rows["record_id"].to_pylist()
    told = zip(ids, rows.select(_SAID).to_pylist(), strict=True)
    for record_id, group in groupby(told, key=lambda pair: pair[0]):
        yield record_id, [row for _, row in group if not _stays(row)]


def _stays(row: Row) -> bool:
    return row["stage"] == "publish" and row["rule"] in (NEWCOMER, ALREADY)
