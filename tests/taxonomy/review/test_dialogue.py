"""The dialogue in a real terminal: guesses, searching, widening, taking back, stopping."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from taxonomy.breadcrumbs import read_breadcrumb
from taxonomy.review.dialogue import answer_all
from taxonomy.review.waiting import Waiting
from taxonomy.suggestions import Suggestion
from taxonomy.tree import load_tree

tree = load_tree()
guess = (Suggestion(tree.leaf_of_sub_class(401), 0.7, "like_name_v1"),)
paths = sys.argv[1:] or ("手作 > 草编 > 篮", "手作 > 草编 > 垫", "手作 > 竹编", "其它杂货")
names = [read_breadcrumb(path.split(">")).names for path in paths]
entries = [Waiting("s", path, names[i], 9 - i, "no_category_match_v1", ("标题\x1b[2J",), guess)
           for i, path in enumerate(paths)]
kept = []
given = answer_all(entries, tree, kept.append, lambda: bool(kept) and bool(kept.pop()) or True)
print("KEPT", given, [(a.path, a.node.id if a.node else None) for a in kept])
"""


def shown(said: tuple[str, ...], *paths: str) -> str:
    """What the dialogue shows, after these lines were typed."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, *paths], stdin=side, stdout=side, stderr=side, cwd=ROOT
    )
    os.close(side)
    os.write(main, "".join(f"{line}\n" for line in said).encode())
    shown = b""
    try:
        while chunk := os.read(main, 65_536):
            shown += chunk
    except OSError:  # the other side was closed: that is how a terminal ends
        pass
    finally:
        os.close(main)
    assert process.wait(timeout=30) == 0, shown.decode()
    return shown.decode()


def kept(said: tuple[str, ...], *paths: str) -> str:
    return shown(said, *paths).partition("KEPT ")[2].strip()


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (("1", "n", "q"), "2 [('手作 > 草编 > 篮', 401), ('手作 > 草编 > 垫', None)]"),
        # Skipped, then looked for by a name that no leaf has, by one that one has, and by id.
        (
            ("s", "果盘", "茶杯", "1", "sub_class 27", "1", ""),
            "2 [('手作 > 草编 > 垫', 146), ('手作 > 竹编', 27)]",
        ),
        # One answer for all of 草编 settles the second entry; the next question is the third.
        (("w", "1", "n", "q"), "2 [('手作 > 草编 > *', 401), ('手作 > 竹编', None)]"),
        (("w", "w", "1", "n"), "2 [('手作 > *', 401), ('其它杂货', None)]"),
        # Nothing to take back, then a rejection taken back; the terminal is closed in the end.
        (("u", "n", "u", "1", "\x04"), "1 [('手作 > 草编 > 篮', 401)]"),
    ],
)
def test_what_is_typed_is_what_is_kept(said: tuple[str, ...], expected: str) -> None:
    assert kept(said) == expected


def test_a_class_is_no_answer_but_shows_its_leaves() -> None:
    text = shown(("class 2", "家用电器", "q"))
    assert "no leaf is called like 'class 2'" in text
    assert re.search(r"12  sub.*\(家用电器 > .*\)\s+and [0-9]+ more: say more of the name", text)
    assert "KEPT 0 []" in text


def test_records_without_a_category_are_answered_for_by_the_whole_site_or_not_at_all() -> None:
    text = shown(("1", "w", "1", "q"), "", "手作 > 竹编")
    assert "these records have no category" in text
    assert "* (the whole site, 2 of the list" in text
    assert "KEPT 1 [('*', 401)]" in text


def test_pages_send_no_commands_to_the_terminal() -> None:
    text = shown(("q",), "手作\x1b]0;owned\x07 > 竹编")
    assert "\x1b" not in text and "\x07" not in text
    assert "手作\ufffd]0;owned\ufffd > 竹编" in text
    assert "标题\ufffd[2J" in text
