"""From all category paths of a record to one label, or to the reason why the record is held.

Comes in: the paths as the shop wrote them and the title. Goes out: a `MapVerdict` with the label,
the versioned rule and the evidence. The order in which paths were seen changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from taxonomy.breadcrumbs import (
    Breadcrumb,
    distinct_breadcrumbs,
    read_breadcrumb,
    title_among,
)
from taxonomy.curated import EMPTY_MAPPING, CuratedMapping
from taxonomy.name_index import NameIndex
from taxonomy.readings import SUGGESTIONS, suggestions
from taxonomy.rules import (
    AMBIGUOUS_PATHS,
    LIKE_RULE,
    NO_CATEGORY,
    NO_MATCH,
    Finding,
    RecordRule,
    Sources,
    first_finding,
)
from taxonomy.suggestions import Suggestion
from taxonomy.tree import Label, Level, Node, Tree

CACHE_LIMIT = 100_000
EVIDENCE_ENTRIES = 4  # paths told in the evidence
EVIDENCE_CHARS = 200  # of one path or element

Paths = Sequence[Sequence[str]]
_Key = tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class MapVerdict:
    """The label, or None for a record that is held; `rule` decided and `reason` says it in words.

    `evidence` is a JSON array, an object per path that counted: the path, what in it was matched,
    and the categories this means. `suggestions` are guesses for whoever reviews a held record,
    `candidates` the categories that its paths do name.
    """

    label: Label | None
    rule: str
    reason: str
    evidence: str
    suggestions: tuple[Suggestion, ...] = ()
    candidates: tuple[Node, ...] = ()


class Mapper:
    """Maps records against one tree and one site's curated mapping.

    Shops have few distinct categories, so verdicts are kept by path; the memory is cleared when
    it holds `cache_limit` of them, since hostile paths could all differ.
    """

    def __init__(
        self, tree: Tree, mapping: CuratedMapping = EMPTY_MAPPING, cache_limit: int = CACHE_LIMIT
    ) -> None:
        self._sources = Sources(tree, NameIndex(tree), mapping)
        self._cache_limit = cache_limit
        self._last_names: dict[_Key, frozenset[str]] = {}
        self._verdicts: dict[tuple[_Key, str | None], MapVerdict] = {}

    @property
    def tree(self) -> Tree:
        """What it maps to."""
        return self._sources.tree

    def map(self, paths: Paths, title: str | None = None) -> MapVerdict:
        """The verdict on one record; pure in the paths (as a set) and the title."""
        key = tuple(map(tuple, paths))
        last_names = self._last_names.get(key)
        if last_names is None:
            last_names = self._remember_last_names(key)
        # The title matters only where a path ends in it.
        ending = title_among(last_names, title) if title else None
        verdict = self._verdicts.get((key, ending))
        if verdict is None:
            verdict = self._decide(key, ending)
            self._verdicts[key, ending] = verdict
        return verdict

    def last_names(self, paths: Paths) -> frozenset[str]:
        """The normalised names that the paths end in."""
        key = tuple(map(tuple, paths))
        return self._last_names.get(key) or self._remember_last_names(key)

    def _remember_last_names(self, key: _Key) -> frozenset[str]:
        if len(self._last_names) >= self._cache_limit:
            self._last_names.clear()
            self._verdicts.clear()
        names = frozenset(crumb.names[-1] for crumb in map(read_breadcrumb, key) if crumb.names)
        self._last_names[key] = names
        return names

    def _decide(self, key: _Key, title: str | None) -> MapVerdict:
        crumbs = distinct_breadcrumbs(key, title)
        asked = list(crumbs) or [Breadcrumb((), ())]  # a site's "*" row may still decide
        findings = [f for crumb in asked if (f := first_finding(crumb, self._sources)) is not None]
        if not findings:
            return self._held(NO_MATCH if crumbs else NO_CATEGORY, asked, [])
        return self._agree(findings)

    def _agree(self, findings: list[Finding]) -> MapVerdict:
        """One answer from what the paths led to: mapping rules first, the lowest tier of them."""
        tree = self._sources.tree
        mapping = [f for f in findings if f.rule.maps]
        if not mapping:
            findings = sorted(findings, key=lambda f: (f.rank, f.crumb))
            first = findings[0].rule
            return self._held(RecordRule(first.name, first.reason), [], findings)
        tier = min(f.rule.tier for f in mapping)
        answers = _most_specific([f for f in mapping if f.rule.tier == tier])
        sub_classes = {_sub_class(f.clue.nodes[0], tree) for f in answers}
        if len(sub_classes) > 1:
            answers = sorted(answers, key=lambda f: (f.clue.nodes[0], f.rank, f.crumb))
            return self._held(AMBIGUOUS_PATHS, [], answers)
        leaf = _deepest_agreed({f.clue.nodes[0] for f in answers}, sub_classes.pop())
        # The path that says exactly this speaks for it; failing that, the best-ranked one.
        answers = sorted(answers, key=lambda f: (f.clue.nodes[0] != leaf, f.rank, f.crumb))
        rule = answers[0].rule
        return MapVerdict(tree.label(leaf), rule.name, rule.reason, _evidence([], answers))

    def _held(
        self, rule: RecordRule, crumbs: list[Breadcrumb], findings: list[Finding]
    ) -> MapVerdict:
        guesses: dict[Node, Suggestion] = {}
        for crumb in (crumbs or [finding.crumb for finding in findings])[:EVIDENCE_ENTRIES]:
            for guess in suggestions(crumb, self._sources.index, LIKE_RULE):
                known = guesses.get(guess.node)
                if known is None or known.confidence < guess.confidence:
                    guesses[guess.node] = guess
        best = sorted(guesses.values(), key=lambda g: (-g.confidence, g.node))[:SUGGESTIONS]
        evidence = _evidence(crumbs, findings)
        candidates = tuple(sorted({node for f in findings for node in f.clue.nodes}))
        return MapVerdict(None, rule.name, rule.reason, evidence, tuple(best), candidates)


def map_paths(
    paths: Paths, title: str | None, tree: Tree, mapping: CuratedMapping = EMPTY_MAPPING
) -> MapVerdict:
    """The verdict on a single record; for many records keep a `Mapper`."""
    return Mapper(tree, mapping).map(paths, title)


def _most_specific(findings: list[Finding]) -> list[Finding]:
    """Without the paths that another path continues.

    A product seen on the grid of a category and on that of one below has both paths; the shorter
    does not contradict the longer.
    """
    continued = {f.crumb.names[:n] for f in findings for n in range(len(f.crumb.names))}
    return [f for f in findings if f.crumb.names not in continued]


def _sub_class(leaf: Node, tree: Tree) -> Node:
    return tree.lineage(leaf)[1]


def _deepest_agreed(leaves: set[Node], sub_class: Node) -> Node:
    """The one third-level category that was named, or the sub-class when none or several were."""
    third = [leaf for leaf in leaves if leaf.level is Level.SUBSUB_CLASS]
    return third[0] if len(third) == 1 else sub_class


def _evidence(crumbs: list[Breadcrumb], findings: list[Finding]) -> str:
    entries: list[dict[str, str | list[str]]] = [
        {"path": _short(str(c))} for c in crumbs if c.names
    ]
    for finding in findings:
        entry: dict[str, str | list[str]] = {"path": _short(str(finding.crumb))}
        if finding.clue.element:
            entry["matched"] = _short(finding.clue.element)
        if finding.clue.nodes:
            entry["nodes"] = [str(node) for node in finding.clue.nodes[:EVIDENCE_ENTRIES]]
        if finding.clue.against:
            entry["against"] = _short(finding.clue.against)
        entries.append(entry)
    return json.dumps(entries[:EVIDENCE_ENTRIES], ensure_ascii=False)


def _short(text: str) -> str:
    return text if len(text) <= EVIDENCE_CHARS else text[: EVIDENCE_CHARS - 1] + "…"
