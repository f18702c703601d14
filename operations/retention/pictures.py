"""Image parts: which files no run needs any more, and which parts may let bytes go.

A part of a crawl has one name over all runs that hold it, and by hard link one file; an import's
part is its own. Comes in: runs and what stays. Goes out: files that go, and `Drop`s; `drop_bytes`
carries one out.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from operations.retention.needs import Needs, published_digests
from provenance.takedown.part_files import replace_part, row_groups, share_part
from runtime.errors import PartError
from runtime.image_bytes import DROPPED
from runtime.image_parts import ImagePartName
from runtime.run_ids import start_of
from runtime.workspace import Run, Workspace


@dataclass(frozen=True)
class Drop:
    """A part that loses the bytes of its pictures: all, or those in releases.

    `paths` are its names in all runs that hold it; `pictures` and `bytes` say how many go and what
    they take, by the sizes of their row groups.
    """

    paths: tuple[Path, ...]
    everything: bool
    pictures: int
    bytes: int


@dataclass
class ImageParts:
    """By run: files that go whole, and parts that lose bytes."""

    gone: dict[str, list[Path]] = field(default_factory=lambda: defaultdict(list))
    drops: dict[str, list[Drop]] = field(default_factory=lambda: defaultdict(list))


def image_parts(
    workspace: Workspace,
    runs: Sequence[Run],
    whole: Collection[str],
    needs: Needs,
    oldest: datetime,
) -> ImageParts:
    """`whole` are the runs that keep their tables; bytes of parts recorded before `oldest` go."""
    found = ImageParts()
    digests = cache(lambda: published_digests(workspace, needs))
    holders: dict[str, list[Run]] = defaultdict(list)
    for run in runs:
        if run.is_imported and run.run_id not in whole:
            continue  # its pictures go with its tables
        sealed = run.images.names()
        for name in sealed:
            holders[name if not run.is_imported else f"{run.run_id}/{name}"].append(run)
        if run.run_id not in whole and run.images.folder.is_dir():
            own = {f"{name}{end}" for name in sealed for end in (".json", ".parquet")}
            rest = (file for file in run.images.folder.iterdir() if file.name not in own)
            found.gone[run.run_id] += sorted(rest)  # left by a kill
    for full, held_by in holders.items():
        name = full.rpartition("/")[2]
        keeping = [run for run in held_by if run.run_id in whole] or held_by[-1:]
        for run in held_by:
            if run not in keeping:
                path = run.images.path(name)
                found.gone[run.run_id] += [path.with_suffix(".json"), path]
        first = keeping[0]
        is_whole = first.run_id in whole
        recorded = start_of(ImagePartName.parse(name).run_id or first.run_id)
        if is_whole and (recorded is None or recorded >= oldest):
            continue
        wanted = digests() if is_whole else None
        paths = tuple(run.images.path(name) for run in keeping)
        pictures, size = _measured(first, name, wanted)
        if pictures:
            found.drops[first.run_id].append(Drop(paths, wanted is None, pictures, size))
    found.gone = {run_id: files for run_id, files in found.gone.items() if files}
    return found


def drop_bytes(drop: Drop, digests: Collection[bytes]) -> None:
    """Write the part anew without the bytes, wherever it lies; a kill leaves what
    `finish_replacements` finishes."""
    first, *others = drop.paths
    wanted = None if drop.everything else digests
    replace_part(
        first, pq.read_schema(first), _without(first, wanted), (), {DROPPED: drop.pictures}
    )
    for path in others:
        share_part(first, path)


def _measured(run: Run, name: str, wanted: Collection[bytes] | None) -> tuple[int, int]:
    """How many pictures would go, and about how many bytes."""
    try:
        with pq.ParquetFile(run.images.path(name)) as file:
            names = file.schema_arrow.names
            image = names.index("image")
            pictures = size = 0.0
            for number in range(file.num_row_groups):
                group = file.metadata.row_group(number)
                column = group.column(image)
                told = column.statistics
                held = group.num_rows - (told.null_count if told is not None else 0)
                if not held:
                    continue
                rows = file.read_row_group(number, columns=["sha256"])["sha256"]
                chosen = int(pc.sum(_chosen(rows, wanted)).as_py() or 0)
                # What went before counts as a digest and not as bytes; the rows tell exactly.
                if chosen and held < len(rows) - rows.null_count:
                    pictured = file.read_row_group(number, columns=["image"])["image"]
                    both = pc.and_(pc.is_valid(pictured), _chosen(rows, wanted))
                    chosen = int(pc.sum(both).as_py() or 0)
                pictures += chosen
                size += column.total_compressed_size * chosen / held
    except (OSError, pa.ArrowException) as error:
        raise PartError(run.images.path(name), f"cannot be read ({error})") from error
    return int(pictures), int(size)


def _chosen(digests: pa.ChunkedArray, wanted: Collection[bytes] | None) -> pa.Array:
    told = digests.to_pylist()
    if wanted is None:
        return pa.array([sha256 is not None for sha256 in told], pa.bool_())
    return pa.array([sha256 is not None and bytes.fromhex(sha256) in wanted for sha256 in told])


def _without(path: Path, wanted: Collection[bytes] | None) -> Iterator[pa.Table]:
    for group in row_groups(path):
        place = group.schema.get_field_index("image")
        goes = _chosen(group["sha256"], wanted)
        image = pc.if_else(goes, pa.scalar(None, pa.binary()), group["image"])
        yield group.set_column(place, group.schema.field(place), image)
