"""What an audit has to tell of a record: every decision that runs and ledgers hold on it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from provenance.decision_line import DecisionLine
from provenance.ledger import DECIDING_STAGES
from provenance.story import AuditStory
from provenance.story_text import story_text
from release.ledger_files import decisions_on
from release.manifest import read_manifest, release_folders
from runtime.workspace import Workspace

Said = tuple[str, str, str, str, str | None, str | None, float | None, str | None]


def said(run_id: str, line: DecisionLine) -> Said:
    return (
        run_id, line.stage, line.rule, line.verdict, line.reason, line.value, line.threshold,
        line.peer_id,
    )  # fmt: skip


def everything_decided(workspace: Workspace) -> dict[str, set[Said]]:
    """By record id, the decisions of all runs and of the ledgers of all releases."""
    found: dict[str, set[Said]] = {}
    for run in workspace.runs():
        for stage in DECIDING_STAGES:
            folder = run.decisions(stage)
            for name in folder.names():
                for row in folder.read(name).to_pylist():
                    told = said(row["run_id"], DecisionLine.of(row))
                    found.setdefault(row["record_id"], set()).add(told)
    for release in release_folders(workspace.releases):
        for record_id, decided in of_ledger(release, list(found)).items():
            found[record_id] |= decided
    return found


def of_ledger(release: Path, record_ids: list[str]) -> dict[str, set[Said]]:
    """What a release's ledger alone holds of some records."""
    manifest = read_manifest(release)
    return {
        record_id: {
            said(row["run_id"], DecisionLine.of(row))
            for rows in decisions_on(release, manifest, record_id)
            for row in rows
        }
        for record_id in record_ids
    }


def assert_complete(story: AuditStory, expected: set[Said]) -> None:
    """Every decision is told once, those of a run in the order of stages, in data and in text."""
    by_run = [(run.run_id, run.decisions) for run in [*story.runs, *story.ledger]]
    told = Counter(said(run_id, line) for run_id, lines in by_run for line in lines)
    assert told == Counter(expected)
    for _, lines in by_run:
        places = [DECIDING_STAGES.index(line.stage) for line in lines]
        assert places == sorted(places)
    text = Counter(line.strip() for line in story_text(story).splitlines())
    wanted = Counter(line.to_text() for _, lines in by_run for line in lines)
    assert {line: text[line] for line in wanted} == dict(wanted)
