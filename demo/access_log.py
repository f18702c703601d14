"""The shops' access logs: one JSON line for every request that a shop has answered.

The server writes them, tests and the politeness checks read them back.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Access:
    """One answered request; `moment` is in seconds on the machine's monotonic clock."""

    moment: float
    port: int
    path: str
    status: int
    user_agent: str

    def line(self) -> str:
        """The request as a line of the log."""
        return json.dumps(asdict(self), ensure_ascii=False) + "\n"


def read_access_log(path: Path) -> list[Access]:
    """All requests of a log, in the order they were answered.

    A last line without its end is a request being written and is left out.
    """
    text = path.read_text(encoding="utf-8")
    whole = text[: text.rfind("\n") + 1]
    return [Access(**json.loads(line)) for line in whole.splitlines()]
