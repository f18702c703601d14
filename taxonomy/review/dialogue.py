"""Answering in the terminal: one waiting category after the other, each answer kept at once.

In come the list and a way to keep answers; out goes how many were given. A closed terminal or `q`
ends it; nothing that was answered is lost.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from taxonomy.curated import STAR
from taxonomy.names import joined, normalise_name
from taxonomy.review.answers import Answer, parse_leaf
from taxonomy.review.waiting import Waiting
from taxonomy.tree import Node, Tree

FOUND_SHOWN = 12
_HELP = (
    "1-3: that guess · a word or id: look for a leaf · n: no counterpart · w: for all below a step"
    " · s or Enter: skip · u: take the last answer back · q: stop"
)


class Undone(Exception):
    """The last answer was taken back: its category comes again."""


def answer_all(
    entries: Sequence[Waiting],
    tree: Tree,
    keep: Callable[[Answer], None],
    take_back: Callable[[], bool],
) -> int:
    """Ask for each entry; returns how many answers are kept.

    `keep` stores an answer; `take_back` removes the last one kept and says whether there was one.
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
            answer = _ask(entry, tree)
        except Undone:
            if given and take_back():
                place, _ = given.pop()
            continue
        except (EOFError, KeyboardInterrupt, click.Abort):
            break
        if answer is not None:
            keep(answer)
            given.append((place, answer))
        place += 1
    return len(given)


def _settles(answer: Answer, entry: Waiting) -> bool:
    """Whether an answer for a whole branch is one to this entry too."""
    *steps, last = (step.strip() for step in answer.path.split(">"))
    whole = [step.strip() for step in entry.path.split(">")]
    return answer.site == entry.site and last == STAR and whole[: len(steps)] == steps


def _ask(entry: Waiting, tree: Tree) -> Answer | None:
    """The answer to one entry; None to skip it. Raises EOFError to stop, Undone to go back."""
    _show(entry)
    path = entry.path
    shown: list[Node] = [guess.node for guess in entry.guesses]
    while True:
        said = click.prompt("answer", default="s", show_default=False).strip()
        if said in ("s", ""):
            return None
        if said == "q":
            raise EOFError
        if said == "u":
            raise Undone
        if said == "n":
            return Answer(entry.site, path, None)
        if said == "w":
            path = _widened(entry.path, path)
            click.echo(f"for: {path}")
        elif said.isdigit() and 1 <= int(said) <= len(shown):
            return Answer(entry.site, path, shown[int(said) - 1])
        else:
            shown = _found(said, tree)
            for number, leaf in enumerate(shown, start=1):
                click.echo(f"  {number}  {_with_parents(leaf, tree)}")
            if not shown:
                click.echo(f"no leaf is called like {said!r}")


def _show(entry: Waiting) -> None:
    click.echo(f"\n{entry.site}: {entry.path}")
    click.echo(f"  {entry.records} records, held by {entry.rule}")
    for title in entry.examples:
        click.echo(f"  · {title}")
    for number, guess in enumerate(entry.guesses, start=1):
        click.echo(f"  {number}  {guess.node} ({guess.confidence:.2f} by {guess.by})")


def _widened(whole: str, now: str) -> str:
    """The path one step shorter, for all below it; from the shortest back to the whole path."""
    steps = [step.strip() for step in now.split(">")]
    steps = steps[:-1] if steps[-1] == STAR else steps
    return " > ".join((*steps[:-1], STAR)) if len(steps) > 1 else whole


def _found(text: str, tree: Tree) -> list[Node]:
    """Leaves by id or name; those of exactly that name first, then the shorter names."""
    try:
        exact = parse_leaf(text, tree)
    except ValueError:
        exact = None
    word = joined(normalise_name(text))
    holding = [
        leaf
        for leaf in tree.leaves()
        if word and any(word in joined(normalise_name(name)) for name in (leaf.name, *leaf.aliases))
    ]
    holding.sort(key=lambda leaf: (leaf != exact, len(leaf.name), leaf))
    if exact is not None and exact not in holding:
        holding.insert(0, exact)
    return holding[:FOUND_SHOWN]


def _with_parents(leaf: Node, tree: Tree) -> str:
    return f"{leaf}  ({' > '.join(node.name for node in tree.lineage(leaf))})"
