"""The errors a user can meet, one class per situation, each with the exit status it ends in.

A message is one line: what was expected, what came, what to do. Anything that is not a
`MepError` is a defect of the program and ends in status 1 with a pointer to `--debug`.
"""

from __future__ import annotations

from pathlib import Path

from runtime.exits import Exit


class MepError(Exception):
    """A situation that the user can understand and mend."""

    exit_status: Exit = Exit.UNFORESEEN


class ConfigError(MepError):
    """A setting or an argument is missing, unknown, of the wrong type or impossible."""

    exit_status = Exit.USAGE


class WorkspaceError(MepError):
    """The workspace cannot be used: not writable, not a workspace, or damaged."""

    exit_status = Exit.USAGE


class NotWritableError(WorkspaceError):
    """A file could not be written where others could (a folder became read-only, say).

    What was there before is intact, and the same command goes on once it can be written.
    """

    exit_status = Exit.UNFORESEEN


class StorageFullError(MepError):
    """The file system has no room; what was there before is intact."""

    exit_status = Exit.UNFORESEEN


class LockedError(MepError):
    """Another run holds the workspace."""

    exit_status = Exit.LOCKED


class SiteError(MepError):
    """A site could not be crawled; the run goes on without it, degraded."""

    exit_status = Exit.DEGRADED


class PartError(MepError):
    """A part file is missing or does not hold what its seal says."""

    def __init__(self, path: Path, problem: str) -> None:
        super().__init__(f"part {path}: {problem}; it will be made again by the next run")
        self.path = path
        self.problem = problem

    def __reduce__(self) -> tuple[type[PartError], tuple[Path, str]]:
        return type(self), (self.path, self.problem)


class WorkerDiedError(MepError):
    """A worker process died again and again on the same unit of work."""


class WorkerFailedError(MepError):
    """A worker process ended with a status of its own, which becomes this program's."""

    def __init__(self, problem: str, status: Exit) -> None:
        super().__init__(problem)
        self.exit_status = status

    def __reduce__(self) -> tuple[type[WorkerFailedError], tuple[str, Exit]]:
        return type(self), (str(self), self.exit_status)


class GateError(MepError):
    """A release did not pass a gate, so nothing was published."""

    exit_status = Exit.GATE_FAILED


class VerificationError(MepError):
    """A release or its references are not what the manifest says."""

    exit_status = Exit.VERIFICATION_FAILED


class StopRequested(MepError):
    """A stop was asked for (SIGTERM, a time limit); the run can be resumed."""

    exit_status = Exit.STOPPED_EARLY
