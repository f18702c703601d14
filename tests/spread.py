"""How the tests spread over several processes.

Each test goes to the process that is free next, but those of a file with module-wide fixtures stay
together, so that what they share (a live shop, a finished run) is made once. (pytest-xdist 3.8 has
`--dist loadgroup` for this; with pytest 9.2 its groups have no effect.)
"""

from __future__ import annotations

import functools
from pathlib import Path

import pytest
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parents[1]


@functools.cache
def _shares_fixtures(file: str) -> bool:
    return 'scope="module"' in (ROOT / file).read_text(encoding="utf-8")


class Spread(LoadScopeScheduling):
    """Hands out tests in the order they were collected in."""

    def __init__(self, config: pytest.Config, log: object = None) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False  # not the files with the most tests first

    def _split_scope(self, nodeid: str) -> str:
        """The unit of work that a test belongs to: its file, or itself alone."""
        file = nodeid.partition("::")[0]
        return file if _shares_fixtures(file) else nodeid
