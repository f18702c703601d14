"""Publishing behind gates: a run is measured and judged, and publishes only what passed.

Comes in: a run whose publish decisions are made. Goes out: `figures` and `gates` in its record;
then either a release, or one line that names every gate that failed, with its figure, its bound and
its history, and the run ends there (`gate_failed`). Gates that a person accepted are recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from operations.gates.figures import Figures
from operations.gates.history import is_crawled, past_of
from operations.gates.measuring import measure
from operations.gates.names import accepts
from operations.gates.rules import Finding, judge_emptied, judge_removals, judge_site
from release.publish import PublishResult, Standing, publish
from runtime import logs
from runtime.errors import GateError
from runtime.stages import Context
from runtime.workspace import GATE_FAILED


def publish_judged(context: Context) -> PublishResult:
    """The publish stage of a run. Raises GateError naming every gate that failed."""
    return publish(context, judge)


def judge(context: Context, standing: Standing) -> None:
    """Measure the run, judge and record it. Raises GateError naming every gate that failed."""
    run = context.run
    figures = measure(run, removed=standing.removed, published=standing.published)
    given = run.accepted
    findings = [f for f in _findings(context, figures) if f.name.split(".")[0] not in _off(context)]
    run.update(
        figures=figures.to_json(),
        gates={finding.name: _recorded(finding, _state(finding, given)) for finding in findings},
    )
    failed = [finding for finding in findings if _state(finding, given) == "failed"]
    for finding in findings:
        if _state(finding, given) == "accepted":
            logs.warning(f"gate {finding.name} was accepted: {finding.words}")
    if failed:
        run.update(status=GATE_FAILED)
        told = "; ".join(f"gate {finding.name}: {finding.words}" for finding in failed)
        options = " ".join(f"--accept {finding.name}" for finding in failed)
        raise GateError(
            f"{told}; nothing was published: look at what changed, then let the next run try "
            f"again, or publish it as it is with `mep3m publish {options}`"
        )


def _findings(context: Context, figures: Figures) -> Iterator[Finding]:
    run, bounds = context.run, context.config.gates
    if is_crawled(run):
        past = past_of(context.workspace, run, figures.sites, bounds.history)
        failed = run.record.get("failed_sites", {})
        for site, now in figures.sites.items():
            if site not in failed:
                yield from judge_site(site, now, past[site], bounds)
            elif now.pages_read and not now.sightings:
                # It answered, and its pages show nothing: nobody is told by waiting for it.
                yield judge_emptied(site, now, past[site], bounds)
    yield judge_removals(figures.removed, figures.published, bounds)


def _off(context: Context) -> frozenset[str]:
    return frozenset(context.config.gates.off)


def _state(finding: Finding, accepted: tuple[str, ...]) -> str:
    if finding.bound is None:
        return "not_applicable"
    if not finding.failed:
        return "passed"
    return "accepted" if accepts(accepted, finding.name) else "failed"


def _recorded(finding: Finding, state: str) -> dict[str, Any]:
    """As `run.json` keeps it."""
    return {
        "state": state,
        "figure": _rounded(finding.figure),
        "bound": _rounded(finding.bound),
        "history": [_rounded(value) for value in finding.history],
        "words": finding.words if state in ("failed", "accepted") else "",
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
