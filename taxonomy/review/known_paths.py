"""Whether answers speak of paths that a run's shops have: a misspelt one would never count.

In come answers and the run's listings; out go the answers that no record could heed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from runtime.workspace import Run
from taxonomy.breadcrumbs import Breadcrumb, read_breadcrumb
from taxonomy.review.answers import Answer
from taxonomy.review.held import site_of_part

_REMEMBERED = 100_000


def unheeded(run: Run, answers: Iterable[Answer]) -> list[Answer]:
    """Those answers whose path no record of the run has, nor stands below. Raises PartError."""
    left: dict[tuple[str, bool, tuple[str, ...]], Answer] = {}
    for answer in answers:
        left[(answer.site, *answer.key)] = answer
    sites = {site for site, _, _ in left}
    for part in run.listings.names():
        site = site_of_part(part)
        if site not in sites:
            continue
        for crumb in _crumbs(run, part):
            names = crumb.names
            for length in range(len(names) + 1):
                left.pop((site, True, names[:length]), None)
            # A path may end in its product's title, which is no part of it then.
            for whole in (names, names[:-1]):
                left.pop((site, False, whole), None)
        if not left:
            break
    return list(left.values())


def _crumbs(run: Run, part: str) -> Iterator[Breadcrumb]:
    """The part's paths, hardly any twice; one without steps where a record has none."""
    seen: set[tuple[str, ...]] = set()
    for batch in run.listings.stream(part, ["category_paths"]):
        for paths in batch.column(0).to_pylist():
            for path in map(tuple, paths or [()]):
                if path not in seen:
                    if len(seen) >= _REMEMBERED:
                        seen.clear()
                    seen.add(path)
                    yield read_breadcrumb(path)
