"""Answering in the terminal: one waiting category after the other, each answer kept at once.

In come the list and a way to keep answers; out goes how many were given. A closed terminal or `q`
ends it; nothing that was answered is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import click

from runtime.errors import LockedError
from taxonomy.curated import STAR
from taxonomy.names import joined, normalise_name
from taxonomy.review.answers import Answer, parse_leaf
from taxonomy.review.telling import alone_text, path_of, shown
from taxonomy.review.waiting import Waiting
from taxonomy.tree import Node, Tree

FOUND_SHOWN = 12
_HELP = (
    "a number: that guess · a word, or `sub_class 27`: look for a leaf · n: no counterpart"
    " · w: for all below a step · s or Enter: skip · u: take the last answer back · q: stop"
)


class _Undone(Exception):
    """The last answer was taken back: its category comes again."""


@dataclass
class _Asking:
    """An entry, for which path it is being answered, and what the numbers on the screen mean."""

    entry: Waiting
    path: str
    shown: list[Node]


def answer_all(
    entries: Sequence[Waiting],
    tree: Tree,
    keep: Callable[[Answer], None],
    take_back: Callable[[], bool],
) -> int:
    """Ask for each entry; returns how many answers are kept.

    `keep` stores an answer, or raises LockedError and is asked again; `take_back` removes the
    last one kept and says whether it could.
    """
    given: list[tuple[int, Answer]] = []
    click.echo(_HELP)
    place = 0
    while place < len(entries):
        entry = entries[place]
        if any(_settles(answer, entry) for _, answer in given):
            place += 1
            continue
        try:
            answer = _ask(entry, entries, tree)
            if answer is not None:
                keep(answer)
                given.append((place, answer))
            place += 1
        except LockedError as error:
            click.echo(f"not kept: {error}")
        except _Undone:
            if given and take_back():
                place, _ = given.pop()
            else:
                click.echo("nothing to take back")
        except (EOFError, KeyboardInterrupt, click.Abort):
            break
    return len(given)


def _settles(answer: Answer, entry: Waiting) -> bool:
    return answer.site == entry.site and answer.settles(entry.names)


def _ask(entry: Waiting, entries: Sequence[Waiting], tree: Tree) -> Answer | None:
    """The answer to one entry; None to skip it. Raises EOFError to stop, _Undone to go back."""
    _show(entry)
    asking = _Asking(entry, entry.path, [guess.node for guess in entry.guesses])
    while True:
        said = click.prompt("answer", default="s", show_default=False).strip()
        if said in ("s", ""):
            return None
        if said == "q":
            raise EOFError
        if said == "u":
            raise _Undone
        if said == "w":
            asking.path = _widened(entry.path, asking.path)
            click.echo(f"for: {_reach(asking, entries)}")
        elif said == "n" or (said.isdecimal() and 1 <= int(said) <= len(asking.shown)):
            if asking.path:
                node = None if said == "n" else asking.shown[int(said) - 1]
                return Answer(entry.site, asking.path, node)
            click.echo("these records have no category; w answers for the whole site")
        else:
            asking.shown = _look_for(said, tree)


def _show(entry: Waiting) -> None:
    click.echo(f"\n{entry.site}: {path_of(entry)}")
    click.echo(f"  {entry.records} records are held: {entry.reason} ({entry.rule})")
    if entry.alone is not None:
        click.echo(f"  {alone_text(entry.alone)}")
    for title in entry.examples:
        click.echo(f"  · {shown(title)}")
    for number, guess in enumerate(entry.guesses, start=1):
        click.echo(f"  {number}  {guess.node} ({guess.confidence:.2f} by {guess.by})")


def _widened(whole: str, now: str) -> str:
    """The path one step shorter, for all below it; from the shortest back to the whole path.

    Only records without a category are answered for by the whole site.
    """
    steps = [step.strip() for step in now.split(">")]
    if steps == [""]:
        return STAR
    steps = steps[:-1] if steps[-1] == STAR else steps
    return " > ".join((*steps[:-1], STAR)) if len(steps) > 1 else whole


def _reach(asking: _Asking, entries: Sequence[Waiting]) -> str:
    """What is being answered for, and how much of the list that is."""
    if asking.path == asking.entry.path:
        return path_of(asking.entry)
    answer = Answer(asking.entry.site, asking.path, None)
    count = sum(_settles(answer, entry) for entry in entries)
    what = "the whole site" if asking.path == STAR else "everything below"
    return f"{shown(asking.path)} ({what}, {count} of the list, and what its names would map)"


def _look_for(text: str, tree: Tree) -> list[Node]:
    """Show the leaves that a person may mean, numbered."""
    found = _found(text, tree)
    for number, leaf in enumerate(found[:FOUND_SHOWN], start=1):
        click.echo(f"  {number}  {_with_parents(leaf, tree)}")
    if len(found) > FOUND_SHOWN:
        click.echo(f"  and {len(found) - FOUND_SHOWN} more: say more of the name")
    if not found:
        click.echo(f"no leaf is called like {shown(text)!r}")
    return found[:FOUND_SHOWN]


def _found(text: str, tree: Tree) -> list[Node]:
    """Leaves by id or name: of exactly that name, then the shorter names, then by their parents."""
    try:
        exact = parse_leaf(text, tree)
    except ValueError:
        exact = None
    word = joined(normalise_name(text))
    ranks: dict[Node, tuple[int, int, Node]] = {}
    for leaf in tree.leaves():
        *parents, _ = tree.lineage(leaf)
        if leaf == exact:
            ranks[leaf] = (0, 0, leaf)
        elif word and any(word in joined(normalise_name(n)) for n in (leaf.name, *leaf.aliases)):
            ranks[leaf] = (1, len(leaf.name), leaf)
        elif word and any(word in joined(normalise_name(node.name)) for node in parents):
            ranks[leaf] = (2, 0, leaf)
    return sorted(ranks, key=lambda leaf: ranks[leaf])


def _with_parents(leaf: Node, tree: Tree) -> str:
    return f"{leaf}  ({' > '.join(node.name for node in tree.lineage(leaf))})"
