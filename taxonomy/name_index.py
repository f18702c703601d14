"""The names that the tree's categories go by: own names, aliases, pieces, and what looks alike.

In comes a normalised name, out come the categories it can mean, by one way of knowing after the
other. A name is looked up without its separators, so that 水壶/水杯 finds 水壶水杯.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import IntEnum

from rapidfuzz import fuzz

from taxonomy.names import NOTHING_ALONE, joined, normalise_name, parts
from taxonomy.tree import Level, Node, Tree

LEAST_LETTERS = 2
"""Of a name that is looked for inside another: 靴 alone is in dozens."""

HEAD_SCORE = 0.9
"""For a name that ends in a category's name: the last word says what a thing is (平板电视)."""

OTHER_HEAD = 0.7
"""For names with other last characters: 篮球 is no 篮球鞋, however alike they are written."""

LEAST_TO_DECIDE = 0.8
LEAST_LEAD = 0.08
"""How alike two names are that mean one category, and by how much more than the next category's.
Measured on 1,109 category paths of a shop: see ARCHITECTURE.md."""


class How(IntEnum):
    """How a name is known to mean a category; the lower the surer."""

    NAME = 0
    ALIAS = 1
    PART = 2
    LIKE = 3


@dataclass(frozen=True)
class NameIndex:
    """A tree's categories by name; a class is also known by a piece of its name (母婴, 玩具)."""

    tree: Tree
    _named: Mapping[str, tuple[Node, ...]] = field(init=False, repr=False, compare=False)
    _aliased: Mapping[str, tuple[Node, ...]] = field(init=False, repr=False, compare=False)
    _pieced: Mapping[str, tuple[Node, ...]] = field(init=False, repr=False, compare=False)
    _class_pieces: Mapping[str, tuple[Node, ...]] = field(init=False, repr=False, compare=False)
    _keys: Mapping[Node, tuple[str, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        named: dict[str, list[Node]] = {}
        aliased: dict[str, list[Node]] = {}
        pieced: dict[str, list[Node]] = {}
        class_pieces: dict[str, list[Node]] = {}
        keys: dict[Node, tuple[str, ...]] = {}
        for node in self.tree.nodes:
            name = normalise_name(node.name)
            aliases = [normalise_name(alias) for alias in node.aliases]
            pieces = [piece for piece in parts(name) if piece not in NOTHING_ALONE]
            pieces = pieces if "/" in name else []
            named.setdefault(joined(name), []).append(node)
            for alias in dict.fromkeys(map(joined, aliases)):
                aliased.setdefault(alias, []).append(node)
            if node.level is Level.CLASS:
                for piece in dict.fromkeys((*parts(name), *aliases)):
                    class_pieces.setdefault(piece, []).append(node)
            else:
                for piece in dict.fromkeys(pieces):
                    pieced.setdefault(piece, []).append(node)
            keys[node] = tuple(dict.fromkeys((joined(name), *pieces, *map(joined, aliases))))
        for attribute, table in (
            ("_named", named),
            ("_aliased", aliased),
            ("_pieced", pieced),
            ("_class_pieces", class_pieces),
        ):
            object.__setattr__(self, attribute, {key: tuple(v) for key, v in table.items()})
        object.__setattr__(self, "_keys", keys)

    def nodes(self, name: str) -> tuple[Node, ...]:
        """The categories of that name or alias, or else the class whose name it is a piece of.

        A category of that very name goes first: 童装 is a sub-class of one class and a piece of
        another's name.
        """
        exact = self._named.get(joined(name)) or self._aliased.get(joined(name))
        if exact is not None:
            return exact
        classes = [self._class_pieces.get(part, ()) for part in parts(name)]
        if not classes:
            return ()
        return tuple(node for node in classes[0] if all(node in other for other in classes[1:]))

    def leaves(self, name: str, how: How) -> tuple[Node, ...]:
        """The sub-classes and sub-sub-classes that a name means in one way of knowing."""
        if how is How.NAME:
            found: Iterable[Node] = self._named.get(joined(name), ())
        elif how is How.ALIAS:
            found = self._aliased.get(joined(name), ())
        else:
            found = self._by_pieces(name)
        return tuple(node for node in found if node.level is not Level.CLASS)

    def _by_pieces(self, name: str) -> tuple[Node, ...]:
        """Leaves of whose names this is a piece, and those that all its own pieces name."""
        found = dict.fromkeys(self._pieced.get(name, ()))
        pieces = parts(name)
        if len(pieces) > 1:
            meant = [
                self._named.get(piece) or self._aliased.get(piece) or self._pieced.get(piece, ())
                for piece in pieces
            ]
            if all(meant):
                found.update(dict.fromkeys(node for nodes in meant for node in nodes))
        return tuple(found)

    def classes_in(self, name: str) -> frozenset[Node]:
        """The classes that a name mentions: 服饰内衣 mentions that of 内衣."""
        return frozenset(
            node
            for piece, nodes in self._class_pieces.items()
            if len(piece) >= LEAST_LETTERS and piece in name
            for node in nodes
        )

    def mentions(self, name: str, node: Node) -> bool:
        """Whether a name holds one of the category's names."""
        bare = joined(name)
        return any(len(key) >= LEAST_LETTERS and key in bare for key in self._keys[node])

    def matched_length(self, name: str, leaf: Node) -> int:
        """Letters of the longest of the leaf's names that ends this one; 0 if none does."""
        bare = joined(name)
        return max((len(key) for key in self._keys[leaf] if bare.endswith(key)), default=0)

    def likeness(self, name: str, leaf: Node) -> float:
        """How much a name is like one of the leaf's, 0 to 1."""
        bare = joined(name)
        return max(_likeness(bare, key) for key in self._keys[leaf])


def _likeness(name: str, key: str) -> float:
    if len(key) >= LEAST_LETTERS and name.endswith(key) and not key.isascii():
        return HEAD_SCORE
    same_head = name[-1:] == key[-1:] or key.isascii()
    return fuzz.ratio(name, key) / 100 * (1.0 if same_head else OTHER_HEAD)
