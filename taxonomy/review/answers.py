"""A person's answer to a waiting category, checked and written to the site's own mapping file.

In come paths and leaves; out goes the file with the new rows behind those it had, whole or not at
all. A path that the file answers already keeps its answer: changing one's mind is an edit of the
file, so that nothing is overwritten by a spreadsheet of last month.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from runtime.errors import ConfigError
from runtime.storage import atomic_path
from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import COLUMNS, NO_COUNTERPART, STAR, load_mapping
from taxonomy.tree import Level, Node, Tree


@dataclass(frozen=True)
class Answer:
    """What a category of a site is: a leaf, or None for one without a counterpart.

    `path` may end in " > *" and then stands for all below it.
    """

    site: str
    path: str
    node: Node | None
    note: str = ""


def parse_leaf(text: str, tree: Tree) -> Node | None:
    """The leaf that a person wrote: `none`, `sub_class 27` with or without its name, or a name or
    id that only one leaf has. Raises ValueError saying what was expected.
    """
    words = text.strip().split(None, 2)
    if words and words[0].casefold() == NO_COUNTERPART:
        return None
    if len(words) >= 2 and words[0] in (Level.SUB_CLASS, Level.SUBSUB_CLASS):
        node = tree.get(Level(words[0]), int(words[1])) if words[1].isdigit() else None
        if node is not None and words[2:] in ([], [node.name]):
            return node
        raise ValueError(f"expected a {words[0]} of the tree, as in `sub_class 27`, got {text!r}")
    found = [leaf for leaf in tree.leaves() if text.strip() in (leaf.name, str(leaf.id))]
    if len(found) == 1:
        return found[0]
    said = ", ".join(map(str, found)) or "no leaf of the tree"
    raise ValueError(f"expected one leaf (`sub_class 27`) or `none`, got {text!r}: {said}")


def write_answers(
    file: Path, answers: Sequence[Answer], by: str, when: date, tree: Tree
) -> list[Answer]:
    """Append answers of one site to its mapping file; returns those that it did not hold yet.

    Raises ConfigError where the file says otherwise of a path, or two answers differ.
    """
    known = load_mapping([file], tree) if file.is_file() else load_mapping([], tree)
    fresh: dict[tuple[bool, tuple[str, ...]], Answer] = {}
    for answer in answers:
        star, names = _key(answer.path)
        row = (known.star if star else known.exact).get(names)
        before = fresh.get((star, names))
        if row is not None and row.node != answer.node:
            raise ConfigError(
                f"{file}, row {row.row}: {answer.path!r} is {row.node or 'without counterpart'} "
                f"there, the answer says {answer.node or 'none'}; change the row in the file"
            )
        if before is not None and before.node != answer.node:
            raise ConfigError(
                f"site {answer.site}: expected one answer to {answer.path!r}, got "
                f"{before.node or 'none'} and {answer.node or 'none'}"
            )
        if row is None and before is None:
            fresh[star, names] = answer
    if fresh:
        _append(file, list(fresh.values()), by, when, tree)
    return list(fresh.values())


def _key(path: str) -> tuple[bool, tuple[str, ...]]:
    steps = [step.strip() for step in path.split(">")]
    star = steps[-1] == STAR
    return star, read_breadcrumb(steps[:-1] if star else steps).names


def _append(file: Path, answers: Sequence[Answer], by: str, when: date, tree: Tree) -> None:
    before = file.read_text("utf-8-sig") if file.is_file() else ",".join(COLUMNS) + "\n"
    added = io.StringIO()
    writer = csv.writer(added, lineterminator="\n")
    for answer in answers:
        leaf = answer.node
        level, id = (leaf.level, leaf.id) if leaf else (NO_COUNTERPART, "")
        writer.writerow((answer.path, level, id, by, when.isoformat(), answer.note))
    text = before + ("" if before.endswith("\n") else "\n") + added.getvalue()
    with atomic_path(file) as temporary:
        temporary.write_text(text, "utf-8")
        load_mapping([temporary], tree)  # what was written is read again before it counts
