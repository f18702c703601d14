"""Curated mapping files: a person's decision which category of the tree a shop's category is.

Comes in: a CSV table `path,level,id,by,when,note`, one row per category path of one site, shipped
as `mappings/<site>.csv` or named in the configuration. Goes out: a frozen `CuratedMapping` that
finds the row for a breadcrumb.

`path` is the shop's category names joined by " > ". A path that ends in " > *" stands for that
category and everything below it, and "*" alone for the whole site. An exact row beats one with a
star, and of these the longer wins. `level` and `id` name a sub_class or subsub_class; level `none`
(with no id) says that the tree has no counterpart, so that the records are held knowingly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from urllib.parse import quote

from taxonomy.breadcrumbs import Breadcrumb, read_breadcrumb
from taxonomy.errors import TaxonomyError
from taxonomy.table_file import TableRow, read_table
from taxonomy.tree import Level, Node, Tree, parse_id

SHIPPED_MAPPINGS = Path(__file__).with_name("mappings")
COLUMNS = ("path", "level", "id", "by", "when", "note")
NO_COUNTERPART = "none"
STAR = "*"


@dataclass(frozen=True)
class CuratedRow:
    """One decision; `node` is None where the tree has no counterpart."""

    names: tuple[str, ...]
    star: bool
    node: Node | None
    written: str
    by: str
    when: date
    note: str
    file: str
    row: int

    def __str__(self) -> str:
        return f"{self.written} ({self.file} row {self.row}, by {self.by}, {self.when})"


@dataclass(frozen=True)
class CuratedMapping:
    """The decisions for one site, by normalised path."""

    exact: Mapping[tuple[str, ...], CuratedRow]
    star: Mapping[tuple[str, ...], CuratedRow]

    def find(self, crumb: Breadcrumb) -> CuratedRow | None:
        """The row that decides for this path, or None."""
        row = self.exact.get(crumb.names)
        if row is not None or not self.star:
            return row
        for length in range(len(crumb.names), -1, -1):
            row = self.star.get(crumb.names[:length])
            if row is not None:
                return row
        return None


EMPTY_MAPPING = CuratedMapping({}, {})


def shipped_mapping_path(site: str) -> Path | None:
    """The mapping file that comes with the package for a site, or None when there is none."""
    path = SHIPPED_MAPPINGS / f"{quote(site, safe='')}.csv"  # a program may be a path
    return path if path.is_file() else None


def load_mapping(files: Sequence[Path], tree: Tree) -> CuratedMapping:
    """The decisions in mapping files; of two files' rows for one path the later file's counts.

    Raises TaxonomyError, naming file and row, for a wrong header or cell, a category that the
    tree does not have or that is no leaf, and two rows of one file for one path.
    """
    exact: dict[tuple[str, ...], CuratedRow] = {}
    star: dict[tuple[str, ...], CuratedRow] = {}
    for path in files:
        rows: dict[tuple[bool, tuple[str, ...]], CuratedRow] = {}
        for table_row in read_table(path, COLUMNS):
            row = _read_row(path, table_row, tree)
            earlier = rows.setdefault((row.star, row.names), row)
            if earlier is not row:
                received = f"{row.written!r} again, as in row {earlier.row}"
                raise TaxonomyError(path, row.row, "one row per path", received)
        for row in rows.values():
            (star if row.star else exact)[row.names] = row
    return CuratedMapping(exact, star)


def _read_row(path: Path, table_row: TableRow, tree: Tree) -> CuratedRow:
    number, cells = table_row.number, table_row.cells
    steps = [step.strip() for step in cells["path"].split(">")]
    has_star = steps[-1] == STAR
    names = read_breadcrumb(steps[:-1] if has_star else steps).names
    if STAR in names or not (names or steps == [STAR]):
        raise TaxonomyError(
            path,
            number,
            'a path of names joined by " > ", with * at most as its last step',
            f"path {cells['path']!r}",
        )
    if not cells["by"]:
        raise TaxonomyError(path, number, "who decided, in column by", "nothing")
    return CuratedRow(
        names=names,
        star=has_star,
        node=_node(path, number, cells, tree),
        written=cells["path"],
        by=cells["by"],
        when=_when(path, number, cells["when"]),
        note=cells["note"],
        file=path.name,
        row=number,
    )


def _when(path: Path, number: int, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise TaxonomyError(path, number, "a date YYYY-MM-DD in column when", repr(text)) from None


def _node(path: Path, number: int, cells: Mapping[str, str], tree: Tree) -> Node | None:
    level, id = cells["level"], cells["id"]
    if level == NO_COUNTERPART:
        if id:
            raise TaxonomyError(path, number, f"no id with level {NO_COUNTERPART}", f"id {id!r}")
        return None
    if level not in (Level.SUB_CLASS, Level.SUBSUB_CLASS):
        raise TaxonomyError(
            path,
            number,
            f"level {Level.SUB_CLASS}, {Level.SUBSUB_CLASS} or {NO_COUNTERPART}",
            f"level {level!r}",
        )
    node = tree.get(Level(level), parse_id(path, number, "id", id))
    if node is None:
        raise TaxonomyError(path, number, f"the id of a {level} of the tree", f"id {id}")
    return node
