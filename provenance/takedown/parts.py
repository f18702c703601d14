"""The tables of every run without what leaves: parts are rewritten, and their seals with them.

In comes a job; parts that hold nothing of it are only read, and of those with pictures not the
pictures. Rows that others point to by number keep their places, or the numbers follow.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from provenance.takedown.job import Job
from provenance.takedown.part_files import (
    finish_replacements,
    replace_part,
    row_groups,
    sealed_parts,
    unsealed_parts,
)
from provenance.takedown.rows import (
    blanked,
    dropped_rows,
    pictures_of,
    placed,
    purged,
    without_rows,
)
from runtime.tables import CLEANED, IMAGES, LISTINGS, SIGHTINGS, SURVIVORS
from runtime.tombstones import REMOVED
from runtime.workspace import Run, Workspace


def purge_runs(workspace: Workspace, job: Job) -> int:
    """Take what leaves out of every part of every run; returns how many parts changed."""
    runs = workspace.runs()
    changed = 0
    for run in runs:
        shutil.rmtree(run.folder / "publish", ignore_errors=True)  # a killed publish's own
        finish_replacements(run.folder)
        for path in unsealed_parts(run.folder):
            path.unlink()
        others = [other for other in runs if other.folder != run.folder]
        changed += sum(_purge_part(run, path, job, others) for path in sealed_parts(run.folder))
        # The rows of listings are counted from their start by two tables.
        for path in sealed_parts(run.folder / SURVIVORS.name):
            changed += _renumber(run, path, "row")
        if run.is_imported:
            for path in sealed_parts(run.folder / CLEANED.name):
                changed += _renumber(run, path, "image_row")
    return changed


def _purge_part(run: Run, path: Path, job: Job, others: list[Run]) -> bool:
    table = path.relative_to(run.folder).parts[0]
    below = path.relative_to(run.folder)
    siblings = [other.folder / below for other in others]
    if table == IMAGES.name:
        return _purge_pictures(run, path, job, siblings)
    counts: Counter[str] = Counter()
    schema = pq.read_schema(path)
    if all(_unchanged(group, table, job) for group in row_groups(path)):
        return False

    def groups() -> Iterator[pa.Table]:
        for group in row_groups(path):
            found = purged(group, table, job.names, job.groups)
            if found is None:
                found = group
            if table == SIGHTINGS.name:
                counts[REMOVED] += group.num_rows - found.num_rows
            if found.num_rows:
                yield found

    if table == SIGHTINGS.name:
        for _ in groups():
            pass  # the seal has to say how many left before the rows are written
    told = dict(counts)
    replace_part(path, schema, groups(), siblings, told)
    return True


def _unchanged(group: pa.Table, table: str, job: Job) -> bool:
    return purged(group, table, job.names, job.groups) is None


def _purge_pictures(run: Run, path: Path, job: Job, siblings: list[Path]) -> bool:
    """Of an import the rows go with their listings; elsewhere they keep their places, blank."""
    names, pictures = job.names, pa.array(job.pictures, pa.string())
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        light = file.read(columns=[name for name in schema.names if name != "image"])
    if run.is_imported and not dropped_rows(
        light.rename_columns(["img_path" if n == "image_url" else n for n in light.schema.names]),
        IMAGES.name, names,
    ).any():  # fmt: skip
        return False
    if not pictures_of(light, names, pictures).any():
        return False

    def groups() -> Iterator[pa.Table]:
        for group in row_groups(path):
            mask = pictures_of(group, names, pictures)
            if run.is_imported:
                exact = pa.array(sorted(names.exact), pa.string())
                own = pc.is_in(group["image_url"], value_set=exact).combine_chunks()
                kept = without_rows(group, np.asarray(own.to_numpy(zero_copy_only=False)))
                if kept.num_rows:
                    yield kept
            else:
                yield blanked(group, mask, names) if mask.any() else group

    replace_part(path, schema, groups(), siblings)
    return True


def _renumber(run: Run, path: Path, column: str) -> bool:
    """Let a column that counts rows of the listings part of that name count them as they are."""
    listings = run.folder / LISTINGS.name / path.name
    if not listings.is_file():
        return False
    ids = pq.read_table(listings, columns=["record_id"])["record_id"].combine_chunks()
    schema, rows = pq.read_schema(path), pq.read_table(path)
    of = None
    if column == "image_row":
        of = pc.is_valid(rows["image_row"])
    new = placed(rows, column, ids, of)
    if new[column].equals(rows[column]):
        return False
    replace_part(path, schema, [new] if new.num_rows else [], [])
    return True
