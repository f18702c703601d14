"""The waiting categories as a CSV file for a spreadsheet program, and its answers read back.

A row is a site and a path; whoever reviews fills in `answer` (a leaf, `none`, or `1` to `3` for a
guess) and may shorten `path` to one that ends in " > *". Rows without an answer are skipped.
Records without any category have an empty path; only "*", the whole site, can answer for them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from runtime.storage import write_bytes
from taxonomy.curated import STAR
from taxonomy.errors import TaxonomyError
from taxonomy.review.answers import Answer, parse_leaf
from taxonomy.review.waiting import GUESSES, Waiting
from taxonomy.table_file import TableRow, read_table
from taxonomy.tree import Node, Tree

_GUESS_COLUMNS = tuple(f"guess_{number}" for number in range(1, GUESSES + 1))
COLUMNS = ("site", "path", "records", "held_by", "examples", *_GUESS_COLUMNS, "answer", "note")
_QUOTE = "'"
_RISKY = ("=", "+", "-", "@", "\t", _QUOTE)
"""What a spreadsheet program takes for a formula; titles and paths come from the network. Cells
that begin so get a quote before them, and so do those that begin with one: it can be taken off."""


def export_sheet(entries: Sequence[Waiting], file: Path) -> None:
    """Write the list, with a byte order mark: spreadsheet programs ask for one."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for entry in entries:
        guesses = [f"{guess.node} ({guess.confidence:.2f})" for guess in entry.guesses]
        cells = [
            entry.site, entry.path, str(entry.records), entry.rule, " | ".join(entry.examples),
            *guesses, *[""] * (GUESSES - len(guesses)), "", "",
        ]  # fmt: skip
        writer.writerow([_QUOTE + cell if cell.startswith(_RISKY) else cell for cell in cells])
    write_bytes(file, text.getvalue().encode("utf-8-sig"))


def read_sheet(file: Path, tree: Tree, sites: Mapping[str, object]) -> list[Answer]:
    """The answers in a file; raises TaxonomyError naming the row of the first that is no answer."""
    answers = []
    for row in read_table(file, COLUMNS):
        if not row.cells["answer"]:
            continue
        if row.cells["site"] not in sites:
            expected = f"a site of the run ({', '.join(sorted(sites)) or 'it has none'})"
            raise TaxonomyError(file, row.number, expected, repr(row.cells["site"]))
        path = _path(file, row)
        node = _leaf(file, row, tree)
        place = f"{file}, row {row.number}"
        answers.append(Answer(row.cells["site"], path, node, row.cells["note"], place))
    return answers


def _path(file: Path, row: TableRow) -> str:
    path = row.cells["path"]
    if path.startswith(tuple(_QUOTE + sign for sign in _RISKY)):
        path = path.removeprefix(_QUOTE)
    steps = [step.strip() for step in path.split(">")]
    if steps == [""]:
        expected = f"a path ({STAR} for the whole site: these records have no category)"
        raise TaxonomyError(file, row.number, expected, "an answer to none")
    _, names = Answer("", path, None).key
    if not all(steps) or STAR in steps[:-1] or not (names or steps == [STAR]):
        expected = f'a path of names joined by " > ", with {STAR} at most as its last step'
        raise TaxonomyError(file, row.number, expected, f"path {path!r}")
    return path


def _leaf(file: Path, row: TableRow, tree: Tree) -> Node | None:
    answer = row.cells["answer"]
    if answer in map(str, range(1, GUESSES + 1)):
        guess = row.cells[f"guess_{answer}"]
        if not guess:
            raise TaxonomyError(file, row.number, "a guess of that number", f"answer {answer!r}")
        answer = guess.rpartition(" (")[0]
    try:
        return parse_leaf(answer, tree)
    except ValueError as error:
        raise TaxonomyError(file, row.number, "an answer", str(error)) from None
