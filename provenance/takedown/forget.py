"""Taking records down for good: what is found is written down, then done step by step.

Comes in: a request. Goes out: tombstones, a release without the records, withdrawn releases, and a
workspace in which no byte names them. Each step can be done twice, so a killed takedown goes on
where any later command finds it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from provenance.takedown.captures import forget_plan, purge_captures
from provenance.takedown.databases import purge_databases
from provenance.takedown.job import Job, load_job, remove_job, save_job
from provenance.takedown.leftovers import purge_leftovers
from provenance.takedown.next_release import affected_releases, publish_without, withdraw
from provenance.takedown.parts import purge_runs
from provenance.takedown.selection import (
    Found,
    Request,
    find,
    new_group_names,
    requested_by,
    tables,
)
from runtime.config import Config
from runtime.errors import ConfigError
from runtime.executor import WorkerPool
from runtime.storage import remove_temporaries
from runtime.tombstones import (
    ID,
    LEFT,
    PREFIX,
    SITE,
    URL,
    Tombstone,
    append_tombstones,
    keyed_hash,
    load_tombstones,
    new_key,
    read_tombstones,
    url_key,
)
from runtime.workspace import Workspace

Step = Callable[[str], None]


@dataclass(frozen=True)
class Done:
    """What a takedown did; `left` are files that a person has to look at.

    `records` were in the workspace; of `unknown` ids nothing was recorded, and nothing will be.
    """

    records: int
    unknown: int
    release: str | None
    withdrawn: tuple[str, ...]
    captures: int
    parts: int
    left: tuple[str, ...]

    def to_text(self) -> str:
        """For people."""
        purged = f"{_many(self.captures, 'capture')} and {_many(self.parts, 'part')} of tables"
        lines = [
            f"taken down: {_many(self.records, 'record')}; purged: {purged}",
            f"release {self.release} is without them" if self.release else "no release was made",
        ]
        if self.unknown:
            lines.append(
                f"nothing was recorded of {_many(self.unknown, 'id')}; barred all the same"
            )
        if self.withdrawn:
            lines.append(f"withdrawn: {', '.join(self.withdrawn)}")
        lines += [f"look at {path}: it may name what was taken down" for path in self.left]
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same as values."""
        return asdict(self)


def _many(count: int, what: str) -> str:
    return f"{count:,} {what}" + "s" * (count != 1)


def plan(
    workspace: Workspace,
    request: Request,
    at: str,
    reason: str,
    images: tuple[Tombstone, ...] = (),
) -> Job:
    """What is to be done, without doing any of it. The caller holds the workspace lock.

    `at` is the date; `images` are the entries of an image takedown. Raises WorkspaceError where a
    tombstone file is damaged.
    """
    known = load_tombstones(workspace.folder)
    key, found = new_key(known), find(workspace, request)
    entries = [*images, *_entries(request, found, key, at, reason)]
    job = Job(
        at=at, reason=reason, key=key.hex(), entries=tuple(entries),
        ids=tuple(sorted(found.ids)), urls=tuple(sorted(found.urls)),
        product_ids=tuple(sorted(found.product_ids)), prefixes=request.prefixes,
        sites=request.sites, pictures=tuple(sorted(found.pictures)),
        groups=_group_names(workspace, found.ids), recorded=len(found.recorded),
    )  # fmt: skip
    return replace(job, releases=affected_releases(workspace, job))


def plan_published(workspace: Workspace, path: Path) -> Job:
    """What a tombstone file of another workspace asks for here; its entries stay as they are.

    Raises WorkspaceError for a damaged file, ConfigError where there is none.
    """
    load_tombstones(workspace.folder)
    if not path.is_file():
        raise ConfigError(f"--from {path}: expected a tombstone file, found none")
    file = read_tombstones(path)
    found = find(workspace, requested_by(workspace, file))
    job = Job(
        at=max((entry.at for entry in file.entries), default=""), reason="", key=file.key.hex(),
        entries=file.entries, ids=tuple(sorted(found.ids)), urls=tuple(sorted(found.urls)),
        product_ids=tuple(sorted(found.product_ids)),
        prefixes=tuple(e.value for e in file.entries if e.kind == PREFIX),
        sites=tuple(e.value for e in file.entries if e.kind == SITE),
        pictures=tuple(sorted(found.pictures)), groups=_group_names(workspace, found.ids),
        recorded=len(found.recorded),
    )  # fmt: skip
    return replace(job, releases=affected_releases(workspace, job))


def _entries(request: Request, found: Found, key: bytes, at: str, reason: str) -> list[Tombstone]:
    """The tombstones; of an image takedown records are told to have left, and may come back with
    another picture."""

    def hashed(kind: str, text: str) -> Tombstone:
        return Tombstone(kind, keyed_hash(key, kind, text), at, reason)

    barring = bool(request.records or request.urls or request.prefixes or request.sites)
    entries = [hashed(ID if barring else LEFT, record) for record in found.ids]
    urls = set(map(url_key, request.urls))
    urls |= set(map(url_key, found.product_urls)) if barring else set()
    entries += [hashed(URL, url) for url in urls]
    entries += [Tombstone(PREFIX, prefix, at, reason) for prefix in request.prefixes]
    entries += [Tombstone(SITE, site, at, reason) for site in request.sites]
    return entries


def _group_names(workspace: Workspace, leaving: set[str]) -> dict[str, str]:
    """New names of leak groups; what the newest release says of a group holds everywhere."""
    names: dict[str, str] = {}
    for kind, rows in tables(workspace):
        if "leak_group" not in rows.schema.names:
            continue
        pairs = zip(rows["record_id"].to_pylist(), rows["leak_group"].to_pylist(), strict=True)
        found = new_group_names(list(pairs), leaving)
        names = {**names, **found} if kind in ("lineage", "fingerprints") else {**found, **names}
    return names


def _quiet(step: str) -> None:
    """Nobody is told of the steps."""


def begin(
    workspace: Workspace,
    pool: WorkerPool,
    config: Config,
    job: Job,
    key: Ed25519PrivateKey | None = None,
    step: Step = _quiet,
) -> Done:
    """Do what was planned; `key` signs the release, `step` is called after each step, by name."""
    save_job(workspace.folder, job)
    step("planned")
    return _finish(workspace, pool, config, job, key, step)


def finish_unfinished(
    workspace: Workspace,
    pool: WorkerPool,
    config: Config,
    key: Ed25519PrivateKey | None = None,
    step: Step = _quiet,
) -> Done | None:
    """Finish the takedown that a killed process began; None where there is none."""
    job = load_job(workspace.folder)
    return None if job is None else _finish(workspace, pool, config, job, key, step)


def _finish(
    workspace: Workspace,
    pool: WorkerPool,
    config: Config,
    job: Job,
    key: Ed25519PrivateKey | None,
    step: Step,
) -> Done:
    remove_temporaries(workspace.folder)
    known = append_tombstones(workspace.folder, bytes.fromhex(job.key), job.entries)
    step("tombstones")
    version = publish_without(workspace, pool, config, job, known.digest, key)
    step("published")
    withdraw(workspace, job)
    step("withdrawn")
    captures = purge_captures(workspace, job)
    step("captures")
    parts = purge_runs(workspace, job)
    step("parts")
    purge_databases(workspace, job)
    step("databases")
    left = purge_leftovers(workspace, job)
    step("leftovers")
    forget_plan(workspace)
    remove_job(workspace.folder)
    step("done")
    unknown = len(job.ids) - job.recorded
    return Done(job.recorded, unknown, version, job.releases, captures, parts, tuple(left))
