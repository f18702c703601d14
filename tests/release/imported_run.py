"""Imports from the copy to the release, stage by stage in this process."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from cleaning.copies.stage import dedupe
from cleaning.stage import clean
from release.imports.source import find_copy
from release.imports.stage import import_copy, import_run
from release.publish import PublishResult, publish
from runtime.config import parse_config
from runtime.stages import Context
from runtime.workspace import Workspace
from taxonomy.stage import map_records
from tests.cleaning.copies.judged_run import ThisProcess
from tests.release.imports.copies import annotation, copy_of

MODE = "exact"


def write_copy(
    folder: Path, rows: Sequence[dict[str, Any]], pictures: dict[int, bytes] | None = None
) -> Path:
    """A copy of these rows; `pictures` by the number of the row's picture."""
    path = copy_of(folder, rows).annotations
    for number, data in (pictures or {}).items():
        picture = folder / "Images" / "1" / f"{number}.jpg"
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(data)
    return path


def titles(*numbers: int) -> list[dict[str, Any]]:
    """Rows of these pictures' numbers, each with a title of its own."""
    return [annotation(number) for number in numbers]


def take_in(
    workspace: Workspace, copy: Path, now: datetime, *, mode: str = MODE, **release: Any
) -> PublishResult:
    """All stages of an import; its run is finished then."""
    config = parse_config(
        {
            "clean": {"fingerprints": mode},
            "release": {"row_group_rows": 4, "shard_mib": 1, **release},
        }
    )
    pool = ThisProcess(1)
    source = find_copy(copy)
    run = import_run(source, workspace, config, workspace.folder, pool, now, quiet=True)
    context = Context(config, workspace.folder, workspace, run, pool, quiet=True)
    stages = {"import": import_copy, "clean": clean, "map": map_records, "dedupe": dedupe}
    for name, stage in stages.items():
        run.finish_stage(name, stage(context).counts)
    result = publish(context)
    run.update(status="done")
    return result
