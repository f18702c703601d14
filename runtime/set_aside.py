"""Parts on which workers die again and again: set aside, so that all others go on.

Their records are held by a rule of its own, so that they are accounted for and found by `audit`.
The parts are sealed with a key that no unit has: the same stage tries them again when it is run
again, and so does the next run.
"""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from runtime.decisions import Decisions

SET_ASIDE_RULE = "set_aside_v1"
SET_ASIDE = "set_aside"
"""Of a seal's counts: records that are held so."""


def set_aside_key(key: str) -> str:
    """The key of a part that was set aside instead of being made with `key`."""
    return f"{key} set aside"


def held_decisions(stage: str, run_id: str, record_ids: Iterable[str], why: str) -> pa.Table:
    """That each of a part's records is held, and why."""
    decisions = Decisions(stage, run_id)
    for record_id in record_ids:
        decisions.add(record_id, SET_ASIDE_RULE, "held", why)
    return decisions.table()
