"""The release that follows a takedown, made at once, and the withdrawal of those before it.

The current release without what leaves becomes a patch release: shards that lose a record are
written again, others linked; lineage, fingerprints and decisions follow. Releases that held
something of it lose their data and keep a stub of their manifest.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.rebuild.recipe import recipe_path
from provenance.takedown.job import Job
from provenance.takedown.rows import purged
from release.carry import Named, carried_shards, write_named
from release.completion import complete_release
from release.environment import commit, environment
from release.ledger_files import ledger_files
from release.lineage import (
    FINGERPRINTS_FILE,
    LINEAGE_FILE,
    schema_metadata,
    stream_table,
    write_sorted,
)
from release.manifest import (
    MANIFEST,
    POINTER,
    FileEntry,
    LedgerFacts,
    Manifest,
    Parent,
    RuleCount,
    SiteTerms,
    count_records,
    file_entry,
    next_version,
    read_manifest,
    release_folders,
)
from release.pointer import point_at
from release.shards import ShardWork, shard_name, write_shard
from release.withdrawn import withdraw_release, withdrawal
from runtime.config import Config
from runtime.executor import WorkerPool
from runtime.keys import digest
from runtime.storage import (
    fsync_folder,
    link_or_copy,
    sha256_file,
)
from runtime.tables import DECISIONS, FINGERPRINTS, LINEAGE, Table
from runtime.workspace import Workspace


def is_affected(folder: Path, job: Job) -> bool:
    """Whether a release names something that leaves."""
    manifest = read_manifest(folder)
    tables = [(LINEAGE_FILE, LINEAGE), (FINGERPRINTS_FILE, FINGERPRINTS)]
    tables += [(Path(entry.path), DECISIONS) for entry in ledger_files(manifest)]
    return any(
        _purged(pa.Table.from_batches([batch]), table, job) is not None
        for path, table in tables
        for batch in stream_table(folder / path)
    )


def publish_without(
    workspace: Workspace,
    pool: WorkerPool,
    config: Config,
    job: Job,
    tombstones: str | None,
    key: Ed25519PrivateKey | None = None,
) -> str | None:
    """Make the current release again without what leaves; returns the new version.

    None where the current release is not affected, or where nothing is left of it: then there is
    no current release until the next run publishes one. `tombstones` is the digest of the list.
    """
    current = workspace.latest_release()
    if current is None or current.name not in job.releases or not current.is_dir():
        return None
    if withdrawal(current) is not None:
        return None
    manifest = read_manifest(current)
    sha256 = sha256_file(current / MANIFEST)
    inputs = digest("takedown", sha256, tombstones or "")
    version = manifest.version
    while (folder := workspace.releases / version).exists():
        if folder in release_folders(workspace.releases) and read_manifest(folder).inputs == inputs:
            point_at(folder)  # made by a process that was killed before it could say so
            return version
        version = next_version(version, newcomers=False)
    partial = workspace.releases / f".{version}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    leaving = _splits(current, job)
    if len(leaving) == manifest.counts.records:
        partial.rmdir()
        (workspace.releases / POINTER).unlink()
        return None
    named = partial / "removed.arrow"
    files = _shards(pool, config, current, manifest, partial, version, write_named(named, leaving))
    named.unlink()
    files += [_decisions(current, entry, partial, job) for entry in ledger_files(manifest)]
    told = schema_metadata(current / FINGERPRINTS_FILE)
    files.append(_table(current, LINEAGE_FILE, LINEAGE, partial, job))
    files.append(_table(current, FINGERPRINTS_FILE, FINGERPRINTS, partial, job, told))
    shards = [(entry, entry.shard) for entry in files if entry.shard is not None]
    made = replace(
        manifest, version=version, parent=Parent(manifest.version, sha256),
        inputs=inputs, sites=_terms_left(manifest, job),
        counts=count_records(shards, added=0, removed=len(leaving)),
        files=tuple(files), tombstones=tombstones, commit=commit(), environment=environment(),
    )  # fmt: skip
    complete_release(partial, made, current, manifest, config.clean.languages, key)
    for below in [partial, *(path for path in partial.rglob("*") if path.is_dir())]:
        fsync_folder(below)
    partial.rename(workspace.releases / version)
    fsync_folder(workspace.releases)
    point_at(workspace.releases / version)
    return version


def _terms_left(manifest: Manifest, job: Job) -> dict[str, SiteTerms]:
    """The terms of the sites, without sites and URLs that were taken down."""
    return {
        site: replace(terms, terms_url="") if job.names.mentioned_in(terms.terms_url) else terms
        for site, terms in manifest.sites.items()
        if site not in job.sites
    }


def _splits(release: Path, job: Job) -> dict[str, str]:
    """The records of a release that leave, with their splits."""
    names, found = job.names, {}
    for batch in stream_table(release / LINEAGE_FILE, ["record_id", "split"]):
        for record_id, split in zip(*(column.to_pylist() for column in batch), strict=True):
            if names.is_record(record_id):
                found[record_id] = split
    return found


def _shards(
    pool: WorkerPool,
    config: Config,
    parent: Path,
    manifest: Manifest,
    folder: Path,
    version: str,
    removals: Named,
) -> list[FileEntry]:
    (folder / "data").mkdir()
    numbers: Counter[str] = Counter()
    works, entries = [], []
    for shard in carried_shards(pool, parent, manifest, removals):
        if not shard.is_changed:
            link_or_copy(shard.rows.source, folder / shard.entry.path)
            entries.append(shard.entry)
            continue
        split = shard.facts.split
        name = shard_name(split, version, numbers[split])
        numbers[split] += 1
        works.append(
            ShardWork(
                split, folder, name, config.release.row_group_rows, manifest.fingerprint, shard.rows
            )
        )
    entries += [entry for entry in pool.map(write_shard, works) if entry is not None]
    return entries


def _purged(rows: pa.Table, table: Table, job: Job) -> pa.Table | None:
    return purged(rows, table.name, job.names, job.groups)


def _rows(path: Path, table: Table, job: Job) -> Iterator[pa.Table]:
    for batch in stream_table(path):
        rows = pa.Table.from_batches([batch])
        found = _purged(rows, table, job)
        yield rows if found is None else found


def _table(
    parent: Path,
    file: Path,
    table: Table,
    folder: Path,
    job: Job,
    metadata: dict[str, str] | None = None,
) -> FileEntry:
    path = folder / file
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = write_sorted(path, table, _rows(parent / file, table, job), metadata)
    return file_entry(folder, path, rows=rows)


def _decisions(parent: Path, entry: FileEntry, folder: Path, job: Job) -> FileEntry:
    """One file of decisions: linked where it names nothing of what leaves."""
    source, path = parent / entry.path, folder / entry.path
    path.parent.mkdir(parents=True, exist_ok=True)
    if all(
        _purged(pa.Table.from_batches([batch]), DECISIONS, job) is None
        for batch in stream_table(source)
    ):
        link_or_copy(source, path)
        return entry
    rules: Counter[tuple[str, str, str]] = Counter()
    records, last = 0, ""

    def counted() -> Iterator[pa.Table]:
        nonlocal records, last
        for rows in _rows(source, DECISIONS, job):
            names = ("record_id", "stage", "rule", "verdict")
            for record_id, *rule in zip(*(rows[name].to_pylist() for name in names), strict=True):
                rules[rule[0], rule[1], rule[2]] += 1
                records, last = records + (record_id != last), record_id
            yield rows

    written = write_sorted(path, DECISIONS, counted())
    made = file_entry(folder, path, rows=written)
    counts = tuple(RuleCount(*rule, count) for rule, count in sorted(rules.items()))
    return replace(made, ledger=None if entry.ledger is None else LedgerFacts(records, counts))


def withdraw(workspace: Workspace, job: Job) -> None:
    """Leave of the releases that held what leaves a stub of their manifests, and nothing else."""
    for version in job.releases:
        withdraw_release(workspace.releases / version, job.at, job.reason or "a takedown")
        shutil.rmtree(workspace.attachments(version), ignore_errors=True)
        recipe_path(workspace, version).unlink(missing_ok=True)  # it cannot be made again


def affected_releases(workspace: Workspace, job: Job) -> tuple[str, ...]:
    """Versions of the releases that name something that leaves."""
    found = release_folders(workspace.releases)
    return tuple(folder.name for folder in found if is_affected(folder, job))
