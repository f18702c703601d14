"""Which categories of a run's shops wait for an answer, the ones with most records first.

In come the held records of a run and the sites' mappings; out goes one entry for each site and path
that nobody has answered yet, with examples and guesses. Paths are counted, records never kept. Of
more paths than fit, rare ones are let go and their records told; what is listed is exact, and no
path that has more than 2 / MAX_PATHS of all records is missing (as in Space-Saving, Metwally 2005).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from runtime.workspace import Run
from taxonomy.breadcrumbs import Breadcrumb
from taxonomy.curated import EMPTY_MAPPING, STAR, CuratedMapping
from taxonomy.mapper import Mapper, MapVerdict
from taxonomy.review.held import Held, HeldReader, site_of_part
from taxonomy.review.title_names import TitleNames
from taxonomy.rules import (
    AMBIGUOUS_PATHS,
    NO_CATEGORY,
    NO_COUNTERPART_RULE,
    NO_MATCH,
    PATH_RULES,
)
from taxonomy.suggestions import Suggestion
from taxonomy.tree import Level, Node, Tree

EXAMPLES = 3
EXAMPLE_CHARS = 120
GUESSES = 3
MAX_PATHS = 40_000
"""Paths that are counted at a time; hostile pages could name endlessly many."""
MAX_PATH_CHARS = 500
"""Of a path that can be answered; pages can write whole books there."""

REASONS: Mapping[str, str] = {
    **{rule.name: rule.reason for rule in PATH_RULES},
    **{rule.name: rule.reason for rule in (AMBIGUOUS_PATHS, NO_CATEGORY, NO_MATCH)},
}

Key = tuple[str, tuple[str, ...]]
"""A site, and the normalised names of a path."""


@dataclass(frozen=True)
class Waiting:
    """A path of a site, as the shop writes it, and the records that wait for an answer to it.

    `names` are the path's, normalised; both are empty for records without any category. `rule` is
    why most of them are held; `examples` are titles; `guesses` come best first. `alone` is what the
    path means by itself, where only other paths of its records are against it: records that have
    no other one are mapped so, and another answer would be one for them too.
    """

    site: str
    path: str
    names: tuple[str, ...]
    records: int
    rule: str
    examples: tuple[str, ...]
    guesses: tuple[Suggestion, ...]
    alone: Node | None = None

    @property
    def reason(self) -> str:
        """The rule in words."""
        return REASONS.get(self.rule, self.rule)


@dataclass(frozen=True)
class WaitingList:
    """What waits, and what is held otherwise.

    `records` wait under the entries' paths, `unlisted` under paths that are not listed: too rare
    among too many, or no path that a mapping file can say. `answered` were answered since the run
    was mapped; `no_counterpart` are held knowingly; `disagreeing` are held because the answers to
    their paths differ, `disagreeing_example` is one of these.
    """

    entries: tuple[Waiting, ...]
    records: int
    unlisted: int = 0
    answered: int = 0
    no_counterpart: int = 0
    disagreeing: int = 0
    disagreeing_example: str = ""


@dataclass
class _Count:
    """A path's records so far; `missed` are as many as it can have had before it was let go."""

    path: str
    missed: int = 0
    records: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    sure: dict[Node, float] = field(default_factory=dict)
    by: dict[Node, str] = field(default_factory=dict)
    with_others: int = 0

    def add(self, held: Held) -> None:
        self.records += 1
        self.rules[held.rule] += 1
        if held.title and len(self.examples) < EXAMPLES:
            self.examples.append(_short(held.title))
        if len(held.crumbs) > 1:  # what its other paths mean is no guess for this one
            self.with_others += 1
            self.guess(held.title_guess)
        else:
            self.guess(held.guesses)

    def guess(self, guesses: Iterable[Suggestion], times: int = 1) -> None:
        for guess in guesses:
            self.sure[guess.node] = self.sure.get(guess.node, 0.0) + guess.confidence * times
            self.by.setdefault(guess.node, guess.by)

    def guesses(self) -> tuple[Suggestion, ...]:
        """The leaves that most records speak for: their confidence, on average over all records."""
        best = sorted(self.sure, key=lambda node: (-self.sure[node], node))[:GUESSES]
        return tuple(
            Suggestion(node, round(self.sure[node] / self.records, 4), self.by[node])
            for node in best
        )


def waiting_list(
    run: Run,
    tree: Tree,
    mappings: Mapping[str, CuratedMapping],
    site: str | None = None,
    limit: int = MAX_PATHS,
) -> WaitingList:
    """What waits in the run, of all sites or of one; what a mapping answers already is left out.

    A record with several paths waits under each of them: one answer is enough for it. Raises
    PartError for a damaged part.
    """
    tally = _Tally(tree, mappings, limit)
    parts = [part for part in run.labels.names() if site in (None, site_of_part(part))]
    reader = HeldReader(run, tree)
    tally.count(reader, parts)
    if tally.is_pruned:
        tally = _Tally(tree, mappings, limit, tally.paths)
        tally.count(reader, parts)
    return tally.result()


class _Tally:
    """Counts held records by path: of the `chosen` paths, or of at most `limit`."""

    def __init__(
        self,
        tree: Tree,
        mappings: Mapping[str, CuratedMapping],
        limit: int,
        chosen: Collection[Key] | None = None,
    ) -> None:
        self._tree = tree
        self._mappings = mappings
        self._mappers: dict[str, Mapper] = {}
        self._limit = limit
        self._chosen = chosen
        self._counts: dict[Key, _Count] = {}
        self._records = self._unlisted = 0
        self._settled: Counter[str] = Counter()
        self._disagreeing = ""
        self._most_missed = 0

    @property
    def is_pruned(self) -> bool:
        """Whether paths had to be let go, so that the counts of the others are too small."""
        return self._most_missed > 0

    @property
    def paths(self) -> frozenset[Key]:
        """What is counted."""
        return frozenset(self._counts)

    def count(self, reader: HeldReader, parts: Collection[str]) -> None:
        """Count the held records of these parts."""
        for part in parts:
            site = site_of_part(part)
            for held in reader.read(part):
                verdict = self._answered(site, held)
                if verdict is None:
                    self._add(site, held)
                else:
                    self._settle(held, verdict)

    def result(self) -> WaitingList:
        """The list, in an order that depends on nothing but the records."""
        names = TitleNames(self._tree)
        found = sorted(self._counts.items(), key=lambda item: (-item[1].records, item[0]))
        entries = []
        for (site, path), count in found:
            alone = None
            if count.with_others:
                alone, guesses = self._read_alone(site, count.path)
                count.guess(guesses, count.with_others)
            entries.append(
                Waiting(
                    site, count.path, path, count.records,
                    min(count.rules, key=lambda rule: (-count.rules[rule], rule)),
                    tuple(count.examples),
                    count.guesses() or names.guesses(count.examples)[:GUESSES],
                    alone,
                )
            )  # fmt: skip
        return WaitingList(
            tuple(entries), self._records, self._unlisted, self._settled["answered"],
            self._settled["no_counterpart"], self._settled["disagreeing"], self._disagreeing,
        )  # fmt: skip

    def _answered(self, site: str, held: Held) -> MapVerdict | None:
        """What the mapper says now where a person answered one of the paths; None where not."""
        mapping = self._mappings.get(site, EMPTY_MAPPING)
        crumbs = held.crumbs or (Breadcrumb((), ()),)
        if all(mapping.find(crumb) is None for crumb in crumbs):
            return None
        return self._mapper(site).map(held.paths, held.title)

    def _mapper(self, site: str) -> Mapper:
        mapper = self._mappers.get(site)
        if mapper is None:
            mapping = self._mappings.get(site, EMPTY_MAPPING)
            mapper = self._mappers[site] = Mapper(self._tree, mapping)
        return mapper

    def _read_alone(self, site: str, path: str) -> tuple[Node | None, tuple[Suggestion, ...]]:
        """What a path means without the others of its records, and the guesses that this gives."""
        verdict = self._mapper(site).map([[path]])
        if verdict.label is None:
            return None, verdict.suggestions
        label = verdict.label
        leaf = self._tree.get(Level.SUBSUB_CLASS, label.subsub_class_id or 0)
        leaf = leaf or self._tree.leaf_of_sub_class(label.sub_class_id)
        return leaf, (Suggestion(leaf, 1.0, verdict.rule),)

    def _settle(self, held: Held, verdict: MapVerdict) -> None:
        if verdict.label is not None:
            self._settled["answered"] += 1
        elif verdict.rule == NO_COUNTERPART_RULE:
            self._settled["no_counterpart"] += 1
        else:
            self._settled["disagreeing"] += 1
            self._disagreeing = self._disagreeing or held.record_id

    def _add(self, site: str, held: Held) -> None:
        written = {crumb.names: _written(crumb) for crumb in held.crumbs} or {(): ""}
        paths = {names: path for names, path in written.items() if path is not None}
        listed = [
            self._count_of((site, names), path)
            for names, path in paths.items()
            if self._chosen is None or (site, names) in self._chosen
        ]
        for count in listed:
            count.add(held)
        if listed:
            self._records += 1
        else:
            self._unlisted += 1

    def _count_of(self, key: Key, path: str) -> _Count:
        count = self._counts.get(key)
        if count is None:
            if len(self._counts) >= self._limit:
                self._prune()
            count = self._counts[key] = _Count(path, self._most_missed)
        return count

    def _prune(self) -> None:
        """Let go of the half with the fewest records."""
        ordered = sorted(
            self._counts.items(), key=lambda item: (-item[1].missed - item[1].records, item[0])
        )
        kept, gone = ordered[: self._limit // 2], ordered[self._limit // 2 :]
        self._counts = dict(kept)
        self._most_missed = gone[0][1].missed + gone[0][1].records


def _written(crumb: Breadcrumb) -> str | None:
    """The path as a mapping file has it; None where a file could not say it."""
    path = " > ".join(" ".join(piece.split()) for piece in crumb.written)
    return None if STAR in crumb.names or len(path) > MAX_PATH_CHARS else path


def _short(text: str) -> str:
    return text if len(text) <= EXAMPLE_CHARS else text[: EXAMPLE_CHARS - 1] + "…"
