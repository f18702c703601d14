"""The category tree: classes, their sub-classes (the leaves every product has) and sub-sub-classes.

Comes in: a CSV table `level,id,name,parent_id` and, if wanted, `aliases,needs,covers,note` (in the
package: `mep3m.csv`, the 14 / 599 / 89 categories of MEP-3M). Goes out: a frozen `Tree` and, for a
leaf, the `Label` whose parents follow from the tree alone, so that a label can never contradict it.

`aliases` are other names of the category, joined by "|". `needs` says what has to stand before the
name, where it means something else as well: `parent`, its parent directly before it; `ancestor`,
any name that agrees; or words joined by "|", of which some name before it has to hold one. `covers`
is `all` for a leaf that holds whatever a shop puts below it, whatever else the name there means:
a dress below children's clothes is children's clothes. `note` says why.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from taxonomy.errors import TaxonomyError
from taxonomy.names import normalise_name
from taxonomy.table_file import TableRow, read_table

if TYPE_CHECKING:
    import pandas as pd

SHIPPED_TREE = Path(__file__).with_name("mep3m.csv")
COLUMNS = ("level", "id", "name", "parent_id")
OPTIONAL_COLUMNS = ("aliases", "needs", "covers", "note")
COVERS_ALL = "all"
LARGEST_ID = 2**31 - 1  # releases store ids as int32


class Level(StrEnum):
    """The three levels of MEP-3M, top down."""

    CLASS = "class"
    SUB_CLASS = "sub_class"
    SUBSUB_CLASS = "subsub_class"


PARENT_LEVEL: Mapping[Level, Level] = {
    Level.SUB_CLASS: Level.CLASS,
    Level.SUBSUB_CLASS: Level.SUB_CLASS,
}


@dataclass(frozen=True, order=True)
class Node:
    """One category; `parent_id` is an id on the level above, None for a class."""

    level: Level
    id: int
    name: str
    parent_id: int | None
    aliases: tuple[str, ...] = ()
    needs: str = ""
    covers: str = ""
    note: str = ""

    def __str__(self) -> str:
        return f"{self.level} {self.id} {self.name}"


@dataclass(frozen=True)
class Label:
    """Where a product belongs, on all its levels; the third is absent for most of the tree."""

    class_id: int
    class_name: str
    sub_class_id: int
    sub_class_name: str
    subsub_class_id: int | None = None
    subsub_class_name: str | None = None


@dataclass(frozen=True)
class Tree:
    """All categories, in the order of the table. Build it with `load_tree`, which checks it."""

    nodes: tuple[Node, ...]
    _by_key: Mapping[tuple[Level, int], Node] = field(init=False, repr=False, compare=False)
    _leaves: tuple[Node, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_by_key", {(n.level, n.id): n for n in self.nodes})
        leaves = tuple(node for node in self.nodes if node.level is not Level.CLASS)
        object.__setattr__(self, "_leaves", leaves)

    def count(self, level: Level) -> int:
        """How many categories the level has."""
        return sum(node.level is level for node in self.nodes)

    def get(self, level: Level, id: int) -> Node | None:
        """The category of that level and id, or None."""
        return self._by_key.get((level, id))

    def leaf_of_sub_class(self, id: int) -> Node:
        """The sub-class with this id; raises KeyError when the tree has none."""
        return self._by_key[Level.SUB_CLASS, id]

    def parent(self, node: Node) -> Node | None:
        """The category above, None for a class."""
        if node.parent_id is None:
            return None
        return self._by_key[PARENT_LEVEL[node.level], node.parent_id]

    def lineage(self, node: Node) -> tuple[Node, ...]:
        """The categories from the class down to the node itself: one, two or three of them."""
        parent = self.parent(node)
        return (node,) if parent is None else (*self.lineage(parent), node)

    def leaves(self) -> tuple[Node, ...]:
        """Every category a product can be labelled with: sub-classes and sub-sub-classes."""
        return self._leaves

    def label(self, leaf: Node) -> Label:
        """The leaf and everything above it; raises ValueError for a class, which is no leaf."""
        if leaf.level is Level.CLASS:
            raise ValueError(f"expected a sub-class or a sub-sub-class, got {leaf}")
        top, sub, *third = self.lineage(leaf)
        if not third:
            return Label(top.id, top.name, sub.id, sub.name)
        return Label(top.id, top.name, sub.id, sub.name, third[0].id, third[0].name)

    def is_consistent(self, label: Label) -> bool:
        """Whether the label is one this tree gives: ids exist, names and parents are the tree's."""
        leaf = (
            self.get(Level.SUB_CLASS, label.sub_class_id)
            if label.subsub_class_id is None
            else self.get(Level.SUBSUB_CLASS, label.subsub_class_id)
        )
        return leaf is not None and self.label(leaf) == label

    def as_pandas(self) -> pd.DataFrame:
        """A row per category: the table's columns, parent_id as nullable Int64."""
        import pandas as pd  # here, since every worker loads a tree and only people want frames

        return pd.DataFrame(
            {
                "level": [str(node.level) for node in self.nodes],
                "id": [node.id for node in self.nodes],
                "name": [node.name for node in self.nodes],
                "parent_id": pd.array([node.parent_id for node in self.nodes], dtype="Int64"),
                "aliases": ["|".join(node.aliases) for node in self.nodes],
                "needs": [node.needs for node in self.nodes],
                "covers": [node.covers for node in self.nodes],
                "note": [node.note for node in self.nodes],
            }
        )


def load_tree(path: Path | None = None) -> Tree:
    """The tree in a table file (None: the shipped MEP-3M tree).

    Raises TaxonomyError, naming file and row, for an unknown level, an id that is no positive
    integer or occurs twice on its level, an empty name, a parent that is missing or must not be
    there, siblings whose names or aliases read the same, and a tree without a sub-class.
    """
    path = path or SHIPPED_TREE
    rows = read_table(path, COLUMNS, OPTIONAL_COLUMNS)
    if not rows:
        raise TaxonomyError(path, None, "at least one category", "none")
    numbered = [(row.number, _node(path, row)) for row in rows]
    _check_relations(path, numbered)
    if not any(node.level is Level.SUB_CLASS for _, node in numbered):
        raise TaxonomyError(path, None, f"at least one {Level.SUB_CLASS}", "none")
    return Tree(tuple(node for _, node in numbered))


def _node(path: Path, row: TableRow) -> Node:
    cells = row.cells
    if cells["level"] not in list(Level):
        raise TaxonomyError(
            path, row.number, f"level {', '.join(Level)}", f"level {cells['level']!r}"
        )
    level = Level(cells["level"])
    if not normalise_name(cells["name"]):
        raise TaxonomyError(path, row.number, "a name", f"name {cells['name']!r}")
    if level is Level.CLASS and cells["parent_id"]:
        raise TaxonomyError(
            path, row.number, "no parent_id for a class", f"parent_id {cells['parent_id']!r}"
        )
    parent_id = (
        None
        if level is Level.CLASS
        else parse_id(path, row.number, "parent_id", cells["parent_id"])
    )
    aliases = tuple(alias.strip() for alias in cells["aliases"].split("|") if alias.strip())
    if not all(map(normalise_name, aliases)):
        raise TaxonomyError(path, row.number, "names as aliases", f"{cells['aliases']!r}")
    id = parse_id(path, row.number, "id", cells["id"])
    if cells["covers"] not in ("", COVERS_ALL):
        expected = f"nothing or {COVERS_ALL} in column covers"
        raise TaxonomyError(path, row.number, expected, repr(cells["covers"]))
    extra = (aliases, _needs(path, row), cells["covers"], cells["note"])
    return Node(level, id, cells["name"], parent_id, *extra)


def _needs(path: Path, row: TableRow) -> str:
    """What stands in column needs, its words as names are compared."""
    if not row.cells["needs"]:
        return ""
    words = [normalise_name(word) for word in row.cells["needs"].split("|")]
    if not all(words):
        expected = 'words joined by "|" in column needs'
        raise TaxonomyError(path, row.number, expected, repr(row.cells["needs"]))
    return "|".join(words)


def parse_id(path: Path, row: int, column: str, text: str) -> int:
    """A category id from a cell; raises TaxonomyError unless it is an integer from 1 to int32."""
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:12]) <= LARGEST_ID):
        raise TaxonomyError(
            path, row, f"{column} as an integer from 1 to {LARGEST_ID}", f"{column} {text!r}"
        )
    return int(text)


def _check_relations(path: Path, numbered: Iterable[tuple[int, Node]]) -> None:
    numbered = list(numbered)
    seen: dict[tuple[Level, int], int] = {}
    for number, node in numbered:
        earlier = seen.setdefault((node.level, node.id), number)
        if earlier != number:
            raise TaxonomyError(
                path, number, f"an id no other {node.level} has", f"{node.id}, as in row {earlier}"
            )
    siblings: dict[tuple[Level, int | None, str], int] = {}
    for number, node in numbered:
        if node.parent_id is not None:
            parent = (PARENT_LEVEL[node.level], node.parent_id)
            if parent not in seen:
                raise TaxonomyError(
                    path, number, f"the id of a {parent[0]} as parent_id", f"{node.parent_id}"
                )
        # Siblings that read the same could never be told apart by a breadcrumb.
        for name in (node.name, *node.aliases):
            key = (node.level, node.parent_id, normalise_name(name))
            earlier = siblings.setdefault(key, number)
            if earlier != number:
                raise TaxonomyError(
                    path, number, "a name no sibling has", f"{name!r}, as in row {earlier}"
                )
