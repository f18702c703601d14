"""What a manifest says of its runs, sites and tables, held against the files it names.

Comes in: a manifest and the records of its shards. Goes out: faults of what nothing else would
miss, so that leaving an account out cannot weaken the proofs that go by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from provenance.failure import Failure
from provenance.records import Records
from release.ledger_files import ledger_files
from release.lineage import FINGERPRINTS_FILE, LINEAGE_FILE, stream_table
from release.manifest import MANIFEST, Manifest, parse_version

_LINEAGE = LINEAGE_FILE.as_posix()
_TABLES = (_LINEAGE, FINGERPRINTS_FILE.as_posix())


def check_accounts(folder: Path, manifest: Manifest, records: Records) -> Iterator[Failure]:
    """Runs and sites that records name and the manifest does not; tables of other lengths."""
    named = dict.fromkeys(records.runs, "records") | {manifest.run_id: "the release"}
    for run, whose in named.items():
        if run not in manifest.runs:
            problem = f"run {run!r} of {whose}: expected it in `runs`, got {list(manifest.runs)}"
            yield Failure(MANIFEST, None, problem)
    for site in manifest.counts.sites:
        if site not in manifest.sites:
            yield Failure(MANIFEST, None, f"site {site!r}: expected its terms in `sites`, got none")
    if manifest.parent is not None:
        before = manifest.parent.version
        if parse_version(before) >= parse_version(manifest.version):
            problem = f"expected a parent before {manifest.version}, got {before}"
            yield Failure(MANIFEST, None, problem)
    yield from _length_faults(folder, manifest)
    for entry in ledger_files(manifest):
        is_of_release = entry.path.count("/") == 1
        if is_of_release and entry.ledger is None:
            yield Failure(entry.path, None, "expected counts by rule in the manifest, got none")


def _length_faults(folder: Path, manifest: Manifest) -> Iterator[Failure]:
    entries = {entry.path: entry for entry in manifest.files}
    for path in _TABLES:
        if path not in entries:
            continue  # told by whoever reads it
        try:
            rows = pq.read_metadata(folder / path).num_rows
        except (OSError, pa.ArrowException):
            continue  # told with its digest
        if rows != entries[path].rows:
            yield Failure(path, None, f"expected {entries[path].rows} rows, got {rows}")


def check_first_releases(folder: Path, manifest: Manifest) -> Iterator[Failure]:
    """A record came with this release or, where that has a parent, with an earlier one."""
    own, first = parse_version(manifest.version), 0
    wrong: dict[str, bool] = {}
    for batch in stream_table(folder / LINEAGE_FILE, ["record_id", "first_release"]):
        names = batch["first_release"].to_pylist()
        for row, name in enumerate(names, start=first):
            if name not in wrong:
                wrong[name] = not _may_hold(name, own, has_parent=manifest.parent is not None)
            if wrong[name]:
                told = "up to" if manifest.parent is not None else "of no parent, so"
                record = batch["record_id"][row - first]
                problem = f"expected a first release {told} {manifest.version}, got {name!r}"
                yield Failure(_LINEAGE, row, f"record {record}: {problem}")
        first += len(names)


def _may_hold(name: str, own: tuple[int, int, int], *, has_parent: bool) -> bool:
    try:
        version = parse_version(name)
    except ValueError:
        return False
    return version <= own if has_parent else version == own
