"""What a breadcrumb says by the names in it: the leaf it leads to, and whether its ancestors agree.

The breadcrumb is read from its deepest element up; the first name that can mean a leaf of the tree
is taken, and every other element is asked whether it supports or contradicts that leaf. Names
occur more than once in the tree (奶瓶奶嘴 is a sub-class and also a child of itself), and some say
nothing alone (其他, 配件): both are settled by what stands before them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from taxonomy.breadcrumbs import Breadcrumb
from taxonomy.names import Need, need_of, normalise_name, parts
from taxonomy.tree import Level, Node, Tree


class Support(Enum):
    """How far the rest of a breadcrumb bears out the leaf that one of its names means."""

    AGREES = auto()
    UNKNOWN = auto()
    CONTRADICTS = auto()


@dataclass(frozen=True)
class Reading:
    """What the names of a breadcrumb lead to.

    `nodes` are the leaves that `element` means there: one, or several that nothing tells apart.
    With none, `class_nodes` are the classes that the breadcrumb does name. `against` is the
    element that contradicts.
    """

    element: str = ""
    nodes: tuple[Node, ...] = ()
    support: Support = Support.UNKNOWN
    against: str = ""
    class_nodes: tuple[Node, ...] = ()


@dataclass(frozen=True)
class NameIndex:
    """The tree by normalised name; a class is also known by a piece of its name (母婴, 玩具)."""

    tree: Tree
    _by_name: Mapping[str, tuple[Node, ...]] = field(init=False, repr=False, compare=False)
    _class_by_part: Mapping[str, tuple[Node, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        by_name: dict[str, list[Node]] = {}
        by_part: dict[str, list[Node]] = {}
        for node in self.tree.nodes:
            name = normalise_name(node.name)
            by_name.setdefault(name, []).append(node)
            if node.level is Level.CLASS:
                for part in dict.fromkeys(parts(name)):
                    by_part.setdefault(part, []).append(node)
        object.__setattr__(self, "_by_name", {k: tuple(v) for k, v in by_name.items()})
        object.__setattr__(self, "_class_by_part", {k: tuple(v) for k, v in by_part.items()})

    def nodes(self, name: str) -> tuple[Node, ...]:
        """What a normalised name can mean: the categories of exactly that name, or else the class
        whose name it is a piece of.

        A category of that very name goes first: 童装 is a sub-class of one class and a piece of
        another's name.
        """
        exact = self._by_name.get(name)
        if exact is not None:
            return exact
        classes = [self._class_by_part.get(part, ()) for part in parts(name)]
        if not classes:
            return ()
        return tuple(node for node in classes[0] if all(node in other for other in classes[1:]))

    def leaves(self, name: str) -> tuple[Node, ...]:
        """The sub-classes and sub-sub-classes of exactly that normalised name."""
        return tuple(n for n in self._by_name.get(name, ()) if n.level is not Level.CLASS)


def read_names(crumb: Breadcrumb, index: NameIndex) -> Reading:
    """The leaf that the deepest telling name of the breadcrumb means, and how far that holds."""
    for position in range(len(crumb.names) - 1, -1, -1):
        usable = [
            leaf
            for leaf in index.leaves(crumb.names[position])
            if _need_is_met(leaf, crumb.names, position, index)
        ]
        if usable:
            return _judge(usable, crumb, position, index)
    named = {n for name in crumb.names for n in index.nodes(name) if n.level is Level.CLASS}
    return Reading(class_nodes=tuple(sorted(named)))


def _need_is_met(leaf: Node, names: tuple[str, ...], position: int, index: NameIndex) -> bool:
    need = need_of(names[position])
    if need is Need.PARENT:
        return position > 0 and index.tree.parent(leaf) in index.nodes(names[position - 1])
    if need is Need.ANCESTOR:
        return any(_support(name, leaf, index) is Support.AGREES for name in names[:position])
    return True


def _judge(leaves: list[Node], crumb: Breadcrumb, position: int, index: NameIndex) -> Reading:
    """Weigh each leaf against the other elements, and tell those apart that hold."""
    element = crumb.written[position]
    others = [i for i in range(len(crumb.names)) if i != position]
    against = ""
    holding: list[tuple[Node, Support]] = []
    for leaf in leaves:
        supports = [(i, _support(crumb.names[i], leaf, index)) for i in others]
        contrary = [i for i, support in supports if support is Support.CONTRADICTS]
        if contrary:
            against = against or crumb.written[contrary[-1]]
        else:
            agrees = any(support is Support.AGREES for _, support in supports)
            holding.append((leaf, Support.AGREES if agrees else Support.UNKNOWN))
    if not holding:
        return Reading(element, tuple(leaves), Support.CONTRADICTS, against)
    told = _tell_apart([leaf for leaf, _ in holding], crumb.names[:position], index)
    support = Support.AGREES if (told[0], Support.AGREES) in holding else Support.UNKNOWN
    return Reading(element, told, support)


def _support(name: str, leaf: Node, index: NameIndex) -> Support:
    meanings = index.nodes(name)
    lineage = index.tree.lineage(leaf)
    if any(meaning in lineage[:-1] for meaning in meanings):
        return Support.AGREES
    if not meanings or leaf in meanings or need_of(name) is not Need.NOTHING:
        return Support.UNKNOWN  # nothing known, nothing but itself again, or a name that is weak
    # Shops nest what MEP-3M lays side by side (女装 > 连衣裙 are two sub-classes of one class), so
    # one class is agreement enough.
    if any(index.tree.lineage(meaning)[0] == lineage[0] for meaning in meanings):
        return Support.AGREES
    return Support.CONTRADICTS


def _tell_apart(leaves: list[Node], before: tuple[str, ...], index: NameIndex) -> tuple[Node, ...]:
    """Of leaves of one name, those whose parent is named nearest; a parent rather than its child.

    Without its parent before it, a third-level name that its parent shares must mean the parent.
    """

    def nearest_parent(leaf: Node) -> int:
        parent = index.tree.parent(leaf)
        return max((i for i, name in enumerate(before) if parent in index.nodes(name)), default=-1)

    distance = {leaf: nearest_parent(leaf) for leaf in leaves}
    nearest = [leaf for leaf in leaves if distance[leaf] == max(distance.values())]
    upper = [leaf for leaf in nearest if index.tree.parent(leaf) not in nearest]
    return tuple(sorted(upper))
