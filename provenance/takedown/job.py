"""A takedown under way: what was found, in a file that outlives a kill and goes at the end.

`takedown.json` stands in the workspace from the moment something was decided to the moment
nothing is left to do. It is the only place where the names still stand together.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from provenance.takedown.names import Names
from runtime.errors import WorkspaceError
from runtime.storage import read_json, write_bytes
from runtime.tombstones import Tombstone

JOB_FILE = "takedown.json"


@dataclass(frozen=True)
class Job:
    """Everything a takedown needs to go on after a kill.

    `pictures` are the SHA-256 of the bytes that leave; `releases` those that are withdrawn;
    `groups` the leak groups that are named after a record that leaves, with their new names;
    `recorded` tells of how many of the ids the workspace has anything.
    """

    at: str
    reason: str
    key: str
    entries: tuple[Tombstone, ...]
    ids: tuple[str, ...]
    urls: tuple[str, ...]
    product_ids: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    sites: tuple[str, ...] = ()
    pictures: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    groups: Mapping[str, str] = field(default_factory=dict)
    recorded: int = 0

    @cached_property
    def names(self) -> Names:
        """What is looked for."""
        return Names(
            frozenset(self.ids), frozenset(self.urls), frozenset(self.product_ids),
            self.prefixes, frozenset(self.sites),
        )  # fmt: skip


def save_job(workspace: Path, job: Job) -> None:
    """Write the job, whole or not at all."""
    value: Any = asdict(job)
    write_bytes(workspace / JOB_FILE, json.dumps(value, ensure_ascii=False).encode())


def load_job(workspace: Path) -> Job | None:
    """The takedown that a killed process left unfinished; raises WorkspaceError where damaged."""
    path = workspace / JOB_FILE
    if not path.is_file():
        return None
    try:
        return TypeAdapter(Job).validate_python(read_json(path))
    except ValidationError as error:
        raise WorkspaceError(
            f"{path}: expected an unfinished takedown, got {error.errors()[0]['msg']}; restore it"
            " from a copy: it says what has to leave"
        ) from None


def remove_job(workspace: Path) -> None:
    """The takedown is done."""
    (workspace / JOB_FILE).unlink(missing_ok=True)
