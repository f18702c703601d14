"""Checks across the files of a release: records, lineage, fingerprints and decisions agree.

Every record is in exactly one shard and one row of lineage, with one split for its leak group,
and the last publish decision on it says that it is published; nothing else says so of others.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from provenance.failure import Failure
from provenance.index_checks import IndexCheck
from provenance.ledger import FATES
from provenance.records import KEY, Records, find_keys, record_keys
from release.ledger_files import ledger_files
from release.lineage import FINGERPRINTS_FILE, LINEAGE_FILE, schema_metadata, stream_table
from release.manifest import FileEntry, Manifest, RuleCount
from release.splits import SPLIT_CODE
from runtime.errors import WorkspaceError
from runtime.tables import DECISIONS, FINGERPRINT, FINGERPRINTS, LINEAGE, Table

_LINEAGE = LINEAGE_FILE.as_posix()
_FINGERPRINTS = FINGERPRINTS_FILE.as_posix()
_SHARED = ["record_id", "leak_group", "split"]


@dataclass(frozen=True)
class LineageKeys:
    """Lineage as keys: sorted hashes of the ids, with the row of each."""

    keys: npt.NDArray[np.bytes_]
    rows: npt.NDArray[np.int64]


def checked_rows(path: Path, table: Table) -> Iterator[pa.RecordBatch]:
    """A table of a release in batches, of its own schema and with a value wherever one is due.

    Raises WorkspaceError for any other file.
    """
    needed = [field.name for field in table.schema if not field.nullable]
    first = 0
    for batch in stream_table(path):
        told = [(field.name, field.type) for field in batch.schema]
        expected = [(field.name, field.type) for field in table.schema]
        if told != expected:
            raise WorkspaceError(f"{path.name}: expected columns {expected}, got {told}")
        for name in needed:
            if batch[name].null_count:
                row = first + batch[name].is_null().to_pylist().index(True)
                raise WorkspaceError(f"{path.name} row {row}: expected a value of {name}, got none")
        yield batch
        first += batch.num_rows


def check_unique(records: Records) -> Iterator[Failure]:
    """Every record_id stands once over all shards."""
    rows = records.rows
    for place in np.flatnonzero(rows["key"][1:] == rows["key"][:-1]) + 1:
        here, before = rows[place], rows[place - 1]
        yield Failure(
            records.shards[here["shard"]], int(here["row"]),
            f"record {records.record_id(int(place))}: expected once, stands also in "
            f"{records.shards[before['shard']]} row {before['row']}",
        )  # fmt: skip


def check_lineage(folder: Path, records: Records) -> tuple[list[Failure], LineageKeys]:
    """Lineage holds the shards' records and no others, with their splits, one a leak group."""
    failures: list[Failure] = []
    keys, groups, splits = [np.empty(0, KEY)], [np.empty(0, KEY)], [np.empty(0, np.uint8)]
    last, count = "", 0
    for batch in checked_rows(folder / _LINEAGE, LINEAGE):
        ids, names = batch["record_id"].to_pylist(), batch["split"].to_pylist()
        for row, (record, split) in enumerate(zip(ids, names, strict=True), start=count):
            if record <= last:
                failures.append(Failure(_LINEAGE, row, f"expected ids after {last}, got {record}"))
            if split not in SPLIT_CODE:
                failures.append(
                    Failure(_LINEAGE, row, f"expected one of {list(SPLIT_CODE)}, got {split!r}")
                )
            last = record
        found = record_keys(ids)
        codes = np.array([SPLIT_CODE.get(name, 255) for name in names], np.uint8)
        failures.extend(_against_shards(records, found, codes, ids, count))
        keys.append(found)
        groups.append(record_keys(batch["leak_group"].to_pylist()))
        splits.append(codes)
        count += len(ids)
    all_keys = np.concatenate(keys)
    order = np.argsort(all_keys, kind="stable")
    lineage = LineageKeys(all_keys[order], order)
    failures.extend(_not_in_lineage(records, lineage))
    failures.extend(_split_groups(np.concatenate(groups), np.concatenate(splits)))
    return failures, lineage


def _against_shards(
    records: Records, keys: npt.NDArray[np.bytes_], codes: npt.NDArray[np.uint8],
    ids: list[str], first: int,
) -> Iterator[Failure]:  # fmt: skip
    places = records.find(keys)
    for number in np.flatnonzero(places < 0):
        yield Failure(_LINEAGE, first + int(number), f"record {ids[number]} is in no shard")
    held = np.flatnonzero(places >= 0)
    shard_splits = records.rows["split"][places[held]]
    for number in held[shard_splits != codes[held]]:
        row = records.rows[places[number]]
        yield Failure(
            records.shards[row["shard"]], int(row["row"]),
            f"record {ids[number]}: lineage gives another split (row {first + int(number)})",
        )  # fmt: skip


def _not_in_lineage(records: Records, lineage: LineageKeys) -> Iterator[Failure]:
    for place in np.flatnonzero(find_keys(lineage.keys, records.rows["key"]) < 0):
        row = records.rows[place]
        yield Failure(
            records.shards[row["shard"]], int(row["row"]),
            f"record {records.record_id(int(place))} is not in lineage",
        )  # fmt: skip


def _split_groups(
    groups: npt.NDArray[np.bytes_], splits: npt.NDArray[np.uint8]
) -> Iterator[Failure]:
    order = np.argsort(groups, kind="stable")
    same = groups[order][1:] == groups[order][:-1]
    differ = splits[order][1:] != splits[order][:-1]
    for place in np.flatnonzero(same & differ):
        rows = sorted((int(order[place]), int(order[place + 1])))
        yield Failure(_LINEAGE, rows[1], f"its leak group has another split in row {rows[0]}")


def check_fingerprints(folder: Path, check: IndexCheck, version: str | None) -> Iterator[Failure]:
    """Fingerprints stand beside lineage: its records with pictures, in its order, group and split.

    All are of one version, that of the manifest, and each row passes the `check`.
    """
    records = check.records
    told = schema_metadata(folder / _FINGERPRINTS).get(FINGERPRINT)
    if told != version:
        yield Failure(_FINGERPRINTS, None, f"expected fingerprints {version}, got {told}")
    expected = _Expected(_with_pictures(folder, records))
    first = 0
    for batch in checked_rows(folder / _FINGERPRINTS, FINGERPRINTS):
        actual = pa.Table.from_batches([batch]).select(_SHARED).to_pylist()
        known = records.find(record_keys(row["record_id"] for row in actual)) >= 0
        for row, (found, is_known) in enumerate(zip(actual, known, strict=True), start=first):
            record = found["record_id"]
            missing = expected.before(record) if is_known else []
            if missing:
                yield Failure(_FINGERPRINTS, row, f"expected before it: {_listed(missing)}")
            if expected.next is None or expected.next["record_id"] != record:
                problem = f"expected no row of record {record}, which lineage has not here"
                yield Failure(_FINGERPRINTS, row, problem)
                continue
            if expected.next != found:
                problem = f"expected {expected.next} as in lineage, got {found}"
                yield Failure(_FINGERPRINTS, row, problem)
            expected.step()
        yield from check.faults(batch, first)
        first += batch.num_rows
    missing = expected.before(None)
    if missing:
        yield Failure(_FINGERPRINTS, None, f"expected at its end: {_listed(missing)}")


class _Expected:
    """The rows that fingerprints should have, in order, from the next one on."""

    def __init__(self, rows: Iterator[dict[str, Any]]) -> None:
        self._rows = rows
        self.next = next(rows, None)

    def step(self) -> None:
        """Go on to the one after."""
        self.next = next(self._rows, None)

    def before(self, record: str | None) -> list[str]:
        """Pass over the records before that one, or all that are left."""
        passed = []
        while self.next is not None and (record is None or self.next["record_id"] < record):
            passed.append(self.next["record_id"])
            self.step()
        return passed


def _listed(records: list[str]) -> str:
    more = f" and {len(records) - 1} more" if len(records) > 1 else ""
    return f"a row of record {records[0]}{more}, got none"


def _with_pictures(folder: Path, records: Records) -> Iterator[dict[str, Any]]:
    """The rows of lineage that have a fingerprint; what no shard holds is told of lineage."""
    for batch in stream_table(folder / _LINEAGE, _SHARED):
        places = records.find(record_keys(batch["record_id"].to_pylist()))
        pictured = places < 0
        pictured[~pictured] = records.rows["pictured"][places[~pictured]]
        rows = pa.Table.from_batches([batch]).to_pylist()
        yield from (row for row, shown in zip(rows, pictured, strict=True) if shown)


@dataclass
class _Said:
    """What publish decisions said last: by lineage place, and of records that lineage lacks."""

    published: npt.NDArray[np.bool_]
    strangers: dict[bytes, Failure] = field(default_factory=dict)


def check_decisions(folder: Path, manifest: Manifest, lineage: LineageKeys) -> Iterator[Failure]:
    """The files of decisions hold what the manifest counts, and the newest ones say what lineage
    says; the account of every run adds up."""
    said = _Said(np.zeros(len(lineage.keys), np.bool_))
    for entry in ledger_files(manifest):
        rules: Counter[tuple[str, str, str]] = Counter()
        yield from _read_decisions(folder, entry, lineage, said, rules, manifest.runs)
        actual = tuple(RuleCount(*key, count) for key, count in sorted(rules.items()))
        if entry.ledger is not None and actual != entry.ledger.rules:
            differing = sorted(
                f"{r.stage} {r.rule} {r.verdict} {r.count}"
                for r in set(actual) ^ set(entry.ledger.rules)
            )
            yield Failure(
                entry.path, None,
                f"expected the manifest's counts by rule, they differ in: {'; '.join(differing)}",
            )  # fmt: skip
    for run_id, facts in manifest.runs.items():
        if sum(facts.fates.get(fate, 0) for fate in FATES) != facts.sightings:
            yield Failure(
                "manifest.json", None, f"run {run_id}: its fates do not add up to its sightings"
            )
    for place in np.flatnonzero(~said.published):
        row = int(lineage.rows[place])
        yield Failure(_LINEAGE, row, "expected a publish decision with verdict published last")
    yield from said.strangers.values()


def _read_decisions(
    folder: Path, entry: FileEntry, lineage: LineageKeys, said: _Said,
    rules: Counter[tuple[str, str, str]], runs: Collection[str],
) -> Iterator[Failure]:  # fmt: skip
    columns = ["record_id", "stage", "rule", "verdict"]
    first, last, records = 0, "", 0
    for batch in checked_rows(folder / entry.path, DECISIONS):
        names = [batch[name].to_pylist() for name in columns]
        rows = list(zip(*names, strict=True))
        for number, (record, *_) in enumerate(rows, start=first):
            if record < last:
                problem = f"expected record ids to ascend, got {record} after {last}"
                yield Failure(entry.path, number, problem)
            records += record != last
            last = record
        for number, run in enumerate(batch["run_id"].to_pylist(), start=first):
            if run not in runs:
                yield Failure(entry.path, number, f"expected a run of the manifest, got {run!r}")
        rules.update((stage, rule, verdict) for _, stage, rule, verdict in rows)
        own = [
            (n, r[0], r[3])
            for n, r in enumerate(rows, start=first)
            if r[1] == "publish" and r[3] in FATES  # what differs from the published row is no fate
        ]
        keys = record_keys(record for _, record, _ in own)
        places = find_keys(lineage.keys, keys)
        for (number, record, verdict), key, place in zip(own, keys, places, strict=True):
            if place >= 0:
                said.published[place] = verdict == "published"
            elif verdict == "published":
                problem = f"record {record} is published here, but is not in lineage"
                said.strangers[bytes(key)] = Failure(entry.path, number, problem)
            else:
                said.strangers.pop(bytes(key), None)
        first += len(rows)
    if first != entry.rows:
        yield Failure(entry.path, None, f"expected {entry.rows} rows, got {first}")
    if entry.ledger is not None and records != entry.ledger.records:
        problem = f"expected decisions on {entry.ledger.records} records, got {records}"
        yield Failure(entry.path, None, problem)
