"""Another version of the fingerprints: what a run made of a release's pictures to compare with.

Where the configured version is not the release's, dedupe takes the fingerprints of all published
pictures anew. In comes that run; out goes what a major release is made from, so that the release
holds fingerprints of one version again. Titles, pictures, labels and splits stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from release.lineage import FINGERPRINTS_FILE
from release.manifest import read_manifest
from runtime.errors import GateError
from runtime.parts import PartFolder
from runtime.storage import sha256_file
from runtime.tables import FINGERPRINT
from runtime.workspace import Run

INDEX = "published"
"""The one part of `Run.fingerprints`."""
OF = "made_from"
"""Under this its schema names the SHA-256 of the release's own fingerprints file."""


@dataclass(frozen=True)
class Reversion:
    """All fingerprints of a release in the version `fingerprint`.

    `index` is its fingerprints file in that version, `reprints` has a part for each shard, named
    after it, with the fingerprints in the order of its rows.
    """

    fingerprint: str
    index: Path
    reprints: PartFolder


def find_reversion(run: Run, release: Path | None) -> Reversion | None:
    """What the run made of the release's fingerprints; None where their version did not change.

    Raises GateError when a shard's fingerprints are missing.
    """
    if release is None or run.fingerprints.seal(INDEX) is None:
        return None
    told = run.fingerprints.metadata(INDEX)
    if told.get(OF) != sha256_file(release / FINGERPRINTS_FILE):
        return None  # of another release: the run compared with one that is not current any more
    missing = {Path(entry.path).stem for entry, _ in read_manifest(release).shards}
    missing -= set(run.reprints.names())
    if missing:
        raise GateError(
            f"{run.reprints.folder}: expected fingerprints of every shard, found none of "
            f"{min(missing)}; nothing was published, run `mep3m dedupe` again"
        )
    return Reversion(told[FINGERPRINT], run.fingerprints.path(INDEX), run.reprints)


def run_fingerprint(run: Run) -> str | None:
    """The version of the run's own fingerprints; None where it cleaned nothing."""
    names = run.cleaned.names()
    return run.cleaned.metadata(names[0]).get(FINGERPRINT) if names else None
