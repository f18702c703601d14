"""A person's answer to a waiting category, checked and written to the site's own mapping file.

In come paths and leaves; out goes the file with the new rows behind those it had, which stay as
they are to the byte. A path that the file answers already keeps its answer: changing one's mind is
an edit of the file, so that nothing is overwritten by a spreadsheet of last month.
"""

from __future__ import annotations

import csv
import glob
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from runtime.errors import ConfigError
from runtime.storage import TEMPORARY_SUFFIX, atomic_path
from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.curated import COLUMNS, NO_COUNTERPART, STAR, load_mapping
from taxonomy.tree import Level, Node, Tree


@dataclass(frozen=True)
class Answer:
    """What a category of a site is: a leaf, or None for one without a counterpart.

    `path` may end in " > *" and then stands for all below it. `told_in` is where the answer was
    read, for messages.
    """

    site: str
    path: str
    node: Node | None
    note: str = ""
    told_in: str = ""

    @property
    def key(self) -> tuple[bool, tuple[str, ...]]:
        """Whether it stands for all below a path, and that path's normalised names."""
        steps = [step.strip() for step in self.path.split(">")]
        star = steps[-1] == STAR
        return star, read_breadcrumb(steps[:-1] if star else steps).names

    def settles(self, names: tuple[str, ...]) -> bool:
        """Whether it is an answer to the path of these normalised names."""
        star, own = self.key
        return names[: len(own)] == own if star else names == own

    @property
    def place(self) -> str:
        """Where to look for it when it is wrong."""
        return self.told_in or f"site {self.site}"


@dataclass(frozen=True)
class Addition:
    """What a mapping file will hold once `answers`, which it lacks so far, are in it."""

    file: Path
    content: bytes
    answers: tuple[Answer, ...]


def parse_leaf(text: str, tree: Tree) -> Node | None:
    """The leaf that a person wrote: `none`, `sub_class 27` with or without its name, or a name or
    id that only one leaf has. Raises ValueError saying what was expected.
    """
    words = text.strip().split(None, 2)
    if len(words) == 1 and words[0].casefold() == NO_COUNTERPART:
        return None
    if len(words) >= 2 and words[0] in list(Level):
        id = int(words[1]) if words[1].isascii() and words[1].isdigit() else 0
        node = tree.get(Level(words[0]), id)
        if node is None or words[2:] not in ([], [node.name]):
            expected = f"expected a {words[0]} of the tree, as in `sub_class 27`"
            raise ValueError(f"{expected}, got {text!r}")
        found = [node]
    else:
        found = [node for node in tree.leaves() if text.strip() in (node.name, str(node.id))]
        found = found or [node for node in tree.nodes if node.name == text.strip()]
    if len(found) == 1 and found[0].level is not Level.CLASS:
        return found[0]
    what = ", ".join(map(str, found)) or "no category of the tree"
    raise ValueError(f"expected one leaf (`sub_class 27`) or `none`, got {text!r}: {what}")


def add_answers(file: Path, answers: Sequence[Answer], by: str, when: date, tree: Tree) -> Addition:
    """What the mapping file of a site becomes by answers to its paths; nothing is written yet.

    Raises ConfigError where the file says otherwise of a path, or two answers differ.
    """
    known = load_mapping([file] if file.is_file() else [], tree)
    fresh: dict[tuple[bool, tuple[str, ...]], Answer] = {}
    for answer in answers:
        star, names = answer.key
        row = (known.star if star else known.exact).get(names)
        before = fresh.get(answer.key)
        if row is not None and row.node != answer.node:
            raise ConfigError(
                f"{answer.place}: {answer.path!r} is answered by {answer.node or NO_COUNTERPART}, "
                f"expected {row.node or NO_COUNTERPART} as in {file}, row {row.row}; "
                "change that row if it is wrong"
            )
        if before is not None and before.node != answer.node:
            raise ConfigError(
                f"{answer.place}: expected one answer to {answer.path!r}, got "
                f"{answer.node or NO_COUNTERPART} and, in {before.place}, "
                f"{before.node or NO_COUNTERPART}"
            )
        if row is None and before is None:
            fresh[answer.key] = answer
    return Addition(file, _content(file, list(fresh.values()), by, when), tuple(fresh.values()))


def write_addition(addition: Addition, tree: Tree) -> None:
    """Write the file, whole or not at all. The caller holds the workspace's lock."""
    file = addition.file
    if not addition.answers:
        return
    for left in file.parent.glob(f".{glob.escape(file.name)}.*{TEMPORARY_SUFFIX}"):
        left.unlink(missing_ok=True)  # of a process that was killed while it wrote
    with atomic_path(file) as temporary:
        temporary.write_bytes(addition.content)
        load_mapping([temporary], tree)  # what was written is read again before it counts


def _content(file: Path, answers: Sequence[Answer], by: str, when: date) -> bytes:
    before = file.read_bytes() if file.is_file() else b""
    newline = "\r\n" if b"\r\n" in before else "\n"
    added = io.StringIO(newline="")
    writer = csv.writer(added, lineterminator=newline)
    if not before:
        writer.writerow(COLUMNS)
    elif not before.endswith(b"\n"):
        added.write(newline)
    for answer in answers:
        leaf = answer.node
        level, id = (leaf.level, leaf.id) if leaf else (NO_COUNTERPART, "")
        writer.writerow((answer.path, level, id, by, when.isoformat(), answer.note))
    return before + added.getvalue().encode()
