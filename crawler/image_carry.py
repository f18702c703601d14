"""Pictures of earlier runs: their sealed parts move on into a new run, by hard link where possible.

A run so holds every picture that it uses, and older runs may be deleted. A part is never changed,
so the runs can share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

from runtime import logs
from runtime.image_index import ImageIndex
from runtime.image_parts import ImagePartName
from runtime.parts import Seal
from runtime.storage import link_or_copy, write_json
from runtime.workspace import Run


def carry_forward(run: Run, earlier: Sequence[Run], index: ImageIndex) -> int:
    """Take over the parts that hold the last word on wanted URLs unknown to `index`.

    `earlier` are runs in the order of their starts; returns how many parts came. The index has
    to be refreshed after.
    """
    carried = 0
    unknown = index.unknown()
    for old in reversed(earlier):
        if not old.images.names():
            continue
        still: list[str] = []
        needed: set[str] = set()
        with closing(ImageIndex.of_finished(old)) as known:
            for url in unknown:
                parts = known.parts_of(url)
                needed |= parts
                if not parts:
                    still.append(url)
        carried += _take_over(old, run, needed)
        if not still:
            break
        unknown = iter(still)
    return carried


def _take_over(old: Run, run: Run, names: Iterable[str]) -> int:
    carried = 0
    present = set(run.images.names())
    for name in sorted(names):
        own = ImagePartName.parse(name).of(old.run_id)
        seal = old.images.seal(name)
        if own in present or seal is None:
            continue
        problem = old.images.damage(name, seal)
        if problem is not None:
            logs.warning(f"part {old.images.path(name)}: {problem}; fetching its images again")
            continue
        _link_part(old.images.path(name), run, own, seal)
        carried += 1
    return carried


def _link_part(source: Path, run: Run, name: str, seal: Seal) -> None:
    """The part and then its seal, each whole or absent."""
    link_or_copy(source, run.images.path(name))
    write_json(run.images.path(name).with_suffix(".json"), asdict(seal))
