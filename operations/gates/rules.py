"""The gates of one site, a row each: which figure, on which side of its bound it has to be.

Comes in: a site's figures now and before, and the bounds. Goes out: a `Finding` per gate. Counts
are held against their trailing median, shares against a bound of their own and, where there is
history, against their trailing median as well.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import median

from operations.gates.drift import by_chance, population_stability
from operations.gates.figures import FIELDS, SiteFigures
from runtime.config import GatesConfig


@dataclass(frozen=True)
class Finding:
    """What a gate found. Without a `bound` it does not apply: too little to judge by.

    `history` are the figures of earlier runs, newest first; `words` tell figure, bound and history.
    """

    name: str
    failed: bool = False
    figure: float | None = None
    bound: float | None = None
    history: tuple[float, ...] = ()
    words: str = ""


@dataclass(frozen=True)
class CountGate:
    """At least a share of the trailing median."""

    gate: str
    of: Callable[[SiteFigures], int]
    least: Callable[[GatesConfig], float]
    what: str


@dataclass(frozen=True)
class ShareGate:
    """A part of a whole: no less (or, with `at_most`, no more) than a bound, nor worse than the
    trailing median by more than a margin. `bound` None: only the median counts."""

    gate: str
    part: Callable[[SiteFigures], int]
    whole: Callable[[SiteFigures], int]
    bound: Callable[[GatesConfig], float] | None
    margin: Callable[[GatesConfig], float]
    what: str
    at_most: bool = True


def _filled(name: str, figures: SiteFigures) -> int:
    return figures.filled.get(name, 0)


COUNTS = (
    CountGate("pages", lambda f: f.pages_read, lambda c: c.pages, "pages read"),
    CountGate("listings", lambda f: f.listings, lambda c: c.listings, "listings"),
)
SHARES = (
    ShareGate(
        "errors", lambda f: f.pages_failed, lambda f: f.pages_asked,
        lambda c: c.errors, lambda c: c.tolerance, "of the pages ended in an error",
    ),
    ShareGate(
        "blocks", lambda f: f.pages_blocked, lambda f: f.pages_asked,
        lambda c: c.blocks, lambda c: c.tolerance, "of the pages were refused to the crawler",
    ),
    *(
        ShareGate(
            f"fields.{name}", partial(_filled, name), lambda f: f.listings,
            None, lambda c: c.tolerance, f"of the listings have `{column}`", at_most=False,
        )
        for name, column in FIELDS.items()
    ),
    ShareGate(
        "images", lambda f: f.pictures - f.pictures_failed, lambda f: f.pictures,
        lambda c: c.images, lambda c: c.tolerance, "of the pictures came", at_most=False,
    ),
    ShareGate(
        "rejections", lambda f: f.rejected, lambda f: f.listings,
        lambda c: c.rejections, lambda c: c.tolerance, "of the listings were rejected",
    ),
    ShareGate(
        "duplicates", lambda f: f.duplicates, lambda f: f.mapped + f.held,
        None, lambda c: c.tolerance, "of the records were duplicates",
    ),
    ShareGate(
        "mapping", lambda f: f.mapped, lambda f: f.mapped + f.held,
        lambda c: c.mapping, lambda c: c.tolerance, "of the records were mapped", at_most=False,
    ),
    ShareGate(
        "growth", lambda f: f.new, lambda f: f.listings,
        None, lambda c: c.growth, "of the listings were never seen before",
    ),
)  # fmt: skip


def judge_site(
    site: str, now: SiteFigures, past: Sequence[SiteFigures], bounds: GatesConfig
) -> Iterator[Finding]:
    """Every gate of a site that was crawled; `past` are its earlier figures, newest first."""
    for gate in COUNTS:
        yield _judge_count(_named(gate.gate, site), gate, now, past, bounds)
    for rule in SHARES:
        yield _judge_share(_named(rule.gate, site), rule, now, past, bounds)
    yield _judge_drift(_named("drift", site), now, past, bounds)


def judge_emptied(
    site: str, now: SiteFigures, past: Sequence[SiteFigures], bounds: GatesConfig
) -> Finding:
    """The `listings` gate of a site that failed because its pages showed no product."""
    return _judge_count(_named("listings", site), COUNTS[1], now, past, bounds)


def judge_removals(removed: int, published: int, bounds: GatesConfig) -> Finding:
    """The share of the published records that would leave with this release."""
    if published < bounds.min_count:
        return Finding("removals")
    figure, bound = removed / published, bounds.removals
    words = (
        f"{removed} of the {published} published records would leave ({figure:.1%}), expected at "
        f"most {bound:.1%} (gates.removals)"
    )
    return Finding("removals", figure > bound, figure, bound, (), words)


def _named(gate: str, site: str) -> str:
    """`fields.title` of a site is `fields.<site>.title`."""
    family, *field = gate.split(".")
    return ".".join([family, site, *field])


def _judge_count(
    name: str, gate: CountGate, now: SiteFigures, past: Sequence[SiteFigures], bounds: GatesConfig
) -> Finding:
    figure, history = gate.of(now), tuple(gate.of(figures) for figures in past)
    usual = median(history) if len(history) >= bounds.min_history else 0
    # A small shop's counts are noise, but none at all where there always were some is not.
    if usual < bounds.min_count and not (figure == 0 and usual > 0):
        return Finding(name, False, figure, None, history)
    share = gate.least(bounds)
    bound = share * usual
    words = (
        f"{figure} {gate.what}, expected at least {bound:g} ({share:g} of the median of the last "
        f"{len(history)} runs: {_told(history)})"
    )
    return Finding(name, figure < bound, figure, bound, history, words)


def _judge_share(
    name: str, rule: ShareGate, now: SiteFigures, past: Sequence[SiteFigures], bounds: GatesConfig
) -> Finding:
    history = tuple(
        rule.part(figures) / rule.whole(figures)
        for figures in past
        if rule.whole(figures) >= bounds.min_count
    )
    if rule.whole(now) < max(1, bounds.min_count):
        return Finding(name, history=history)
    figure = rule.part(now) / rule.whole(now)
    found = [] if rule.bound is None else [(rule.bound(bounds), f"gates.{rule.gate}")]
    if len(history) >= bounds.min_history:
        sign = 1 if rule.at_most else -1
        margin = sign * rule.margin(bounds)
        told = f"{margin:+.0%} of the median of the last {len(history)} runs: "
        told += _told(history, "{:.1%}")
        found.append((median(history) + margin, told))
    if not found:
        return Finding(name, False, figure, None, history)
    bound, why = min(found) if rule.at_most else max(found)
    failed = figure > bound if rule.at_most else figure < bound
    words = (
        f"{figure:.1%} {rule.what}, expected at {'most' if rule.at_most else 'least'} "
        f"{bound:.1%} ({why})"
    )
    return Finding(name, failed, figure, bound, history, words)


def _judge_drift(
    name: str, now: SiteFigures, past: Sequence[SiteFigures], bounds: GatesConfig
) -> Finding:
    before: Counter[str] = Counter()
    for figures in past:
        before.update(figures.classes)
    too_few = min(now.mapped, before.total()) < max(1, bounds.min_count)
    if too_few or len(past) < bounds.min_history:
        return Finding(name)
    figure = population_stability(now.classes, before)
    bound = max(bounds.drift, by_chance(now.classes, before))
    history = tuple(population_stability(figures.classes, before) for figures in past)
    words = (
        f"the classes of its records moved by {figure:.3f} (population stability index), expected "
        f"at most {bound:.3f} against the last {len(past)} runs ({_told(history, '{:.3f}')})"
    )
    return Finding(name, figure > bound, figure, bound, history, words)


def _told(history: Sequence[float], form: str = "{:g}") -> str:
    return ", ".join(form.format(value) for value in history)
