"""What is left for those who were not there: `last_run.json`, the log's last line, a call.

Whatever ends a run, a kill aside, ends in these, in that order. None of them can hide how the run
ended: what goes wrong with one is told, and the next is tried.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from runtime import logs
from runtime.clock import now
from runtime.console import Outcome, mark_told, said_of
from runtime.errors import MepError
from runtime.exits import Exit
from runtime.stages import utc_text
from runtime.storage import write_json
from runtime.workspace import Run, Workspace

LAST_RUN = "last_run.json"
CALL_SECONDS = 60.0

FAILURES = (
    Exit.UNFORESEEN, Exit.USAGE, Exit.GATE_FAILED, Exit.DEGRADED, Exit.VERIFICATION_FAILED,
)  # fmt: skip
"""The statuses of which `on_failure` is told; a stop was asked for, and a lock is another's run."""


@dataclass
class Report:
    """How a run went, filled in as it becomes known."""

    stages: Sequence[str]
    started: datetime
    run: Run | None = None
    status: Exit = Exit.UNFORESEEN
    error: str = "ended by something unforeseen"
    summary: str = ""

    def of(self, outcome: Outcome) -> None:
        """It came to its end."""
        self.status, self.error = outcome.status, ""
        self.summary = next(iter(outcome.text.splitlines()), "")

    def to_json(self) -> dict[str, Any]:
        ended = now()
        return {
            "run_id": self.run.run_id if self.run is not None else None,
            "exit_status": int(self.status),
            "outcome": self.status.name.lower(),
            "error": self.error,
            "summary": self.summary,
            "asked_for": list(self.stages),
            "began": utc_text(self.started),
            "ended": utc_text(ended),
            "seconds": round((ended - self.started).total_seconds(), 3),
            **(self.run.record if self.run is not None else {}),
        }


@contextmanager
def reported(
    workspace: Workspace, stages: Sequence[str], on_failure: Sequence[str]
) -> Iterator[Report]:
    """Whatever ends what happens inside is recorded and told; the caller holds the lock."""
    report = Report(stages, now())
    try:
        yield report
    except BaseException as problem:
        report.status, report.error = said_of(problem)
        mark_told(problem)
        raise
    finally:
        values = _recorded(workspace, report)
        _tell(report, values)
        if on_failure and report.status in FAILURES:
            _call(on_failure, values)


def _recorded(workspace: Workspace, report: Report) -> dict[str, Any]:
    try:
        values = report.to_json()
        write_json(workspace.folder / LAST_RUN, values)
        return values
    except (MepError, OSError) as problem:
        if not report.error:
            raise
        logs.warning(f"{LAST_RUN} was not written ({problem})")  # the first error is told
        return {"exit_status": int(report.status), "error": report.error}


def _tell(report: Report, values: dict[str, Any]) -> None:
    fields = {
        name: values.get(name)
        for name in ("run_id", "exit_status", "outcome", "release", "seconds")
    }
    if report.status in (Exit.DONE, Exit.NOTHING_NEW):
        logs.info(report.summary or report.status.name.lower(), **fields)
    elif report.error:
        logs.error(report.error, **fields)
    else:
        logs.warning(report.summary, **fields)


def _call(command: Sequence[str], values: dict[str, Any]) -> None:
    """Give the summary to a command's standard input; bounded, and never the run's own end."""
    try:
        said = subprocess.run(
            list(command), input=json.dumps(values, ensure_ascii=False).encode(),
            capture_output=True, timeout=CALL_SECONDS, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired) as problem:
        logs.warning(f"run.on_failure {command[0]!r} could not be called ({problem})")
        return
    if said.returncode != 0:
        words = said.stderr.decode("utf-8", "replace").strip()[-300:]
        logs.warning(f"run.on_failure {command[0]!r} ended with {said.returncode}: {words}")
