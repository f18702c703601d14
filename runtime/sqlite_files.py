"""SQLite files: which errors say that one is damaged, and how it goes with its logs."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BESIDE = ("", "-wal", "-shm", "-journal")  # a log without its file would be played into the next


def is_damage(error: sqlite3.Error) -> bool:
    """Whether it says that the file's bytes are not what SQLite wrote (and not, say, a full disk).

    Errors of Python's own module have no code; they are none.
    """
    code = getattr(error, "sqlite_errorcode", None)
    return code is not None and code & 0xFF in _DAMAGE


def is_intact(db: sqlite3.Connection) -> bool:
    """Whether SQLite finds the whole file in order; about a second for each GB.

    Raises DatabaseError for a file that is no database at all.
    """
    return [*db.execute("PRAGMA quick_check(1)")] == [("ok",)]


def remove_database(path: Path) -> None:
    """Remove a database, then its logs."""
    for suffix in _BESIDE:
        path.with_name(path.name + suffix).unlink(missing_ok=True)
