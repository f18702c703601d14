"""What an audit has to tell of a record: every decision that runs and ledgers hold on it."""

from __future__ import annotations

import json
from collections.abc import Collection
from pathlib import Path
from typing import Any

from provenance.ledger import DECIDING_STAGES
from provenance.story import AuditStory
from provenance.story_text import story_text
from release.ledger_files import decisions_between, ledger_files
from release.manifest import read_manifest, release_folders
from runtime.parts import PartFolder
from runtime.workspace import Workspace

_FIELDS = ("stage", "rule", "verdict", "reason", "value", "threshold", "peer_id")
Said = tuple[Any, ...]
"""A run's id, and the fields of a decision."""


def said(run_id: str, row: dict[str, Any]) -> Said:
    return (run_id, *(row[name] for name in _FIELDS))


def everything_decided(workspace: Workspace) -> dict[str, list[Said]]:
    """By record id, each decision once: those of the runs in order, then what ledgers add."""
    found: dict[str, list[Said]] = {}
    for run in workspace.runs():
        for stage in DECIDING_STAGES:
            folder = run.decisions(stage)
            for name in folder.names():
                for row in folder.read(name).to_pylist():
                    found.setdefault(row["record_id"], []).append(said(row["run_id"], row))
    for release in release_folders(workspace.releases):
        for record_id, decided in of_ledger(release, list(found)).items():
            known = found[record_id]
            known += [one for one in decided if one not in known]
    return found


def of_ledger(release: Path, record_ids: Collection[str]) -> dict[str, list[Said]]:
    """What a release's ledger alone holds of some records."""
    found: dict[str, list[Said]] = {record_id: [] for record_id in record_ids}
    for entry in ledger_files(read_manifest(release)):
        rows = decisions_between(release, entry, min(record_ids), max(record_ids)).to_pylist()
        for row in rows:
            if row["record_id"] in found:
                found[row["record_id"]].append(said(row["run_id"], row))
    return found


def edit(folder: PartFolder, record_id: str, **values: Any) -> None:
    """Write the part that holds a record again, with other values in its row."""
    for name in folder.names():
        table = folder.read(name)
        rows = table.to_pylist()
        if any(row["record_id"] == record_id for row in rows):
            told = [{**row, **values} if row["record_id"] == record_id else row for row in rows]
            folder.write(
                name, type(table).from_pylist(told, table.schema), "fixture",
                metadata=folder.metadata(name),
            )  # fmt: skip


def assert_complete(story: AuditStory, expected: list[Said]) -> None:
    """Every decision is told once and in order: as JSON, and as text."""
    value = json.loads(json.dumps(story.to_json()))
    told = {
        run["run_id"]: [said(run["run_id"], line) for line in run["decisions"]]
        for run in [*value["ledger"], *value["runs"]]
    }
    wanted: dict[str, list[Said]] = {}
    for one in expected:
        wanted.setdefault(one[0], []).append(one)
    assert told == wanted
    # Runs come newest first, what releases alone know after them and oldest first.
    assert [run["run_id"] for run in value["runs"]] == sorted(
        (run["run_id"] for run in value["runs"]), reverse=True
    )
    assert [run["run_id"] for run in value["ledger"]] == sorted(
        run["run_id"] for run in value["ledger"]
    )
    lines = [line.to_text() for run in [*story.runs, *story.ledger] for line in run.decisions]
    text = [line.strip() for line in story_text(story).splitlines()]
    assert [line for line in text if line in set(lines)] == lines
