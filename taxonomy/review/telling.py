"""What review says to people and to programs: the waiting list, and the coverage.

In come the lists and counts; out go text and JSON values. Paths and titles come from the network,
so that nothing in them may reach a terminal as a command.
"""

from __future__ import annotations

import re
from typing import Any

from runtime.console import table
from taxonomy.review.coverage import FEW, Coverage
from taxonomy.review.waiting import Waiting, WaitingList
from taxonomy.tree import Level, Node, Tree

NO_PATH = "(no category)"
NEXT = "take the records in with `mep3m run`, which asks no shop for it"


_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def shown(text: str) -> str:
    """Text of a page, fit for a terminal: control and direction characters are replaced."""
    return _UNSAFE.sub("\ufffd", text)


def path_of(entry: Waiting) -> str:
    """The entry's path for people."""
    return shown(entry.path) or NO_PATH


def alone_text(leaf: Node) -> str:
    """A warning for whoever answers for a path that maps other records already."""
    return f"by itself it is {leaf}; another answer holds for all of its records"


def listed(found: WaitingList, limit: int) -> str:
    """The first entries of the list and what there is besides."""
    lines = [line for entry in found.entries[:limit] for line in _entry(entry)]
    more = len(found.entries) - limit
    if more > 0:
        lines.append(f"and {more} more; --limit shows more, --export all")
    if found.entries:
        lines.append(f"records that wait: {found.records}, categories: {len(found.entries)}")
    else:
        lines.append("no category waits for an answer")
    return "\n".join([*lines, *_besides(found)])


def _entry(entry: Waiting) -> list[str]:
    lines = [
        f"{entry.records}  {entry.site}: {path_of(entry)}",
        f"    held: {entry.reason} ({entry.rule})",
    ]
    if entry.alone is not None:
        lines.append(f"    {alone_text(entry.alone)}")
    if entry.guesses:
        guesses = (f"{guess.node} ({guess.confidence:.2f})" for guess in entry.guesses)
        lines.append(f"    guesses: {' · '.join(guesses)}")
    if entry.examples:
        lines.append(f"    titles: {' · '.join(map(shown, entry.examples))}")
    return lines


def _besides(found: WaitingList) -> list[str]:
    example = shown(found.disagreeing_example)
    told = (
        ("in further categories, too rare or too long to be listed", found.unlisted, ""),
        ("answered", found.answered, f"; {NEXT}"),
        ("held knowingly, without a counterpart in the tree", found.no_counterpart, ""),
        (
            "held because the answers to their paths differ",
            found.disagreeing,
            f", such as {example}; see `mep3m audit` and change the mapping file",
        ),
    )
    return [f"{what}: {count}{rest}" for what, count, rest in told if count]


def waiting_values(found: WaitingList) -> dict[str, Any]:
    """The whole list as JSON values."""
    return {
        "records": found.records,
        "unlisted": found.unlisted,
        "answered": found.answered,
        "no_counterpart": found.no_counterpart,
        "disagreeing": found.disagreeing,
        "waiting": [
            {
                "site": entry.site,
                "path": entry.path,
                "records": entry.records,
                "held_by": entry.rule,
                "reason": entry.reason,
                "examples": list(entry.examples),
                "alone": entry.alone and str(entry.alone),
                "guesses": [guess.to_row() | {"name": guess.node.name} for guess in entry.guesses],
            }
            for entry in found.entries
        ],
    }


def coverage_text(run_id: str, found: Coverage, tree: Tree) -> str:
    """Sites, rules, levels and small leaves as tables."""
    sites, rules = [], []
    for site, counts in found.sites.items():
        mapped, held = counts.get("mapped", 0), counts.get("held", 0)
        share = f"{mapped / (mapped + held):.3f}" if mapped + held else "-"
        sites.append((site, str(mapped + held), str(mapped), str(held), share))
        by_rule = sorted(_rules(counts), key=lambda pair: (-pair[1], pair[0]))
        rules += [(f"{site}: {rule}", str(count)) for rule, count in by_rule]
    levels = [(str(level), *map(str, found.level(level, tree))) for level in Level]
    few = found.few(tree)
    small = [f"  {count:>2}  {leaf}" for leaf, count in few if count]
    return "\n\n".join(
        [
            f"run {run_id}\n" + table(sites, ("site", "records", "mapped", "held", "share")),
            table(rules, ("rule", "records")),
            f"{found.source}\n" + table(levels, ("level", "with records", "of")),
            "\n".join(
                [
                    f"{len(small)} leaves have records, but fewer than {FEW}; "
                    f"{len(few) - len(small)} have none (--json lists them)",
                    *small,
                ]
            ),
        ]
    )


def _rules(counts: Any) -> list[tuple[str, int]]:
    prefix = "rule."
    return [(n.removeprefix(prefix), c) for n, c in counts.items() if n.startswith(prefix)]


def coverage_values(run_id: str, found: Coverage, tree: Tree) -> dict[str, Any]:
    """The same as JSON values, leaves without records among the small ones."""
    return {
        "run_id": run_id,
        "source": found.source,
        "sites": found.sites,
        "levels": {str(level): list(found.level(level, tree)) for level in Level},
        "few": [{"leaf": str(leaf), "records": count} for leaf, count in found.few(tree)],
    }
