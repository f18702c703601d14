"""How a record's titles changed: over runs, over releases, and against what is published.

Comes in: a record's stories of runs and its places in releases. Goes out: `TitleChange`s, by kind
of title: first of the runs, then of the releases, then today's title against the published one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from provenance.story import Holding, RunStory, TitleChange


class _Title(NamedTuple):
    where: str
    text: str


def title_changes(runs: Sequence[RunStory], held: Sequence[Holding]) -> tuple[TitleChange, ...]:
    """The changes of a record; `runs` are newest first, `held` oldest first."""
    published = {f"release {one.version}" for one in held if one.is_current}
    found: list[TitleChange] = []
    for what, name in (("raw title", "title_raw"), ("cleaned title", "title")):
        seen = _known((f"run {run.run_id}", getattr(run, name)) for run in reversed(runs))
        shown = _known((f"release {one.version}", getattr(one, name)) for one in held)
        found += [*_changes(what, seen), *_changes(what, shown)]
        if now := [one for one in shown if one.where in published]:
            found += _changes(what, [*now, *seen[-1:]])
    return tuple(found)


def _known(titles: Iterable[tuple[str, str | None]]) -> list[_Title]:
    """Those that are known: where a record is refused early, no cleaned title is."""
    return [_Title(where, text) for where, text in titles if text is not None]


def _changes(what: str, titles: Sequence[_Title]) -> Iterator[TitleChange]:
    for before, after in pairwise(titles):
        if before.text != after.text:
            yield TitleChange(after.where, before.where, what, before.text, after.text)
