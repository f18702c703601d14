"""Leaves whose names stand in titles: the guess where nothing in a path is like a leaf's name.

In come a category's example titles, out go guesses. They are never surer than half, since a title
names much that the product is not (茶杯 in 茶杯收纳架).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from taxonomy.names import joined, normalise_name, parts
from taxonomy.suggestions import Suggestion
from taxonomy.tree import Node, Tree

RULE = "leaf_name_in_title_v1"
SUREST = 0.5
_LEAST_HAN, _LEAST_OTHER = 2, 4
"""Letters of a name that is looked for inside a title: 靴 and `ring` alone are in dozens."""


class TitleNames:
    """The names of a tree's leaves and their aliases, to be found in titles."""

    def __init__(self, tree: Tree) -> None:
        self._leaves: dict[str, set[Node]] = {}
        for leaf in tree.leaves():
            for name in map(normalise_name, (leaf.name, *leaf.aliases)):
                for piece in {joined(name), *parts(name)}:
                    if len(piece) >= (_LEAST_OTHER if piece.isascii() else _LEAST_HAN):
                        self._leaves.setdefault(piece, set()).add(leaf)
        self._lengths = sorted({len(name) for name in self._leaves}, reverse=True)

    def guesses(self, titles: Iterable[str]) -> tuple[Suggestion, ...]:
        """What the titles name, the most often named first, of these the longest name."""
        titles = tuple(titles)
        times: Counter[Node] = Counter()
        longest: dict[Node, int] = {}
        for title in titles:
            found = self._found(joined(normalise_name(title)))
            for leaf, length in found.items():
                times[leaf] += 1
                longest[leaf] = max(length, longest.get(leaf, 0))
        best = sorted(times, key=lambda leaf: (-times[leaf], -longest[leaf], leaf))
        return tuple(
            Suggestion(leaf, round(SUREST * times[leaf] / len(titles), 3), RULE) for leaf in best
        )

    def _found(self, text: str) -> dict[Node, int]:
        """Leaves named in a text, and how long a name; a name inside a longer one is not meant."""
        found: dict[Node, int] = {}
        covered: list[tuple[int, int]] = []
        for length in self._lengths:
            for start in range(len(text) - length + 1):
                leaves = self._leaves.get(text[start : start + length])
                end = start + length
                if leaves and not any(left <= start and end <= right for left, right in covered):
                    covered.append((start, end))
                    for leaf in leaves:
                        found.setdefault(leaf, length)
        return found
