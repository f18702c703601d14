"""The names that the tree's categories go by: own names, aliases, pieces, and what looks alike.

In comes a normalised name, out come the categories it can mean, by one way of knowing after the
other. A name is looked up without its separators, so that 水壶/水杯 finds 水壶水杯.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rapidfuzz import fuzz, process

from taxonomy.names import NOTHING_ALONE, joined, normalise_name, parts
from taxonomy.tree import Level, Node, Tree

LEAST_LETTERS = 2
"""Of a name that is looked for inside another: 靴 alone is in dozens."""

HEAD_SCORE = 0.9
"""For a name that ends in a category's name: the last word says what a thing is (平板电视)."""

OTHER_HEAD = 0.7
"""For names with other last characters: 篮球 is no 篮球鞋, however alike they are written."""

LONGEST = 60
"""Characters of a name that may be like a category's; pages can write whole books there."""

REMEMBERED = 10_000
"""Names whose likenesses are kept: shops have few, hostile pages have endlessly many."""

LEAST_TO_DECIDE = 0.8
LEAST_LEAD = 0.08
"""How alike two names are that mean one category, and by how much more than the next category's.
What is decided so, and how often rightly, is in ARCHITECTURE.md under Categories."""


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
    _leaf_keys: _LeafKeys = field(init=False, repr=False, compare=False)
    _leaf_classes: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _likeness: dict[str, NDArray[np.float64]] = field(init=False, repr=False, compare=False)

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
        object.__setattr__(self, "_leaf_keys", _leaf_keys(self.tree.leaves(), keys))
        classes = [self.tree.lineage(leaf)[0].id for leaf in self.tree.leaves()]
        object.__setattr__(self, "_leaf_classes", np.array(classes, np.int64))
        object.__setattr__(self, "_likeness", {})

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

    def shares_letters(self, name: str, node: Node) -> bool:
        """Whether a name has a character in common with one of the category's names."""
        return not set(joined(name)).isdisjoint("".join(self._keys[node]))

    def of_classes(self, classes: frozenset[Node]) -> NDArray[np.bool_]:
        """Which leaves belong to one of the classes, in the order of `tree.leaves()`."""
        return np.isin(self._leaf_classes, [node.id for node in classes])

    def matched_length(self, name: str, leaf: Node) -> int:
        """Letters of the longest of the leaf's names that ends this one; 0 if none does."""
        bare = joined(name)
        return max((len(key) for key in self._keys[leaf] if bare.endswith(key)), default=0)

    def likeness(self, name: str) -> NDArray[np.float64]:
        """How much a name is like each leaf's names, 0 to 1, in the order of `tree.leaves()`."""
        if len(name) > LONGEST:
            return np.zeros(len(self._leaf_classes))
        known = self._likeness.get(name)
        if known is None:
            if len(self._likeness) >= REMEMBERED:
                self._likeness.clear()
            known = self._likeness[name] = self._compared(joined(name))
        return known

    def _compared(self, name: str) -> NDArray[np.float64]:
        keys = self._leaf_keys
        scores = process.cdist([name], keys.names, scorer=fuzz.ratio)[0] / 100.0
        scores[(keys.heads != "") & (keys.heads != name[-1:])] *= OTHER_HEAD
        for length in range(LEAST_LETTERS, len(name) + 1):
            for place in keys.places.get(name[-length:], ()):
                scores[place] = max(scores[place], HEAD_SCORE)
        return np.maximum.reduceat(scores, keys.starts)


class _LeafKeys(NamedTuple):
    """The names of all leaves, one leaf's after the other's.

    `heads` are the last characters of those that are not in ASCII, `places` finds these by name;
    `starts` is where each leaf's names begin.
    """

    names: list[str]
    heads: NDArray[np.str_]
    places: dict[str, list[int]]
    starts: NDArray[np.int64]


def _leaf_keys(leaves: Sequence[Node], keys: Mapping[Node, tuple[str, ...]]) -> _LeafKeys:
    names = [key for leaf in leaves for key in keys[leaf]]
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if len(name) >= LEAST_LETTERS and not name.isascii():
            places.setdefault(name, []).append(place)
    counts = [len(keys[leaf]) for leaf in leaves]
    heads = np.array(["" if name.isascii() else name[-1] for name in names])
    return _LeafKeys(names, heads, places, np.cumsum([0, *counts[:-1]]))
