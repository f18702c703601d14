"""Checks against the workspace: every record leads to the capture of the page it came from, or to
its row of the copy that it was imported from.

Run by run and listings part by listings part, so that reading follows the order the captures
were written in. The run's listing names the page; the WARC record at the place that the shard
names must be an undamaged response to a request for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from provenance.captures import PRUNED, Capture, pruned_at, read_record
from provenance.failure import Failure
from provenance.records import Records, record_keys
from runtime.errors import PartError, WorkspaceError
from runtime.pruned import pruned_of
from runtime.tombstones import load_tombstones
from runtime.workspace import Run, Workspace

_LISTING = ["record_id", "page_url", "capture_file", "capture_offset"]


def count_parts(records: Records, workspace: Workspace) -> int:
    """How many listings parts `check_captures` goes through."""
    present = {run.run_id: run for run in workspace.runs()}
    return sum(
        len(present[run_id].listings.names()) for run_id in records.runs if run_id in present
    )


def check_captures(
    records: Records, workspace: Workspace, step: Callable[[], None]
) -> Iterator[Failure]:
    """Faults in what the records refer to; `step` is called after each listings part."""
    resolved = np.zeros(len(records.rows), np.bool_)
    present = {run.run_id: run for run in workspace.runs()}
    for code, run_id in enumerate(records.runs):
        run = present.get(run_id)
        if run is None:
            yield Failure("manifest.json", None, f"run {run_id} is not in {workspace.folder}")
            resolved |= records.rows["run"] == code
            continue
        for part in run.listings.names():
            check = _check_imported if run.is_imported else _check_part
            try:
                yield from check(records, code, run, part, resolved)
            except PartError as error:
                yield Failure("manifest.json", None, f"run {run_id}: {error}")
            step()
    yield from _pruned_runs(records, present, resolved)
    for place in np.flatnonzero(~resolved):
        yield _fault(records, int(place), "is not in the listings of its run")


def _pruned_runs(
    records: Records, present: dict[str, Run], resolved: npt.NDArray[np.bool_]
) -> Iterator[Failure]:
    """Warnings of runs whose listings `mep3m gc` removed; what they held cannot be looked up."""
    for code, run_id in enumerate(records.runs):
        run = present.get(run_id)
        pruned = pruned_of(run) if run is not None else None
        own = ~resolved & (records.rows["run"] == code)
        if run is None or pruned is None or not pruned.tables or run.listings.names():
            continue
        if own.any():
            problem = f"run {run_id}: `mep3m gc` removed its tables on {pruned.at}"
            words = f"{problem}; the pages of {int(own.sum())} records were not looked up"
            yield Failure("manifest.json", None, words, is_warning=True)
            resolved |= own


def _check_part(
    records: Records, code: int, run: Run, part: str, resolved: npt.NDArray[np.bool_]
) -> Iterator[Failure]:
    listings = run.listings.read(part, _LISTING).to_pylist()
    places = records.find(record_keys(row["record_id"] for row in listings))
    chosen: list[tuple[str, int, int, dict[str, Any]]] = []
    for row, place in zip(listings, places.tolist(), strict=True):
        if place < 0 or records.rows["run"][place] != code:
            continue  # not published, or brought in by another run
        resolved[place] = True
        file = records.files[records.rows["file"][place]]
        offset = int(records.rows["offset"][place])
        if (file, offset) != (row["capture_file"], row["capture_offset"]):
            expected = f"{row['capture_file']} at {row['capture_offset']}"
            yield _fault(records, place, f"expected capture {expected}, got {file} at {offset}")
        else:
            chosen.append((row["capture_file"], offset, place, row))
    ordered = sorted(chosen, key=lambda found: found[:3])
    pruned = {file for file in {found[0] for found in ordered} if pruned_at(run, file)}
    if pruned:
        kept = [found for found in ordered if found[0] not in pruned]
        problem = f"run {run.run_id}, listings part {part}: {PRUNED}"
        words = f"{problem}, the pages of {len(ordered) - len(kept)} records went with `mep3m gc`"
        yield Failure("manifest.json", None, words, is_warning=True)
        ordered = kept
    yield from _check_records(
        records, run.captures, ordered, may_be_purged=_has_tombstones(run.workspace)
    )


def _has_tombstones(workspace: Path) -> bool:
    try:
        return bool(load_tombstones(workspace))
    except WorkspaceError:
        return True  # a damaged file is a failure of its own


def _check_imported(
    records: Records, code: int, run: Run, part: str, resolved: npt.NDArray[np.bool_]
) -> Iterator[Failure]:
    rows = run.annotations.read(part, ["record_id", "fault"])
    sound = rows.filter(rows["fault"].is_null())["record_id"].to_pylist()
    places = records.find(record_keys(sound))
    places = places[places >= 0]
    own = places[records.rows["run"][places] == code]
    resolved[own] = True
    for place in own[records.rows["offset"][own] >= 0].tolist():
        yield _fault(records, place, "expected no capture, since it was imported")


def _check_records(
    records: Records,
    folder: Path,
    chosen: list[tuple[str, int, int, dict[str, Any]]],
    *,
    may_be_purged: bool,
) -> Iterator[Failure]:
    """`chosen` is sorted by capture file and offset, so each is opened and read once."""
    capture = Capture("", -1)
    with ExitStack() as open_file:
        stream = None
        for file, offset, place, row in chosen:
            if file != capture.file:
                open_file.close()
                try:
                    stream = open_file.enter_context((folder / file).open("rb"))
                except OSError as error:
                    stream = None
                    capture = Capture(file, offset, problem=f"expected a file, got {error}")
            if stream is not None and (file, offset) != (capture.file, capture.offset):
                capture = read_record(stream, file, offset)
            where = f"capture {file} at {offset}"
            if capture.purged and may_be_purged:
                continue  # it showed another record as well, which was taken down
            if capture.problem is not None:
                yield _fault(records, place, f"{where}: {capture.problem}")
            elif not capture.shows(row["page_url"]):
                yield _fault(
                    records, place, f"{where}: expected page {row['page_url']}, got {capture.url}"
                )


def _fault(records: Records, place: int, problem: str) -> Failure:
    row = records.rows[place]
    record = records.record_id(place)
    return Failure(records.shards[row["shard"]], int(row["row"]), f"record {record}: {problem}")
