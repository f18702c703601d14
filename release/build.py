"""Building a release in a folder that nobody reads yet: shards first, manifest last.

Comes in: the publish decisions of a run, the parent release, the records that leave. Goes out:
every file of the release below one folder, each named with its digest in the manifest.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.ledger import Ledger
from release.adoption import is_adopting
from release.carry import Carried, Named, carried_shards, short_shards
from release.completion import complete_release
from release.environment import commit, environment
from release.gather import GatherWork, gather
from release.inputs import config_digest, libraries
from release.ledger import carry_ledger, site_order, write_ledger
from release.lineage import (
    FINGERPRINTS_FILE,
    LINEAGE_FILE,
    merge_sorted,
    stream_table,
    without,
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
)
from release.reversion import Reversion
from release.schema import RELEASE_SCHEMA, schema_digest
from release.shards import ShardRange, ShardWork, cut, load_plan, shard_name, write_shard
from release.spills import remove_spill
from runtime.config import DedupeConfig
from runtime.image_bytes import prepare_published
from runtime.origins import IMPORTED_SITE, MEP3M_LICENCE, MEP3M_TERMS
from runtime.progress import progress
from runtime.stages import Context
from runtime.storage import link_or_copy
from runtime.tables import FINGERPRINT, FINGERPRINTS, LINEAGE, Table
from runtime.tombstones import load_tombstones
from runtime.version import SOFTWARE, VERSION
from runtime.workspace import Run

NEWCOMERS, ADOPTED = "newcomers", "adopted"
"""Counts of the publish decisions' seals."""
_NOBODY = pa.array([], pa.string())
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
    removals: Named
    adopted: Named
    fingerprint: str | None
    reversion: Reversion | None
    signing_key: Ed25519PrivateKey | None = None


def build_release(build: Build) -> None:
    """Write every file of the release into `build.folder`, the manifest last."""
    files, added = _shards(build)
    files += _ledger(build)
    build.context.pool.rest()  # what follows is this process's own
    files += _lineage(build)
    complete_release(
        build.folder, _manifest(build, files, added), build.parent, build.parent_manifest,
        build.context.config.clean.languages, build.signing_key,
    )  # fmt: skip


# ------------------------------------------------------------------------------ shards


def _shards(build: Build) -> tuple[list[FileEntry], int]:
    """Every shard, and how many newcomers are in them.

    Newcomers top up the short shard of their split, then fill shards of their own; of the parent's
    others those that change are written again, and the rest linked.
    """
    context, settings = build.context, build.context.config.release
    (build.folder / "data").mkdir(parents=True)
    spills = _gather(build, NEWCOMERS)
    adopted = _gather(build, ADOPTED, build.parent)
    context.pool.rest()  # the two passes' memory need not add up
    carried = _carried(build, adopted)
    plan, shard_bytes = load_plan(spills), settings.shard_mib * 2**20
    short = short_shards(carried, shard_bytes)
    ranges = cut(plan, shard_bytes, {split: shard.size for split, shard in short.items()})
    numbers: Counter[str] = Counter()
    written: set[str] = set()

    def work(split: str, old: Carried | None, range_: ShardRange | None) -> ShardWork:
        name = shard_name(split, build.version, numbers[split])
        numbers[split] += 1
        if old is not None:
            written.add(old.entry.path)
        return ShardWork(
            split, build.folder, name, settings.row_group_rows, build.fingerprint,
            None if old is None else old.rows, range_, spills,
        )  # fmt: skip

    works = [work(range_.split, short.pop(range_.split, None), range_) for range_ in ranges]
    works += [
        work(shard.facts.split, shard, None)
        for shard in carried
        if shard.is_changed and shard.entry.path not in written
    ]
    with progress("publish: write shards", len(works), quiet=context.quiet) as tick:
        entries = []
        for done, entry in enumerate(context.pool.map(write_shard, works), start=1):
            entries += [entry] if entry is not None else []
            tick(done)
    for shard in carried:
        if shard.entry.path not in written:
            link_or_copy(shard.rows.source, build.folder / shard.entry.path)
            entries.append(shard.entry)
    for spill in (*spills, *adopted):
        remove_spill(spill)
    return entries, len(plan)


def _carried(build: Build, adopted: tuple[Path, ...]) -> list[Carried]:
    if build.parent is None or build.parent_manifest is None:
        return []
    return carried_shards(
        build.context.pool, build.parent, build.parent_manifest, build.removals,
        reprints=None if build.reversion is None else build.reversion.reprints,
        adopted=build.adopted, adopted_spills=adopted,
    )  # fmt: skip


def _gather(build: Build, count: str, parent: Path | None = None) -> tuple[Path, ...]:
    """First pass over the newcomers, or with `parent` over the adopted records; only parts that
    have some, by that count of theirs, are read."""
    context, run = build.context, build.context.run
    prepare_published(run)
    seals = run.decisions("publish").seals()
    parts = [part for part, seal in seals.items() if seal.counts.get(count)]
    folder = build.scratch / count
    fingerprints, lineage = folder / FINGERPRINTS.name, folder / LINEAGE.name
    for below in (fingerprints, lineage):
        below.mkdir(parents=True)
    size = max(1, math.ceil(len(parts) / MAX_SPILLS))
    works = [
        GatherWork(
            run, tuple(parts[start : start + size]), folder / f"spill-{number:05d}.arrow",
            fingerprints, lineage, build.fingerprint, parent,
        )
        for number, start in enumerate(range(0, len(parts), size))
    ]  # fmt: skip
    with progress("publish: gather pictures", len(works), quiet=context.quiet) as tick:
        for done, _ in enumerate(context.pool.map(gather, works), start=1):
            tick(done)
    return tuple(work.spill for work in works)


# --------------------------------------------------------- ledger, lineage, fingerprints


def _ledger(build: Build) -> list[FileEntry]:
    """The parent's decisions by link, and this run's as far as they are new."""
    context = build.context
    parent = build.parent, build.parent_manifest
    entry = write_ledger(
        context.pool, context.run, build.folder, build.scratch, build.version, *parent
    )
    if build.parent is None or build.parent_manifest is None:
        return [entry]
    return [entry, *carry_ledger(build.parent, build.parent_manifest, build.folder)]


def _lineage(build: Build) -> list[FileEntry]:
    removed = build.removals.ids
    fingerprints = build.folder / FINGERPRINTS_FILE
    told = None if build.fingerprint is None else {FINGERPRINT: build.fingerprint}
    old = _old(build, FINGERPRINTS_FILE)
    if build.reversion is not None:
        old = stream_table(build.reversion.index)
    new = _gathered(build, FINGERPRINTS)
    if len(build.adopted.ids):
        old = (b for rows in old for b in without(_table(rows), build.adopted.ids).to_batches())
        changed = _gathered(build, FINGERPRINTS, ADOPTED)
        new = (b for rows in merge_sorted(new, changed, _NOBODY) for b in rows.to_batches())
    pictured = write_sorted(fingerprints, FINGERPRINTS, merge_sorted(old, new, removed), told)
    lineage = build.folder / LINEAGE_FILE
    named = (_as_lineage(batch, build.version) for batch in _gathered(build, LINEAGE))
    rows = write_sorted(lineage, LINEAGE, merge_sorted(_old(build, LINEAGE_FILE), named, removed))
    return [
        file_entry(build.folder, lineage, rows=rows),
        file_entry(build.folder, fingerprints, rows=pictured),
    ]


def _old(build: Build, file: Path) -> Iterator[pa.RecordBatch]:
    if build.parent is not None:
        yield from stream_table(build.parent / file)


def _gathered(build: Build, table: Table, count: str = NEWCOMERS) -> Iterator[pa.RecordBatch]:
    """The rows of a table that were gathered, sorted by record_id over all sites."""
    folder = build.scratch / count / table.name
    for path in sorted(folder.glob("*.parquet"), key=lambda path: site_order(path.stem)):
        yield from stream_table(path)


def _table(batch: pa.RecordBatch) -> pa.Table:
    return pa.Table.from_batches([batch])


def _as_lineage(batch: pa.RecordBatch, version: str) -> pa.RecordBatch:
    columns = [batch[name] for name in ("record_id", "split", "leak_group")]
    first = pa.array([version] * batch.num_rows, pa.string())
    return pa.RecordBatch.from_arrays([*columns, first], schema=LINEAGE.schema)


# ---------------------------------------------------------------------------- manifest


def _manifest(build: Build, files: list[FileEntry], added: int) -> Manifest:
    context, before = build.context, build.parent_manifest
    shards = [(entry, entry.shard) for entry in files if entry.shard is not None]
    counts = count_records(
        shards, added=added, removed=len(build.removals.ids), changed=len(build.adopted.ids)
    )
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
        sites=site_terms(context, before),
        runs=dict(sorted(runs.items())),
        files=tuple(files),
        fingerprint=build.fingerprint,
        commit=commit(),
        tombstones=load_tombstones(context.workspace.folder).digest,
        environment=environment(),
    )


def site_terms(context: Context, before: Manifest | None) -> dict[str, SiteTerms]:
    """The terms of every site as they are stated now; of one not configured, as they were."""
    terms = dict(before.sites) if before else {}
    terms |= {site.key: SiteTerms(site.terms_url, site.licence) for site in context.config.site}
    if context.run.is_imported:
        terms[IMPORTED_SITE] = SiteTerms(MEP3M_TERMS, MEP3M_LICENCE)
    return dict(sorted(terms.items()))


def is_restated(context: Context, before: Manifest) -> bool:
    """Whether the release's name, or terms of a site that has records in it, changed since."""
    terms = site_terms(context, before)
    changed = any(terms.get(site) != before.sites.get(site) for site in before.counts.sites)
    return changed or context.config.release.name != before.name


def _run_facts(build: Build) -> RunFacts:
    account, config = build.account, build.context.config
    rules = tuple(RuleCount(*key, count) for key, count in sorted(account.rules.items()))
    settings: dict[str, Any] = {
        "robots_txt": config.crawl.robots_txt,
        "honour": sorted(set(config.crawl.honour)),
        **_dedupe_settings(config.dedupe),
        "validation_share": config.release.validation_share,
        "test_share": config.release.test_share,
    }
    if is_adopting(build.context.run):
        settings["adopted"] = True
    if overridden := accepted_gates(build.context.run):
        settings["accepted_gates"] = overridden
    if build.context.run.is_imported:
        settings["imported_sha256"] = build.context.run.record["imported"]["sha256"]
    fates = dict(sorted(account.fates.items()))
    stages = build.context.run.record["stages"]
    return RunFacts(
        account.sightings, fates, rules, settings,
        pages=_outcomes(stages.get("crawl", {}), "pages."),
        images=_outcomes(stages.get("fetch", {}), "images."),
        mapped=_labelled(build.context.run, "mapped"),
        held=_labelled(build.context.run, "held"),
    )  # fmt: skip


def accepted_gates(run: Run) -> list[str]:
    """The gates that the run failed and a person accepted: name, figure, bound and history."""
    return [
        f"{name}: {gate['words']}"
        for name, gate in run.record.get("gates", {}).items()
        if gate["state"] == "accepted"
    ]


def _dedupe_settings(dedupe: DedupeConfig) -> dict[str, str | float | bool]:
    """What counted as a copy, for `verify` to hold the release against."""
    told = dedupe.model_dump(exclude={"placeholder_records", "placeholder_similarity"})
    return {
        f"dedupe_{name}": float(value) if type(value) is int else value
        for name, value in told.items()
    }


def _outcomes(counts: Mapping[str, int], start: str) -> dict[str, int]:
    """The stage's counts of that name, by outcome."""
    named = ((name, count) for name, count in sorted(counts.items()) if name.startswith(start))
    return {name.removeprefix(start): count for name, count in named}


def _labelled(run: Run, what: str) -> dict[str, int]:
    """By site, how many records were mapped, or held."""
    found: Counter[str] = Counter()
    for part, seal in run.labels.seals().items():
        found[part.rpartition("-")[0]] += seal.counts.get(what, 0)
    return dict(sorted((site, count) for site, count in found.items() if count))
