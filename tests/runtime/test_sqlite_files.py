"""Damage is told from everything else that SQLite says, and no log outlives its file."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from runtime.sqlite_files import is_damage, is_intact, remove_database


def make(path: Path) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("CREATE TABLE t(x)")
        db.executemany("INSERT INTO t VALUES (?)", (("x" * 300,) for _ in range(200)))
    return path


def blank_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = bytes(third)
    path.write_bytes(data)


def said_of(path: Path) -> sqlite3.Error | bool:
    with closing(sqlite3.connect(path)) as db:
        try:
            return is_intact(db)
        except sqlite3.Error as error:
            return error


def test_a_whole_file_is_intact(tmp_path: Path) -> None:
    assert said_of(make(tmp_path / "a.sqlite")) is True


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"no database" * 999),
        lambda path: path.write_bytes(path.read_bytes()[:5000]),
        blank_middle,
    ],
    ids=["foreign", "cut", "blank in the middle"],
)
def test_damage_is_seen(tmp_path: Path, harm: Callable[[Path], None]) -> None:
    path = make(tmp_path / "a.sqlite")
    harm(path)
    said = said_of(path)
    assert said is False or (isinstance(said, sqlite3.Error) and is_damage(said))


def test_other_errors_are_no_damage(tmp_path: Path) -> None:
    with closing(sqlite3.connect(make(tmp_path / "a.sqlite"))) as db:
        for statement in ("SELECT nothing", "PRAGMA max_page_count = 1; no", "INSERT INTO t"):
            with pytest.raises(sqlite3.Error) as raised:
                db.execute(statement)
            assert not is_damage(raised.value)
    with pytest.raises(sqlite3.Error) as raised:
        db.execute("SELECT 1")  # closed: an error of Python's module, without a code
    assert not is_damage(raised.value)


def test_a_database_goes_with_its_logs(tmp_path: Path) -> None:
    path = make(tmp_path / "a.sqlite")
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).touch()
    make(tmp_path / "b.sqlite")
    remove_database(path)
    assert [left.name for left in tmp_path.iterdir()] == ["b.sqlite"]
    remove_database(path)
