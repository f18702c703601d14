"""Building a release in a folder that nobody reads yet: shards first, manifest last.

Comes in: the publish decisions of a run, the parent release, the records that leave. Goes out:
every file of the release below one folder, each named with its digest in the manifest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from provenance.ledger import DECIDING_STAGES, Ledger
from release.card import card
from release.carry import Removals, carry_files, carry_shards
from release.gather import GatherWork, gather
from release.inputs import config_digest, libraries
from release.lineage import (
    FINGERPRINTS_FILE,
    LINEAGE_FILE,
    merge_sorted,
    stream_table,
    write_sorted,
)
from release.manifest import (
    FORMAT,
    FileEntry,
    Manifest,
    Parent,
    RuleCount,
    RunFacts,
    SiteTerms,
    count_records,
    file_entry,
    write_manifest,
)
from release.reversion import Reversion
from release.schema import RELEASE_SCHEMA, schema_digest
from release.shards import ShardWork, cut, load_plan, shard_name, write_shard
from runtime.origins import IMPORTED_SITE, MEP3M_LICENCE, MEP3M_TERMS
from runtime.progress import progress
from runtime.stages import Context
from runtime.storage import atomic_path, write_bytes
from runtime.tables import DECISIONS, FINGERPRINT, FINGERPRINTS, LINEAGE, Table
from runtime.version import SOFTWARE, VERSION
from runtime.workspace import Run

MAX_SPILLS = 256  # each shard looks into every spill file


@dataclass(frozen=True)
class Build:
    """Everything a release is made from."""

    context: Context
    folder: Path
    scratch: Path
    version: str
    inputs: str
    parent: Path | None
    parent_manifest: Manifest | None
    parent_sha256: str | None
    account: Ledger
    removals: Removals
    fingerprint: str | None
    reversion: Reversion | None


@dataclass(frozen=True)
class _CollectWork:
    """All stages' decisions on one listings part, to be laid into the release."""

    run: Run
    part: str
    folder: Path


def build_release(build: Build) -> None:
    """Write every file of the release into `build.folder`, the manifest last."""
    files = _newcomer_shards(build)
    added = sum(entry.rows or 0 for entry in files)
    files += _carried_shards(build, files)
    files += _decisions(build)
    files += _lineage(build)
    manifest = _manifest(build, files, added)
    readme = build.folder / "README.md"
    text = card(manifest, build.context.config.clean.languages)
    write_bytes(readme, text.encode())
    files.append(file_entry(build.folder, readme))
    write_manifest(build.folder, _manifest(build, files, added))


# ------------------------------------------------------------------------------ shards


def _newcomer_shards(build: Build) -> list[FileEntry]:
    context, settings = build.context, build.context.config.release
    (build.folder / "data").mkdir(parents=True)
    spills = _gather(build)
    context.pool.rest()  # the two passes' memory need not add up
    ranges = cut(load_plan(spills), settings.shard_mib * 2**20)
    numbers: Counter[str] = Counter()
    works = []
    for shard_range in ranges:
        name = shard_name(shard_range.split, build.version, numbers[shard_range.split])
        numbers[shard_range.split] += 1
        works.append(
            ShardWork(
                shard_range, spills, build.folder, name, settings.row_group_rows, build.fingerprint
            )
        )
    with progress("publish: write shards", len(works), quiet=context.quiet) as tick:
        entries = []
        for entry in context.pool.map(write_shard, works):
            entries.append(entry)
            tick(len(entries))
    for spill in spills:
        spill.unlink()
    return entries


def _gather(build: Build) -> tuple[Path, ...]:
    """First pass; only parts with newcomers are read."""
    context, run = build.context, build.context.run
    seals = run.decisions("publish").seals()
    parts = [part for part, seal in seals.items() if seal.counts.get("newcomers")]
    fingerprints, lineage = build.scratch / FINGERPRINTS.name, build.scratch / LINEAGE.name
    for folder in (fingerprints, lineage):
        folder.mkdir()
    size = max(1, math.ceil(len(parts) / MAX_SPILLS))
    works = [
        GatherWork(
            run, tuple(parts[start : start + size]),
            build.scratch / f"spill-{number:05d}.arrow", fingerprints, lineage,
            build.fingerprint,
        )
        for number, start in enumerate(range(0, len(parts), size))
    ]  # fmt: skip
    with progress("publish: gather pictures", len(works), quiet=context.quiet) as tick:
        for done, _ in enumerate(context.pool.map(gather, works), start=1):
            tick(done)
    return tuple(work.spill for work in works)


def _carried_shards(build: Build, written: list[FileEntry]) -> list[FileEntry]:
    if build.parent is None or build.parent_manifest is None:
        return []
    taken = Counter(entry.shard.split for entry in written if entry.shard is not None)
    return carry_shards(
        build.context.pool, build.parent, build.parent_manifest, build.folder, build.removals,
        version=build.version, first_numbers=dict(taken),
        row_group_rows=build.context.config.release.row_group_rows,
        fingerprint=build.fingerprint,
        reprints=None if build.reversion is None else build.reversion.reprints,
    )  # fmt: skip


# --------------------------------------------------------------------------- decisions


def _decisions(build: Build) -> list[FileEntry]:
    """The parent's decisions by link, this run's by listings part."""
    run = build.context.run
    folder = build.folder / "decisions" / run.run_id
    folder.mkdir(parents=True)
    works = [_CollectWork(run, part, build.folder) for part in run.listings.names()]
    entries = list(build.context.pool.map(collect_decisions, works))
    if build.parent is not None and build.parent_manifest is not None:
        own = f"decisions/{run.run_id}/"
        # A run published again under other settings speaks anew for itself.
        carried = carry_files(
            build.parent, build.parent_manifest, build.folder, "decisions", skip=own
        )
        entries += carried
    return entries


def collect_decisions(work: _CollectWork) -> FileEntry:
    """Write all stages' decisions of a part, by record, stage order and rule."""
    tables = []
    for number, stage in enumerate(DECIDING_STAGES):
        folder = work.run.decisions(stage)
        if folder.seal(work.part) is not None:
            rows = folder.read(work.part)
            order = pa.array(np.full(rows.num_rows, number, np.int8))
            tables.append(rows.append_column("order", order))
    rows = pa.concat_tables(tables).sort_by(
        [(name, "ascending") for name in ("record_id", "order", "rule", "value", "peer_id")]
    )
    path = work.folder / "decisions" / work.run.run_id / f"{work.part}.parquet"
    with atomic_path(path) as temporary:
        pq.write_table(
            rows.drop_columns("order").cast(DECISIONS.schema), temporary, compression="zstd",
            write_page_index=True, write_page_checksum=True,
        )  # fmt: skip
    return file_entry(work.folder, path, rows=rows.num_rows)


# ----------------------------------------------------------------- lineage, fingerprints


def _lineage(build: Build) -> list[FileEntry]:
    removed = build.removals.ids
    fingerprints = build.folder / FINGERPRINTS_FILE
    told = None if build.fingerprint is None else {FINGERPRINT: build.fingerprint}
    old = _old(build, FINGERPRINTS_FILE)
    if build.reversion is not None:
        old = stream_table(build.reversion.index)
    new = _newcomers(build, FINGERPRINTS)
    pictured = write_sorted(fingerprints, FINGERPRINTS, merge_sorted(old, new, removed), told)
    lineage = build.folder / LINEAGE_FILE
    named = (_as_lineage(batch, build.version) for batch in _newcomers(build, LINEAGE))
    rows = write_sorted(lineage, LINEAGE, merge_sorted(_old(build, LINEAGE_FILE), named, removed))
    return [
        file_entry(build.folder, lineage, rows=rows),
        file_entry(build.folder, fingerprints, rows=pictured),
    ]


def _old(build: Build, file: Path) -> Iterator[pa.RecordBatch]:
    if build.parent is not None:
        yield from stream_table(build.parent / file)


def _newcomers(build: Build, table: Table) -> Iterator[pa.RecordBatch]:
    """The newcomers' rows of a table that was gathered, sorted by record_id over all sites."""
    folder = build.scratch / table.name
    for path in sorted(folder.glob("*.parquet"), key=lambda path: site_order(path.stem)):
        yield from stream_table(path)


def site_order(part: str) -> tuple[str, str]:
    """Orders parts `<site>-<number>` as the record ids in them, which start with `<site>:`."""
    site, _, number = part.rpartition("-")
    return f"{site}:", number


def _as_lineage(batch: pa.RecordBatch, version: str) -> pa.RecordBatch:
    columns = [batch[name] for name in ("record_id", "split", "leak_group")]
    first = pa.array([version] * batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays([*columns, first], schema=LINEAGE.schema)


# ---------------------------------------------------------------------------- manifest


def _manifest(build: Build, files: list[FileEntry], added: int) -> Manifest:
    context, before = build.context, build.parent_manifest
    shards = [(entry, entry.shard) for entry in files if entry.shard is not None]
    counts = count_records(shards, added=added, removed=len(build.removals.ids))
    terms = dict(before.sites) if before else {}
    terms |= {site.key: SiteTerms(site.terms_url, site.licence) for site in context.config.site}
    if context.run.is_imported:
        terms[IMPORTED_SITE] = SiteTerms(MEP3M_TERMS, MEP3M_LICENCE)
    runs = dict(before.runs) if before else {}
    runs[context.run.run_id] = _run_facts(build)
    return Manifest(
        format=FORMAT,
        name=context.config.release.name,
        version=build.version,
        parent=Parent(before.version, build.parent_sha256 or "") if before else None,
        run_id=context.run.run_id,
        inputs=build.inputs,
        software=f"{SOFTWARE} {VERSION}",
        config_digest=config_digest(context),
        libraries=libraries(),
        schema_sha256=schema_digest(RELEASE_SCHEMA),
        counts=counts,
        sites=dict(sorted(terms.items())),
        runs=dict(sorted(runs.items())),
        files=tuple(sorted(files, key=lambda entry: entry.path)),
        fingerprint=build.fingerprint,
    )


def _run_facts(build: Build) -> RunFacts:
    account, config = build.account, build.context.config
    rules = tuple(RuleCount(*key, count) for key, count in sorted(account.rules.items()))
    settings: dict[str, Any] = {
        "robots_txt": config.crawl.robots_txt,
        "honour": sorted(set(config.crawl.honour)),
        "dedupe_policy": config.dedupe.policy,
        "validation_share": config.release.validation_share,
        "test_share": config.release.test_share,
    }
    if build.context.run.is_imported:
        settings["imported_sha256"] = build.context.run.record["imported"]["sha256"]
    fates = dict(sorted(account.fates.items()))
    return RunFacts(account.sightings, fates, rules, settings)
