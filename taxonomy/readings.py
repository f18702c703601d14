"""What a breadcrumb says by the names in it: the leaf it leads to, and whether its ancestors agree.

The breadcrumb is read from its deepest element up; the first name that can mean a leaf of the tree
is taken, and every other element is asked whether it supports or contradicts that leaf. Names
occur more than once in the tree (奶瓶奶嘴 is a sub-class and also a child of itself), and some say
nothing alone (其他, 配件): both are settled by what stands before them. Where a deeper name is
unknown, but like another leaf's, the shallower one is not trusted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import Enum, auto

import numpy as np

from taxonomy.breadcrumbs import Breadcrumb
from taxonomy.name_index import LEAST_LEAD, LEAST_TO_DECIDE, How, NameIndex
from taxonomy.names import NOTHING_ALONE, says_a_kind
from taxonomy.suggestions import Suggestion
from taxonomy.tree import Level, Node

PARENT, ANCESTOR = "parent", "ancestor"
"""What a category may need before its name; anything else is words, see `taxonomy.tree`."""

LEAST_RIVAL = 0.55
"""How like another leaf an unknown deeper name is that puts the shallower reading in doubt."""

SUGGESTIONS = 3
LEAST_SUGGESTED = 0.4


class Support(Enum):
    """How far the rest of a breadcrumb bears out the leaf that one of its names means."""

    AGREES = auto()
    UNKNOWN = auto()
    CONTRADICTS = auto()


@dataclass(frozen=True)
class Reading:
    """What the names of a breadcrumb lead to.

    `nodes` are the leaves that `element` means there, `how` it is known: one, or several that
    nothing tells apart. With none, `class_nodes` are the classes that the breadcrumb does name.
    `against` is the element that contradicts; `rivals` are leaves that a deeper, unknown name may
    mean instead, and `stranger` is such a name that has nothing in common with the leaf's.
    `bare_alias` tells that the leaf is meant by one English word that nothing else bears out.
    """

    element: str = ""
    nodes: tuple[Node, ...] = ()
    how: How = How.NAME
    support: Support = Support.UNKNOWN
    against: str = ""
    class_nodes: tuple[Node, ...] = ()
    rivals: tuple[Node, ...] = ()
    stranger: str = ""
    bare_alias: bool = False


def read_names(crumb: Breadcrumb, index: NameIndex) -> Reading:
    """The leaf that the deepest telling name of the breadcrumb means, and how far that holds."""
    found, position = _known(crumb, index)
    covering = _covering(crumb, position, index)
    if covering is not None:
        return covering
    deeper = range(position + 1, len(crumb.names))
    if found is None:
        return _alike(crumb, deeper, None, index) or Reading(class_nodes=_classes(crumb, index))
    if found.support is Support.CONTRADICTS or len(found.nodes) > 1:
        return found
    if _is_bare_alias(found, position):
        return replace(found, bare_alias=True)
    if not deeper:
        return found
    alike = _alike(crumb, deeper, found.nodes[0], index)
    if alike is not None:
        return alike
    rivals = _rivals(crumb, deeper, found.nodes[0], index)
    stranger = _stranger(crumb, deeper, found.nodes[0], index)
    return replace(found, rivals=rivals, stranger=stranger)


def suggestions(crumb: Breadcrumb, index: NameIndex, by: str) -> tuple[Suggestion, ...]:
    """The leaves most like the breadcrumb's names, those of classes that it mentions first."""
    names = crumb.names[-2:]
    if not names:
        return ()
    likeness = np.max([index.likeness(name) for name in names], axis=0)
    classes = _agreed_classes(crumb.names, index)
    if classes:
        likeness = np.where(index.of_classes(classes), likeness, likeness / 2)
    leaves = index.tree.leaves()
    best = sorted(
        (-float(likeness[place]), leaves[place])
        for place in np.flatnonzero(likeness >= LEAST_SUGGESTED).tolist()
    )
    return tuple(Suggestion(leaf, round(-score, 3), by) for score, leaf in best[:SUGGESTIONS])


def _known(crumb: Breadcrumb, index: NameIndex) -> tuple[Reading | None, int]:
    """The reading of the deepest element that names a leaf, and its position (-1: none does)."""
    for position in range(len(crumb.names) - 1, -1, -1):
        last = position == len(crumb.names) - 1
        for how in (How.NAME, How.ALIAS, How.PART) if last else (How.NAME, How.ALIAS):
            usable = [
                leaf
                for leaf in index.leaves(crumb.names[position], how)
                if _need_is_met(leaf, crumb.names, position, index)
            ]
            if not usable:
                continue
            reading = _judge(usable, how, crumb, position, index)
            # A piece of a name is too little to stand alone, or against the others.
            if how is not How.PART or reading.support is Support.AGREES:
                return reading, position
            break
    return None, -1


def _covering(crumb: Breadcrumb, position: int, index: NameIndex) -> Reading | None:
    """The deepest element above a position that names a leaf which covers all below it."""
    for above in range(position - 1, -1, -1):
        for how in (How.NAME, How.ALIAS):
            covering = [leaf for leaf in index.leaves(crumb.names[above], how) if leaf.covers]
            if len(covering) == 1 and _need_is_met(covering[0], crumb.names, above, index):
                before = Breadcrumb(crumb.names[: above + 1], crumb.written[: above + 1])
                return _judge(covering, how, before, above, index)
    return None


def _classes(crumb: Breadcrumb, index: NameIndex) -> tuple[Node, ...]:
    named = {n for name in crumb.names for n in index.nodes(name) if n.level is Level.CLASS}
    return tuple(sorted(named))


def _need_is_met(leaf: Node, names: tuple[str, ...], position: int, index: NameIndex) -> bool:
    needs = PARENT if names[position] in NOTHING_ALONE else leaf.needs
    before = names[:position]
    if not needs:
        return True
    if needs == PARENT:
        return position > 0 and index.tree.parent(leaf) in index.nodes(before[-1])
    if needs == ANCESTOR:
        return any(_support(name, leaf, index) is Support.AGREES for name in before)
    return any(word in name for word in needs.split("|") for name in before)


def _judge(
    leaves: list[Node], how: How, crumb: Breadcrumb, position: int, index: NameIndex
) -> Reading:
    """Weigh each leaf against the other elements, and tell those apart that hold."""
    element = crumb.written[position]
    others = [i for i in range(len(crumb.names)) if i != position]
    against = ""
    holding: list[tuple[Node, Support]] = []
    for leaf in leaves:
        supports = [(i, _support(crumb.names[i], leaf, index)) for i in others]
        agreeing = [i for i, support in supports if support is Support.AGREES and i < position]
        contrary = [
            i
            for i, support in supports
            # What stands nearer and agrees outweighs: Home > Appliances > Kettles.
            if support is Support.CONTRADICTS and i > max(agreeing, default=-1)
        ]
        if contrary:
            against = against or crumb.written[contrary[-1]]
        else:
            agrees = any(support is Support.AGREES for _, support in supports)
            holding.append((leaf, Support.AGREES if agrees else Support.UNKNOWN))
    if not holding:
        return Reading(element, tuple(leaves), how, Support.CONTRADICTS, against)
    told = _tell_apart([leaf for leaf, _ in holding], crumb.names[:position], index)
    support = Support.AGREES if (told[0], Support.AGREES) in holding else Support.UNKNOWN
    return Reading(element, told, how, support)


def _support(name: str, leaf: Node, index: NameIndex) -> Support:
    meanings = index.nodes(name)
    lineage = index.tree.lineage(leaf)
    if any(meaning in lineage[:-1] for meaning in meanings):
        return Support.AGREES
    if leaf in meanings or name in NOTHING_ALONE:
        return Support.UNKNOWN  # nothing but itself again, or a name that says nothing
    if not meanings:
        return _mentioned(name, leaf, index)
    if all(meaning.needs for meaning in meanings):
        return Support.UNKNOWN  # a name that is weak
    # Shops nest what MEP-3M lays side by side (女装 > 连衣裙 are two sub-classes of one class), so
    # one class is agreement enough.
    if any(index.tree.lineage(meaning)[0] == lineage[0] for meaning in meanings):
        return Support.AGREES
    if index.mentions(name, leaf):
        return Support.UNKNOWN
    return Support.CONTRADICTS


def _mentioned(name: str, leaf: Node, index: NameIndex) -> Support:
    """What an unknown name says by the names in it: 服饰内衣 speaks for 文胸, not for 面膜."""
    top, *middle = index.tree.lineage(leaf)
    classes = index.classes_in(name)
    if top in classes or any(index.mentions(name, node) for node in middle):
        return Support.AGREES
    return Support.CONTRADICTS if classes else Support.UNKNOWN


def _agreed_classes(names: Iterable[str], index: NameIndex) -> frozenset[Node]:
    """The classes that known names belong to, or unknown ones mention."""
    found: set[Node] = set()
    for name in names:
        meanings = index.nodes(name)
        found.update(index.tree.lineage(node)[0] for node in meanings if not node.needs)
        if not meanings:
            found |= index.classes_in(name)
    return frozenset(found)


def _alike(
    crumb: Breadcrumb, positions: range, within: Node | None, index: NameIndex
) -> Reading | None:
    """A leaf that the deepest of some unknown names is like, in a class that the others agree on.

    `within` is a leaf that the names before them mean: only leaves of its class count then.
    """
    leaves = index.tree.leaves()
    if not positions or crumb.names[positions[-1]] in NOTHING_ALONE:
        return None
    position = positions[-1]
    name, others = crumb.names[position], crumb.names[:position]
    classes = _agreed_classes(others, index)
    if within is not None:
        classes = frozenset({index.tree.lineage(within)[0]})
    # 黄金 > 黄金项链 is of gold, whatever else is a necklace.
    if len(classes) != 1 or (within is not None and index.mentions(name, within)):
        return None
    likeness = index.likeness(name)
    candidates = [
        (float(likeness[place]), leaf)
        for place in np.flatnonzero(
            (likeness >= LEAST_TO_DECIDE - LEAST_LEAD) & index.of_classes(classes)
        ).tolist()
        if (leaf := leaves[place]) != within and _need_is_met(leaf, crumb.names, position, index)
    ]
    most = max((score for score, _ in candidates), default=0.0)
    if most < LEAST_TO_DECIDE:
        return None
    best = [leaf for score, leaf in candidates if score >= most - LEAST_LEAD]
    told = _tell_apart(_longest(name, best, index), others, index)
    return Reading(crumb.written[position], told, How.LIKE, Support.AGREES)


def _longest(name: str, leaves: list[Node], index: NameIndex) -> list[Node]:
    """Of leaves whose names end this one, those of the longest: 运动裤 is no 裤 of another kind."""
    lengths = {leaf: index.matched_length(name, leaf) for leaf in leaves}
    return [leaf for leaf in leaves if lengths[leaf] == max(lengths.values())]


def _rivals(crumb: Breadcrumb, positions: range, found: Node, index: NameIndex) -> tuple[Node, ...]:
    """Leaves that the unknown names below a known one may mean instead of it."""
    leaves = index.tree.leaves()
    family = {found, *index.tree.lineage(found)}
    rivals: set[Node] = set()
    for position in positions:
        name = crumb.names[position]
        if name in NOTHING_ALONE or index.mentions(name, found):
            continue
        for place in np.flatnonzero(index.likeness(name) >= LEAST_RIVAL).tolist():
            leaf = leaves[place]
            related = leaf in family or found in index.tree.lineage(leaf)
            if not related and _need_is_met(leaf, crumb.names, position, index):
                rivals.add(leaf)
    return tuple(sorted(rivals))


def _stranger(crumb: Breadcrumb, positions: range, found: Node, index: NameIndex) -> str:
    """The deepest unknown name below a known leaf if it shares no character with the leaf's names.

    大家电 > 回音壁 is a kind that the shop keeps there, but not one of the leaf's. Brands in Latin
    letters, words of advertising and names that are weak (苹果) say nothing against it.
    """
    position = positions[-1]
    name = crumb.names[position]
    if found.covers or index.nodes(name) or not says_a_kind(name):
        return ""
    if index.shares_letters(name, found):
        return ""
    return crumb.written[position]


def _is_bare_alias(found: Reading, position: int) -> bool:
    """Whether one English word below unknown names is all there is: Dogs > Beds are no beds."""
    return (
        position > 0
        and found.how is How.ALIAS
        and found.support is Support.UNKNOWN
        and found.element.isascii()
        and len(found.element.split()) == 1
    )


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
