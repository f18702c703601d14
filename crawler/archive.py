"""WARC files as a source: one's own, Common Crawl's, the Internet Archive's.

The files are listed once into an index (SQLite) of their answers by URL; revisit records are
resolved to the answer that they repeat. An answer is then read by its place, `.warc` or
`.warc.gz` alike. A damaged file is refused as a whole, before anything is taken from it.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from glob import glob
from pathlib import Path
from typing import BinaryIO

from fastwarc.warc import ArchiveIterator, WarcRecord, WarcRecordType
from w3lib.url import canonicalize_url

from crawler.addresses import RefusedAddressError, host_of
from crawler.capture_reader import parse_answer
from crawler.captures import Answer
from runtime.errors import ConfigError
from runtime.storage import sha256_file

INDEX_FILE = "archive.sqlite"  # in a run's folder

_SCHEMA = """
CREATE TABLE files(number INTEGER PRIMARY KEY, path TEXT NOT NULL);
CREATE TABLE answers(
  id INTEGER PRIMARY KEY, key TEXT NOT NULL, url TEXT NOT NULL, host TEXT NOT NULL,
  date TEXT NOT NULL, status INTEGER NOT NULL, type TEXT, digest TEXT,
  file INTEGER NOT NULL, offset INTEGER NOT NULL, body_file INTEGER, body_offset INTEGER);
CREATE TABLE revisits(id INTEGER PRIMARY KEY, of_url TEXT, of_date TEXT);
"""
_INDEXES = (
    "CREATE INDEX by_key ON answers(key, date, file, offset)",
    "CREATE INDEX by_digest ON answers(digest) WHERE digest IS NOT NULL",
    "CREATE INDEX by_host ON answers(host, file, offset)",
)
_MAX_HEADER_BYTES = 64 * 1024
CHUNK_BYTES = 256 * 1024


@dataclass(frozen=True)
class ArchivedAnswer:
    """Where the last good answer for a URL lies; `url` is spelled as in the archive."""

    url: str
    status: int
    content_type: str | None
    file: Path
    offset: int
    body_file: Path
    body_offset: int


def archive_files(patterns: Sequence[str]) -> list[Path]:
    """The WARC files that the patterns name, sorted. Raises ConfigError for one that names none."""
    found: set[Path] = set()
    for pattern in patterns:
        names = [Path(name) for name in glob(pattern, recursive=True)]  # noqa: PTH207 - absolute too
        files = [path.resolve() for path in names if path.is_file()]
        if not files:
            raise ConfigError(
                f"--from-warc {pattern}: expected WARC files, found none; check the path"
            )
        found.update(files)
    return sorted(found)


def file_digests(files: Sequence[Path]) -> list[dict[str, object]]:
    """Name, size and SHA-256 of every file, for the record of a run."""
    return [
        {"path": str(path), "bytes": path.stat().st_size, "sha256": sha256_file(path)}
        for path in files
    ]


def build_index(files: Sequence[Path], index: Path) -> int:
    """List every answer of the files; returns how many. The index is whole or absent.

    Raises ConfigError for a file that is no WARC file or cannot be read at random.
    """
    temporary = index.with_name(f".{index.name}.tmp")
    temporary.unlink(missing_ok=True)
    with closing(sqlite3.connect(temporary, isolation_level=None)) as db:
        db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        db.execute("BEGIN")
        for number, path in enumerate(files):
            db.execute("INSERT INTO files VALUES (?, ?)", (number, str(path)))
            _list_file(db, number, path)
        for statement in _INDEXES:
            db.execute(statement)
        _resolve_revisits(db)
        db.execute("COMMIT")
        (count,) = db.execute("SELECT COUNT(*) FROM answers").fetchone()
    temporary.replace(index)
    return int(count)


def _list_file(db: sqlite3.Connection, number: int, path: Path) -> None:
    before, records = -1, 0
    wanted = WarcRecordType.response | WarcRecordType.revisit
    try:
        records_of = ArchiveIterator(str(path), record_types=wanted, parse_http=False)
        for record in records_of:
            records += 1
            if record.stream_pos <= before:
                raise ConfigError(
                    f"{path}: expected a gzip member for every record, got several records in one; "
                    "compress it record by record (`warcio recompress`)"
                )
            before = record.stream_pos
            _list_record(db, number, record)
    except (OSError, ValueError, EOFError) as error:
        raise ConfigError(
            f"{path}: expected a WARC file, got {error} after {records} records; "
            "fetch it again or leave it out"
        ) from error
    if not records:
        raise ConfigError(f"{path}: expected a WARC file with answers, found none in it")
    if not _is_whole(path):
        raise ConfigError(
            f"{path}: expected a whole WARC file, got a damaged or cut one; fetch it again"
        )


def _is_whole(path: Path) -> bool:
    """Whether every gzip member passes its checksum and the file ends where a record does.

    Readers take a cut record for a short one, and skip over broken ones.
    """
    with path.open("rb") as stream:
        if stream.read(2) != b"\x1f\x8b":
            stream.seek(-4, os.SEEK_END)
            return stream.read() == b"\r\n\r\n"
        stream.seek(0)
        member = zlib.decompressobj(31)
        try:
            while data := member.unused_data or stream.read(CHUNK_BYTES):
                if member.eof:
                    member = zlib.decompressobj(31)
                member.decompress(data, CHUNK_BYTES)
                while member.unconsumed_tail and not member.eof:
                    member.decompress(member.unconsumed_tail, CHUNK_BYTES)
        except zlib.error:
            return False
        return member.eof


def _list_record(db: sqlite3.Connection, number: int, record: WarcRecord) -> None:
    headers = record.headers
    url = (headers.get("WARC-Target-URI") or "").strip("<> ")
    try:
        host = host_of(url)
        record.parse_http()
        status = int(record.http_headers.status_code or 0)
        kind = record.http_content_type
    except (RefusedAddressError, ValueError, TypeError, AttributeError, OSError):
        return  # dns: and ftp: records, and answers without a status line
    date = headers.get("WARC-Date") or ""
    try:
        datetime.fromisoformat(date)
    except ValueError:
        return
    cursor = db.execute(
        "INSERT INTO answers(key, url, host, date, status, type, digest, file, offset)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            str(canonicalize_url(url)), url, host, date, status, kind,
            headers.get("WARC-Payload-Digest"), number, record.stream_pos,
        ),
    )  # fmt: skip
    if record.record_type == WarcRecordType.revisit:
        db.execute(
            "INSERT INTO revisits VALUES (?, ?, ?)",
            (cursor.lastrowid, headers.get("WARC-Refers-To-Target-URI"),
             headers.get("WARC-Refers-To-Date")),
        )  # fmt: skip


def _resolve_revisits(db: sqlite3.Connection) -> None:
    """A revisit has the body of the answer it names, or of one with the same payload digest."""
    revisits = db.execute(
        "SELECT r.id, r.of_url, r.of_date, a.url, a.digest, a.status FROM revisits r"
        " JOIN answers a USING (id) ORDER BY r.id"
    ).fetchall()
    whole = "SELECT file, offset, status FROM answers WHERE id NOT IN (SELECT id FROM revisits) AND"
    for id_, of_url, of_date, url, digest, status in revisits:
        key = str(canonicalize_url((of_url or url).strip("<> ")))
        found = db.execute(f"{whole} key = ? AND date = ?", (key, of_date)).fetchone()
        found = (
            found or db.execute(f"{whole} digest = ? ORDER BY file, offset", (digest,)).fetchone()
        )
        if found is None:
            db.execute("DELETE FROM answers WHERE id = ?", (id_,))
            continue
        # "304 Not Modified" stands for the answer that was not modified.
        db.execute(
            "UPDATE answers SET body_file = ?, body_offset = ?, status = ? WHERE id = ?",
            (found[0], found[1], found[2] if status == 304 else status, id_),
        )


class Archive:
    """An index that is read."""

    def __init__(self, index: Path) -> None:
        self._db = sqlite3.connect(f"file:{index}?mode=ro", uri=True)
        self._files = {
            number: Path(path) for number, path in self._db.execute("SELECT * FROM files")
        }

    def close(self) -> None:
        """Release the index."""
        self._db.close()

    def hosts(self) -> dict[str, int]:
        """Answers per host."""
        return dict(
            self._db.execute("SELECT host, COUNT(*) FROM answers GROUP BY host ORDER BY host")
        )

    def urls(self, host: str) -> Iterator[tuple[str, str | None]]:
        """(URL, content type) of every answer of a host, in archive order."""
        yield from self._db.execute(
            "SELECT url, type FROM answers WHERE host = ? ORDER BY file, offset", (host,)
        )

    def find(self, url: str) -> ArchivedAnswer | None:
        """The answer for a URL, spelling aside: the latest that is no error, or the latest."""
        row = self._db.execute(
            "SELECT url, status, type, file, offset, COALESCE(body_file, file),"
            " COALESCE(body_offset, offset) FROM answers WHERE key = ?"
            " ORDER BY status < 400 DESC, date DESC, file DESC, offset DESC LIMIT 1",
            (str(canonicalize_url(url)),),
        ).fetchone()
        if row is None:
            return None
        found, status, kind, file, offset, body_file, body_offset = row
        return ArchivedAnswer(
            found, status, kind, self._files[file], offset, self._files[body_file], body_offset
        )

    def read(self, answer: ArchivedAnswer, url: str, max_bytes: int) -> Answer:
        """The answer as one to `url`, transfer coding undone and content coding untouched.

        Raises ValueError for a body above `max_bytes` and OSError for what cannot be read.
        """
        first = _read(answer.file, answer.offset, max_bytes)
        moment = datetime.fromisoformat(first.date)
        whole = first
        if (answer.file, answer.offset) != (answer.body_file, answer.body_offset):
            whole = _read(answer.body_file, answer.body_offset, max_bytes)
        headers = whole.headers if first.status == 304 or not first.headers else first.headers
        return Answer(url, answer.status, headers, whole.body, moment)


@dataclass(frozen=True)
class _Record:
    date: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _read(path: Path, offset: int, max_bytes: int) -> _Record:
    with path.open("rb") as stream:
        # Twice: FastWARC undoes the transfer coding, and reads headers as Windows-1252.
        for head in _records(stream, offset, parse_http=False):
            status, headers, _ = parse_answer(head.reader.read(_MAX_HEADER_BYTES))
            date = head.headers["WARC-Date"]
            break
        else:
            raise OSError(f"{path}: expected a record at {offset}, found none")
        body = b""
        for whole in _records(stream, offset, parse_http=True):
            body = whole.reader.read(max_bytes + 1)
            break
    if len(body) > max_bytes:
        raise ValueError(f"expected at most {max_bytes} bytes, got more")
    return _Record(date, status, headers, body)


def _records(stream: BinaryIO, offset: int, *, parse_http: bool) -> ArchiveIterator:
    stream.seek(offset)
    return ArchiveIterator(
        stream, auto_decode="transfer", max_header_len=_MAX_HEADER_BYTES, parse_http=parse_http
    )
