"""History: the figures of earlier runs that a run is held against.

Comes in: a workspace. Goes out: by site, the figures of the newest crawls of it that were found
good: those that published or found nothing new, and what they failed in was accepted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from operations.gates.figures import SiteFigures, parse_figures
from operations.gates.names import accepts
from runtime import logs
from runtime.workspace import Run, Workspace

Past = Mapping[str, tuple[SiteFigures, ...]]
"""By site, the figures of its earlier runs, newest first."""

_GOOD = ("published", "nothing_new")


def is_crawled(run: Run) -> bool:
    """Whether shops were asked for it: an import or an archive says nothing of them."""
    return not run.is_imported and run.record.get("from_warc") is None


def past_of(workspace: Workspace, run: Run, sites: Iterable[str], count: int) -> Past:
    """The figures of each site's newest `count` good crawls before the run."""
    found: dict[str, list[SiteFigures]] = {site: [] for site in sites}
    earlier = [before for before in workspace.runs() if before.run_id < run.run_id]
    for before in reversed(earlier):
        wanted = [site for site, figures in found.items() if len(figures) < count]
        if not wanted:
            break
        known = _figures_of(before)
        for site in wanted:
            if site in known:
                found[site].append(known[site])
    return {site: tuple(figures) for site, figures in found.items()}


def _figures_of(run: Run) -> Mapping[str, SiteFigures]:
    """The figures of a run's sites, as far as they count."""
    record = run.record
    if record["status"] not in _GOOD or "figures" not in record or not is_crawled(run):
        return {}
    figures = parse_figures(record["figures"])
    if figures is None:
        logs.warning(f"run {run.run_id}: its figures cannot be read; gates go without them")
        return {}
    failed, accepted = record.get("failed_sites", {}), run.accepted
    return {
        site: known
        for site, known in figures.sites.items()
        if site not in failed or accepts(accepted, f"listings.{site}")
    }
