"""Captures as evidence: is there a WARC response at an offset, whose is it, is it undamaged?

The record's own digests are computed again from its bytes, since neither warcio's command line
nor gzip's checksum alone notices every truncated or altered member.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from w3lib.url import canonicalize_url
from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from provenance.takedown.gzip_member import PURGED_TYPE
from runtime.pruned import pruned_of
from runtime.workspace import Run

PURGED = "capture_purged"
PRUNED = "capture_pruned"


@dataclass(frozen=True)
class Capture:
    """What was found at a capture's place; `problem` is None when it is whole and a response.

    `purged` is a capture that a takedown overwrote, since it showed a record that left.
    """

    file: str
    offset: int
    url: str | None = None
    date: str | None = None
    status: int | None = None
    payload_digest: str | None = None
    problem: str | None = None
    purged: bool = False

    def shows(self, page_url: str) -> bool:
        """Whether it is the answer to a request for that page, spelling aside."""
        return self.url is not None and (
            self.url == page_url or canonicalize_url(self.url) == canonicalize_url(page_url)
        )


def read_capture(path: Path, offset: int) -> Capture:
    """Read and check the record at `offset`; never raises for what the file holds."""
    try:
        with path.open("rb") as stream:
            return read_record(stream, path.name, offset)
    except OSError as error:
        return Capture(path.name, offset, problem=f"expected a capture file, got {error}")


def capture_of(run: Run, file: str, offset: int) -> Capture:
    """The record at `offset` of one of the run's capture files, or that `mep3m gc` removed it."""
    if (at := pruned_at(run, file)) is not None:
        problem = f"{PRUNED} on {at}: `mep3m gc` removed the file, as [retention] says"
        return Capture(file, offset, problem=problem)
    return read_capture(run.captures / file, offset)


def pruned_at(run: Run, file: str) -> str | None:
    """When `mep3m gc` removed a capture file of the run; None where it did not."""
    if (run.captures / file).is_file() or not (run.folder / "run.json").is_file():
        return None
    pruned = pruned_of(run)
    return pruned.at if pruned is not None and file in pruned.captures else None


def read_record(stream: BinaryIO, file: str, offset: int) -> Capture:
    """The same from an open file."""
    try:
        stream.seek(offset)
        record = next(iter(ArchiveIterator(stream, check_digests=True)), None)
        if record is not None and record.content_type == PURGED_TYPE:
            date = record.rec_headers.get_header("WARC-Date")
            return Capture(file, offset, date=date, problem=f"{PURGED} on {date}", purged=True)
        if record is None or record.rec_type != "response":
            found = "nothing" if record is None else f"a {record.rec_type} record"
            return Capture(file, offset, problem=f"expected a WARC response, got {found}")
        while record.raw_stream.read(65536):
            pass
    except (OSError, EOFError, ValueError, ArchiveLoadFailed, zlib.error) as error:
        return Capture(file, offset, problem=f"expected a WARC response, got {error}")
    checked = record.digest_checker.passed
    problem = None if checked else "expected the recorded digests, got others"
    if checked is None:
        problem = "expected a record with a digest, got one without"
    headers, answer = record.rec_headers, record.http_headers
    return Capture(
        file,
        offset,
        headers.get_header("WARC-Target-URI"),
        headers.get_header("WARC-Date"),
        int(answer.get_statuscode()) if answer and answer.get_statuscode().isdigit() else None,
        headers.get_header("WARC-Payload-Digest"),
        problem,
    )
