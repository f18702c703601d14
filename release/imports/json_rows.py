"""The rows of a JSON array of any size, one at a time, from any of their boundaries on.

In comes an open file, out go numbered rows with the byte each starts at. A row that is no JSON, or
too large or too deep to be one of ours, goes out as a `Fault` and the next one is read. What leaves
no boundary to go on from (a file that is cut off, something between rows) is a CopyError that names
the byte. One window of text is in memory at a time; where windows end changes nothing.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from release.imports.broken_rows import broken_end
from release.imports.errors import CopyError

WINDOW_BYTES = 1024 * 1024
MAX_ROW_CHARS = 256 * 1024
"""Of one row; those of MEP-3M have some 500."""
MAX_DEPTH = 32
"""Of brackets in a row; those of MEP-3M have 2. The decoder's own bound depends on its caller."""

UNREADABLE = "imported_row_unreadable_v1"
NO_JSON = "the row is no JSON"
_TOO_DEEP = "nested too deep"
_FLAT = frozenset({str, int, float, bool, type(None)})
_OTHER_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_SPACE = re.compile(r"[ \t\n\r]*")
_OUTSIDE = re.compile(r'["{}\[\]]')
_ESCAPED = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_STRING = re.compile(_ESCAPED.pattern + '"', re.DOTALL)
_BARE_END = re.compile(r"[,\]\s]")
_GZIP = b"\x1f\x8b"
_EXPONENT = 2  # characters of a number, as in `1e+`, that the decoder leaves without the next one
_MAX_DIGITS = 18  # of a whole number: longer ones are no id, and slow to read


@dataclass(frozen=True)
class Fault:
    """Why a row becomes no record: a versioned rule, the reason in words, what was found."""

    rule: str
    reason: str
    value: str | None = None


@dataclass(frozen=True)
class RepeatedKeys:
    """An object that has a key more than once, so that nobody can say which value counts."""

    keys: tuple[str, ...]


@dataclass(frozen=True)
class JsonRow:
    """A row: its number from 1, the byte it starts at, and its value or why it has none."""

    number: int
    byte: int
    value: Any


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any] | RepeatedKeys:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    counts = Counter(key for key, _ in pairs)
    return RepeatedKeys(tuple(sorted(key for key, count in counts.items() if count > 1)))


def _whole_number(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float("inf")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number)


class JsonRows:
    """Iterates over the rows; `byte` and `number` say up to where, to go on from later.

    `byte` 0 stands for the start of the file, else for the end of row `number`.
    """

    def __init__(self, path: Path, stream: BinaryIO, byte: int = 0, number: int = 0) -> None:
        self.byte, self.number = byte, number
        self._path, self._stream = path, stream
        # Bytes that are no UTF-8 become surrogates, so that the rows after them can be read.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._place = "", 0  # the window, and how far it is read
        self._ended = False
        stream.seek(byte)

    def __iter__(self) -> Iterator[JsonRow]:
        if self.byte == 0:
            self._open()
        while self._goes_on():
            start, number = self.byte, self.number + 1
            value = self._value(number)
            self.number = number
            yield JsonRow(number, start, value)

    # ------------------------------------------------------------------ between rows

    def _open(self) -> None:
        while len(self._text) < 2 and not self._ended:
            self._fill()
        head = self._text[:2].encode("utf-8", "surrogateescape")
        if head.startswith(_GZIP):
            raise CopyError(f"{self._path}: expected UTF-8, got a gzip archive; unpack it first")
        if head.startswith(_OTHER_BOMS):
            raise CopyError(f"{self._path}: expected UTF-8, got UTF-16; convert the file")
        if self._text.startswith("\ufeff"):
            self._take(1)
        self._expect("[", "an array of rows")

    def _goes_on(self) -> bool:
        """Whether a row follows; leaves the place at its start."""
        if self._next() == "]":
            return self._close()
        if self.number:
            self._expect(",", f"`,` or `]` after row {self.number}")
            self._next()
        if self._place == len(self._text):
            raise self._cut_off(f"row {self.number + 1}")
        return True

    def _close(self) -> bool:
        self._take(1)
        if self._next():
            raise CopyError(
                f"{self._path}, byte {self.byte}: expected the end of the file after `]`, got "
                f"{self._shown()}; remove what follows"
            )
        return False

    def _expect(self, sign: str, what: str) -> None:
        found = self._next()
        if not found:
            raise self._cut_off(what)
        if found != sign:
            raise CopyError(
                f"{self._path}, byte {self.byte}: expected {what}, got {self._shown()}; restore "
                "the file from a good copy"
            )
        self._take(1)

    def _cut_off(self, what: str) -> CopyError:
        return CopyError(
            f"{self._path}, byte {self.byte}: expected {what}, got the end of the file; it was "
            "cut off, copy it again"
        )

    def _shown(self) -> str:
        while len(self._text) - self._place < 20 and not self._ended:
            self._fill()
        return repr(self._text[self._place : self._place + 20])

    # ------------------------------------------------------------------ one row

    def _value(self, number: int) -> Any:
        """The row at the place, which is left behind it."""
        while True:
            try:
                value, end = _DECODER.raw_decode(self._text, self._place)
            except RecursionError:
                return self._skipped(number, _TOO_DEEP)
            except ValueError as error:  # JSONDecodeError, or the row ends behind the window
                if self._wants_more():
                    continue
                return self._skipped(number, _told(error))
            if end + _EXPONENT >= len(self._text) and self._wants_more():
                continue  # a bare number may go on
            if end - self._place > MAX_ROW_CHARS:
                return self._skipped(number, "too large")
            self._take(end - self._place)
            return Fault(UNREADABLE, NO_JSON, _TOO_DEEP) if _deeper(value, MAX_DEPTH) else value

    def _wants_more(self) -> bool:
        """Whether more of the file was read, since the row may not be whole yet."""
        if self._ended or len(self._text) - self._place > MAX_ROW_CHARS:
            return False
        self._fill()
        return True

    def _skipped(self, number: int, problem: str) -> Fault:
        """Go to the end of a row that cannot be read, whatever its size."""
        while self._wants_more():
            pass
        first = self._text[self._place]
        if first in ",]":
            return Fault(UNREADABLE, "expected a row before the comma or bracket, found none")
        if first not in '{["':
            self._skip_bare()
            return Fault(UNREADABLE, NO_JSON, problem)
        start, limit = self.byte, self._place + MAX_ROW_CHARS
        end = broken_end(self._text, self._place, min(limit, len(self._text)))
        if end is not None:
            self._take(end - self._place)
            return Fault(UNREADABLE, NO_JSON, problem)
        if limit >= len(self._text):
            raise self._endless(number, start)
        self._skip_brackets(number)
        reason = f"the row has more than {MAX_ROW_CHARS} characters"
        return Fault(UNREADABLE, reason, f"{self.byte - start} bytes")

    def _skip_brackets(self, number: int) -> None:
        """Behind a row of any size, a window at a time."""
        start, depth, quoted = self.byte, 0, False
        while True:
            place = self._place
            # A string is matched where it stands: searching would try each place of an open one.
            while found := (_STRING.match if quoted else _OUTSIDE.search)(self._text, place):
                place = found.end()
                sign = self._text[place - 1]
                if sign == '"':
                    quoted = not quoted
                else:
                    depth += 1 if sign in "{[" else -1
                if depth <= 0 and not quoted:
                    self._take(place - self._place)
                    return
            if quoted:  # an escape may go on behind the window
                place = _ESCAPED.match(self._text, place).end()  # type: ignore[union-attr]
            self._take((place if quoted else len(self._text)) - self._place)
            if self._ended:
                raise self._endless(number, start)
            self._fill()

    def _endless(self, number: int, start: int) -> CopyError:
        return CopyError(
            f"{self._path}, byte {start}: expected the end of row {number}, which starts there, "
            "got the end of the file; it was cut off, copy it again (or that row lacks a quote, "
            "mend it)"
        )

    def _skip_bare(self) -> None:
        """Behind something that is no JSON value: up to what can follow one."""
        self._take(1)
        while True:
            found = _BARE_END.search(self._text, self._place)
            step = (found.start() if found else len(self._text)) - self._place
            self._take(step)
            if found or self._ended:
                return
            self._fill()

    # ------------------------------------------------------------------ the window

    def _next(self) -> str:
        """The next character that is no space, or nothing at the end of the file."""
        while True:
            found = _SPACE.match(self._text, self._place)
            assert found is not None  # it matches nothing, too
            self._take(found.end() - self._place)
            if self._place < len(self._text):
                return self._text[self._place]
            if self._ended:
                return ""
            self._fill()

    def _take(self, characters: int) -> None:
        taken = self._text[self._place : self._place + characters]
        self.byte += len(taken.encode("utf-8", "surrogateescape"))
        self._place += characters

    def _fill(self) -> None:
        data = self._stream.read(WINDOW_BYTES)
        self._ended = not data
        more = self._decoder.decode(data, final=self._ended)
        self._text, self._place = self._text[self._place :] + more, 0


def _told(error: ValueError) -> str:
    """The decoder's words without its place, which counts characters of the window."""
    return error.msg if isinstance(error, json.JSONDecodeError) else str(error)[:80]


def _deeper(value: Any, levels: int) -> bool:
    """Whether brackets stand in one another on more levels than that."""
    if isinstance(value, dict | list):
        inner = value.values() if isinstance(value, dict) else value
        return not levels or any(_deeper(v, levels - 1) for v in inner if type(v) not in _FLAT)
    return False
