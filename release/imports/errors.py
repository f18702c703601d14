"""The error of a copy that cannot be taken in: what was expected where, and what stands there."""

from __future__ import annotations

from runtime.errors import MepError
from runtime.exits import Exit


class CopyError(MepError):
    """A copy of MEP-3M is missing, cut off, not JSON, or labelled by another category tree."""

    exit_status = Exit.USAGE
