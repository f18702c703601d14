"""placeholder"""

from __future__ import annotations

from pathlib import Path

from runtime.console import Outcome


def export(release: Path, target: Path, *, quiet: bool) -> Outcome:
    """Write a release in the layout of MEP-3M."""
    raise NotImplementedError
