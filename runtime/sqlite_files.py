"""SQLite files: which errors say that one is damaged, and how it goes with its logs."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BESIDE = ("", "-wal", "-shm", "-journal")  # a log without its file would be played into the next


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it says that the file's bytes are not what SQLite wrote (and not, say, a full disk).

    Errors of Python's own module have no code; they are none.
    """
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def is_intact(db: sqlite3.Connection, *, indexes: bool = False) -> bool:
    """Whether SQLite finds the whole file in order; 2 to 3 seconds for each GB.

    With `indexes` it also holds every index against its table, in twice the time. Raises
    DatabaseError for a file that is no database at all.
    """
    check = "integrity_check" if indexes else "quick_check"
    return [*db.execute(f"PRAGMA {check}(1)")] == [("ok",)]


def is_intact_file(path: Path) -> bool:
    """Whether there is a database in order at `path`, which is only read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            return path.stat().st_size > 0 and is_intact(db)
    except sqlite3.DatabaseError as error:
        if is_damage(error) or not path.is_file():
            return False
        raise


def remove_database(path: Path) -> None:
    """Remove a database, then its logs."""
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
