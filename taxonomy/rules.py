"""The mapping rules, as ordered rows: what each looks at in one breadcrumb, and what it then says.

The first row that says anything about a breadcrumb decides for that breadcrumb. A row of a lower
tier outranks higher ones across the breadcrumbs of one record: what a person decided is not put in
doubt by a name. A new way of mapping is a new row (and a changed one a new version of its name).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from taxonomy.breadcrumbs import Breadcrumb
from taxonomy.curated import CuratedMapping
from taxonomy.name_index import How, NameIndex
from taxonomy.readings import Reading, Support, read_names
from taxonomy.tree import Node, Tree


@dataclass(frozen=True)
class Sources:
    """What rules may consult."""

    tree: Tree
    index: NameIndex
    mapping: CuratedMapping


@dataclass(frozen=True)
class Clue:
    """What a rule saw: the element or row that led it, and the categories that this may mean.

    For a mapping rule, exactly one category, a leaf.
    """

    element: str
    nodes: tuple[Node, ...] = ()
    against: str = ""


@dataclass(frozen=True)
class PathRule:
    """One row: `find` gives a clue or None; `maps` tells labels from reasons to hold a record."""

    name: str
    maps: bool
    tier: int
    reason: str
    find: Callable[[Breadcrumb, Reading, Sources], Clue | None]


def _curated(crumb: Breadcrumb, _: Reading, sources: Sources) -> Clue | None:
    row = sources.mapping.find(crumb)
    return Clue(str(row), (row.node,)) if row and row.node else None


def _no_counterpart(crumb: Breadcrumb, _: Reading, sources: Sources) -> Clue | None:
    row = sources.mapping.find(crumb)
    return Clue(str(row)) if row and row.node is None else None


def _known_by(
    how: How, support: Support | None = None
) -> Callable[[Breadcrumb, Reading, Sources], Clue | None]:
    def find(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
        if len(reading.nodes) == 1 and reading.how is how and support in (None, reading.support):
            return Clue(reading.element, reading.nodes)
        return None

    return find


def _in_doubt(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
    if reading.rivals:
        return Clue(reading.element, (*reading.nodes, *reading.rivals))
    return None


def _strange(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
    return Clue(reading.element, reading.nodes, reading.stranger) if reading.stranger else None


def _bare(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
    return Clue(reading.element, reading.nodes) if reading.bare_alias else None


def _contradicted(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
    if reading.support is Support.CONTRADICTS:
        return Clue(reading.element, reading.nodes, reading.against)
    return None


def _several_meanings(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
    return Clue(reading.element, reading.nodes) if len(reading.nodes) > 1 else None


def _class_only(_: Breadcrumb, reading: Reading, __: Sources) -> Clue | None:
    return Clue("", reading.class_nodes) if reading.class_nodes else None


LIKE_RULE = "like_name_v1"
NO_COUNTERPART_RULE = "mapping_no_counterpart_v1"

PATH_RULES: tuple[PathRule, ...] = (
    PathRule("curated_path_v1", True, 0, "a row of the site's mapping file", _curated),
    PathRule(
        NO_COUNTERPART_RULE,
        False,
        0,
        "the site's mapping file says that the tree has no such category",
        _no_counterpart,
    ),
    PathRule(
        "contradicting_ancestors_v2",
        False,
        1,
        "the deepest known name belongs to another class than the rest of the path",
        _contradicted,
    ),
    PathRule(
        "deeper_name_unknown_v1",
        False,
        1,
        "below the deepest known name stands one that may mean another leaf",
        _in_doubt,
    ),
    PathRule(
        "deeper_name_unrelated_v1",
        False,
        1,
        "below the deepest known name stands one that has nothing in common with it",
        _strange,
    ),
    PathRule(
        "bare_alias_v1",
        False,
        1,
        "one English word that may mean a leaf, below names that are unknown",
        _bare,
    ),
    PathRule(
        "path_name_v2",
        True,
        1,
        "the deepest known name of the path, in agreement with the others",
        _known_by(How.NAME, Support.AGREES),
    ),
    PathRule(
        "leaf_name_v2",
        True,
        1,
        "a name that only one leaf of the tree has; the rest of the path is unknown",
        _known_by(How.NAME, Support.UNKNOWN),
    ),
    PathRule("alias_v1", True, 1, "another name of the leaf", _known_by(How.ALIAS)),
    PathRule(
        "name_part_v1",
        True,
        1,
        "a piece of the leaf's name, or the leaf's name as a piece, in agreement with the others",
        _known_by(How.PART),
    ),
    PathRule(
        LIKE_RULE,
        True,
        2,
        "a name like that of one leaf in the class that the rest of the path means",
        _known_by(How.LIKE),
    ),
    PathRule(
        "ambiguous_name_v2",
        False,
        1,
        "several leaves of the tree have this name and nothing tells them apart",
        _several_meanings,
    ),
    PathRule("class_only_v1", False, 1, "the path names a class, but no sub-class", _class_only),
)


@dataclass(frozen=True)
class RecordRule:
    """A reason to hold a record that shows only when all of its paths are seen together."""

    name: str
    reason: str


AMBIGUOUS_PATHS = RecordRule(
    "ambiguous_paths_v1", "the record's paths lead to different sub-classes"
)
NO_CATEGORY = RecordRule("no_category_v1", "the record has no category path")
NO_MATCH = RecordRule("no_category_match_v1", "no name in the record's paths is in the tree")


@dataclass(frozen=True)
class Finding:
    """What one breadcrumb led to: the first rule that said something, and its clue."""

    crumb: Breadcrumb
    rank: int
    clue: Clue

    @property
    def rule(self) -> PathRule:
        """The row of PATH_RULES that spoke."""
        return PATH_RULES[self.rank]


def first_finding(crumb: Breadcrumb, sources: Sources) -> Finding | None:
    """Ask the rules in their order; None when the breadcrumb leads nowhere."""
    reading = read_names(crumb, sources.index)
    for rank, rule in enumerate(PATH_RULES):
        clue = rule.find(crumb, reading, sources)
        if clue is not None:
            return Finding(crumb, rank, clue)
    return None
