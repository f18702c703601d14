"""The dialogue in a real terminal: guesses, searching, widening, taking back, stopping."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys
from taxonomy.review.dialogue import answer_all
from taxonomy.review.waiting import Waiting
from taxonomy.suggestions import Suggestion
from taxonomy.tree import load_tree

tree = load_tree()
guess = (Suggestion(tree.leaf_of_sub_class(401), 0.7, "like_name_v1"),)
paths = ("手作 > 草编 > 篮", "手作 > 草编 > 垫", "手作 > 竹编", "其它杂货")
entries = [Waiting("s", path, 9 - i, "no_category_match_v1", ("标题",), guess)
           for i, path in enumerate(paths)]
kept = []
given = answer_all(entries, tree, kept.append, lambda: bool(kept) and bool(kept.pop()) or True)
print("KEPT", given, [(a.path, a.node.id if a.node else None) for a in kept])
"""


def talk(*said: str) -> str:
    """What the dialogue shows in the end, after these lines were typed."""
    main, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT], stdin=side, stdout=side, stderr=side, cwd=ROOT
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
    return shown.decode().partition("KEPT ")[2].strip()


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        (("1", "n", "q"), "2 [('手作 > 草编 > 篮', 401), ('手作 > 草编 > 垫', None)]"),
        (("s", "", "s", "s"), "0 []"),
        (("果盘", "茶杯", "1", "q"), "1 [('手作 > 草编 > 篮', 146)]"),
        (("146", "1", "q"), "1 [('手作 > 草编 > 篮', 146)]"),
        # One answer for all of 草编 settles the second entry; the next question is the third.
        (("w", "1", "n", "q"), "2 [('手作 > 草编 > *', 401), ('手作 > 竹编', None)]"),
        (("w", "w", "1", "n"), "2 [('手作 > *', 401), ('其它杂货', None)]"),
        (("n", "u", "1", "q"), "1 [('手作 > 草编 > 篮', 401)]"),
        (("u", "q"), "0 []"),
        (("1", "\x04"), "1 [('手作 > 草编 > 篮', 401)]"),
    ],
)
def test_what_is_typed_is_what_is_kept(said: tuple[str, ...], kept: str) -> None:
    assert talk(*said) == kept
