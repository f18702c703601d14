"""The log of what a command does: lines for people on a terminal, JSON lines everywhere else.

Every event has a level, a message and, where they are known, the run, the stage and the site, which
`about` sets for all that happens inside it. A workspace keeps the events of its runs as JSON lines
in `logs/mep3m.jsonl`, of bounded size: full files become `mep3m.jsonl.1`, `.2` and so on.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any

from runtime.clock import offset

LOG_FILE = "logs/mep3m.jsonl"

_logger = logging.getLogger("mep3m")
_logger.propagate = False
_logger.setLevel(logging.INFO)
_about: ContextVar[Mapping[str, str] | None] = ContextVar("about", default=None)


@contextmanager
def about(**fields: str) -> Iterator[None]:
    """Inside, every event says these as well: `run`, `stage`, `site`."""
    token = _about.set({**(_about.get() or {}), **fields})
    try:
        yield
    finally:
        _about.reset(token)


def info(message: str, **fields: Any) -> None:
    """Something that went as it should; `fields` are for programs."""
    _log(logging.INFO, message, fields)


def warning(message: str, **fields: Any) -> None:
    """Something that was mended, or that somebody should look at."""
    _log(logging.WARNING, message, fields)


def error(message: str, **fields: Any) -> None:
    """What ended the command."""
    _log(logging.ERROR, message, fields)


def _log(level: int, message: str, fields: Mapping[str, Any]) -> None:
    _logger.log(level, "%s", message, extra={"fields": {**(_about.get() or {}), **fields}})


class _Text(logging.Formatter):
    """`mep3m: message`, in one line."""

    def format(self, record: logging.LogRecord) -> str:
        return f"mep3m: {_one_line(record)}"


class _Json(logging.Formatter):
    """An object with `time`, `level` and `message`, then what the event is about."""

    def format(self, record: logging.LogRecord) -> str:
        moment = datetime.fromtimestamp(record.created + offset(), UTC)
        fields: Mapping[str, Any] = getattr(record, "fields", {})
        said = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname.lower(),
            "message": _one_line(record),
            **fields,
        }
        return json.dumps(said, ensure_ascii=False, default=str)


def _one_line(record: logging.LogRecord) -> str:
    """The message in one line that moves no cursor: what it quotes may be a stranger's."""
    words = " ".join(record.getMessage().split())
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in words)


class _ToStderr(logging.Handler):
    """Writes to whatever `sys.stderr` is at that moment; `is_json` None goes by the terminal."""

    def __init__(self, level: int, is_json: bool | None = False) -> None:
        super().__init__(level)
        self._is_json = is_json

    def emit(self, record: logging.LogRecord) -> None:
        is_json = not sys.stderr.isatty() if self._is_json is None else self._is_json
        formatter = _Json() if is_json else _Text()
        with suppress(OSError, ValueError):  # a closed stderr must not end the work
            print(formatter.format(record), file=sys.stderr, flush=True)


_default = _ToStderr(logging.INFO)
_logger.addHandler(_default)


class _ToFile(RotatingFileHandler):
    """A log that cannot be written (a full disk) is let go: the work and its error come first."""

    def handleError(self, record: logging.LogRecord) -> None:
        del record


@contextmanager
def logging_to(
    workspace: Path, *, stderr: str, quiet: bool, max_bytes: int, keep: int
) -> Iterator[None]:
    """Inside, events go to the workspace's log file and to stderr.

    `stderr` is "auto" (text on a terminal, JSON lines otherwise), "text" or "json"; when `quiet`,
    only warnings and errors are shown there.
    """
    path = workspace / LOG_FILE
    handlers: list[logging.Handler] = []
    level = logging.WARNING if quiet else logging.INFO
    handlers.append(_ToStderr(level, {"auto": None, "text": False, "json": True}[stderr]))
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        to_file = _ToFile(path, maxBytes=max_bytes, backupCount=keep, encoding="utf-8")
        to_file.setFormatter(_Json())
        handlers.append(to_file)
    _logger.removeHandler(_default)
    for handler in handlers:
        _logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            _logger.removeHandler(handler)
            handler.close()
        _logger.addHandler(_default)
