"""Answers are checked before they count, and stand in a mapping file as a person wrote them."""

from __future__ import annotations

import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from runtime.errors import ConfigError
from taxonomy.review.answers import Answer, add_answers, parse_leaf, write_addition
from taxonomy.tree import Level, load_tree

ROOT = Path(__file__).resolve().parents[3]
TREE = load_tree()
DAY = date(2026, 1, 31)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sub_class 27", (Level.SUB_CLASS, 27)),
        ("subsub_class 600 钻石", (Level.SUBSUB_CLASS, 600)),
        (" sub_class 27 文化/学术 ", (Level.SUB_CLASS, 27)),
        ("茶杯", (Level.SUB_CLASS, 146)),
        ("146", (Level.SUB_CLASS, 146)),
        ("none", None),
        ("None: nothing like it", None),
    ],
)
def test_a_leaf_is_read_as_people_write_it(text: str, expected: tuple[Level, int] | None) -> None:
    if text.startswith("None:"):
        with pytest.raises(ValueError, match="expected one leaf"):
            parse_leaf(text, TREE)
        return
    node = parse_leaf(text, TREE)
    assert (node and (node.level, node.id)) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sub_class 999", "sub_class of the tree"),
        ("sub_class 27 茶杯", "sub_class of the tree"),
        ("奶瓶奶嘴", "subsub_class 614"),
        ("竹编果盘", "no category of the tree"),
        ("class 4", "one leaf .* or `none`, got 'class 4': class 4 "),
        ("图书", "one leaf .*: class 13 图书"),
        ("sub_class ²", "sub_class of the tree"),
        ("", "expected one leaf"),
    ],
)
def test_what_is_no_leaf_or_several_is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_leaf(text, TREE)


def answer(path: str, id: int | None, note: str = "") -> Answer:
    return Answer("s", path, None if id is None else TREE.leaf_of_sub_class(id), note)


def write(file: Path, *answers: Answer) -> tuple[Answer, ...]:
    addition = add_answers(file, answers, "eve", DAY, TREE)
    write_addition(addition, TREE)
    return addition.answers


def test_rows_are_added_behind_those_that_are_there(tmp_path: Path) -> None:
    file = tmp_path / "mappings" / "s.csv"
    write(file, answer("甲 > 乙", 146))
    file.write_text(file.read_text() + "\n丙,none,,adam,2026-01-02,", "utf-8")
    write(file, answer("甲 > *", None, "no, never"), answer("丙", None))
    assert file.read_text("utf-8").splitlines() == [
        "path,level,id,by,when,note",
        "甲 > 乙,sub_class,146,eve,2026-01-31,",
        "",
        "丙,none,,adam,2026-01-02,",
        '甲 > *,none,,eve,2026-01-31,"no, never"',
    ]


def test_a_spreadsheets_file_keeps_its_bytes_and_line_ends(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    before = "\ufeffpath,level,id,by,when,note\r\n丙,none,,adam,2026-01-02,\r\n".encode()
    file.write_bytes(before)
    write(file, answer("甲 > 乙", 146))
    assert file.read_bytes() == before + "甲 > 乙,sub_class,146,eve,2026-01-31,\r\n".encode()


def test_another_answer_than_the_files_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    write(file, answer("甲 > 乙", 146))
    before = file.read_bytes()
    with pytest.raises(
        ConfigError, match=r"'甲 >乙' is answered by none, .* 146 茶杯 as in .*row 2"
    ):
        write(file, answer("丁", 1), answer("甲 >乙", None))
    with pytest.raises(ConfigError, match="expected one answer to '戊'"):
        write(file, answer("戊", 1), answer("戊", 2))
    assert write(file, answer("甲 > 乙", 146), answer("甲>乙", 146)) == ()
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]


KILLED = """
import os, signal, sys
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path
from taxonomy.review.answers import Answer, add_answers, write_addition
from taxonomy.tree import load_tree

def dying(function, after):
    def call(*arguments, **named):
        if not after:
            os.kill(os.getpid(), signal.SIGKILL)
        function(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)
    return call

step, after = sys.argv[2], sys.argv[3] == "after"
owner = Path if hasattr(Path, step) else os
setattr(owner, step, dying(getattr(owner, step), after))
tree = load_tree()
answer = Answer("s", "丁", tree.leaf_of_sub_class(27))
file = Path(sys.argv[1])
write_addition(add_answers(file, [answer], "eve", date(2026, 1, 31), tree), tree)
"""


@pytest.mark.parametrize("after", ["before", "after"])
@pytest.mark.parametrize("step", ["write_bytes", "fsync", "replace"])
def test_a_kill_leaves_the_old_file_or_the_new_one(tmp_path: Path, step: str, after: str) -> None:
    file = tmp_path / "s.csv"
    write(file, answer("甲 > 乙", 146))
    old = file.read_bytes()
    new = old + "丁,sub_class,27,eve,2026-01-31,\n".encode()
    command = [sys.executable, "-c", KILLED, str(file), step, after]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == -signal.SIGKILL
    assert file.read_bytes() == (new if (step, after) == ("replace", "after") else old)
    write(file, answer("丁", 27))
    assert file.read_bytes() == new
    write(file, answer("戊", None))
    assert [path.name for path in tmp_path.iterdir()] == ["s.csv"]
