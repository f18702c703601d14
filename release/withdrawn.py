"""What is left of a release that was withdrawn: a stub that says when and why.

Comes in: a release's folder. Goes out: its `Withdrawal`, or None where it was never withdrawn; or
the stub in its place. The folder keeps its name, so no version is ever given twice.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from release.manifest import MANIFEST
from runtime.storage import read_json, write_json

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


def withdraw_release(folder: Path, at: str, reason: str) -> None:
    """Leave of a release a stub of its manifest and nothing else; the stub comes first, so that
    a kill leaves no half of a release that looks whole."""
    if withdrawal(folder) is None:
        value = read_json(folder / MANIFEST)
        kept = ("format", "name", "version", "run_id", "software")
        stub = {name: value[name] for name in kept if name in value}
        stub["records"] = value["counts"]["records"]
        stub[WITHDRAWN] = {"at": at, "reason": reason}
        write_json(folder / MANIFEST, stub)
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != MANIFEST:
            path.unlink()
