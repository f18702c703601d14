"""What is left of a release that was withdrawn: a stub that says when and why.

Comes in: a release's folder. Goes out: its `Withdrawal`, or None where it was never withdrawn.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from release.manifest import MANIFEST
from runtime.storage import read_json

WITHDRAWN = "withdrawn"


@dataclass(frozen=True)
class Withdrawal:
    """When a release was withdrawn (an ISO date), and why."""

    at: str
    reason: str


def withdrawal(folder: Path) -> Withdrawal | None:
    """The withdrawal that the folder's manifest tells; None where it tells none or is not there.

    Raises WorkspaceError where the manifest is not JSON.
    """
    path = folder / MANIFEST
    if not path.is_file():
        return None
    value = read_json(path)
    told = value.get(WITHDRAWN) if isinstance(value, dict) else None
    if not isinstance(told, dict):
        return None
    return Withdrawal(str(told.get("at", "unknown")), str(told.get("reason", "no reason given")))
