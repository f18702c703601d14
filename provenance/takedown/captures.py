"""Captures that name what leaves are overwritten, and nothing else of their files moves.

Every WARC file of the workspace is read through, files shared by runs once. What is to go is
written down before the first byte is changed, so that a kill leaves nothing half purged for good.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from crawler.bodies import BodyFault, decoded
from crawler.capture_reader import parse_answer
from provenance.takedown.gzip_member import member_of_length, purged_record
from provenance.takedown.job import Job
from runtime.storage import read_json, write_bytes
from runtime.workspace import Workspace

PLAN_FILE = "takedown-captures.json"
_PIECE = 1024 * 1024
_MAX_BODY = 256 * 1024 * 1024


@dataclass(frozen=True)
class Member:
    """One gzip member of a capture file; `content` is what it holds."""

    offset: int
    length: int
    content: bytes


def purge_captures(workspace: Workspace, job: Job) -> int:
    """Overwrite every capture that names what leaves; returns how many there were."""
    plan = workspace.folder / PLAN_FILE
    if not plan.is_file():
        found = [
            [path.relative_to(workspace.folder).as_posix(), member.offset, member.length]
            for path in _files(workspace)
            for member in members(path)
            if _names_any(member, path, job)
        ]
        write_bytes(plan, json.dumps(found).encode())
    places = read_json(plan)
    for name, offset, length in places:
        with (workspace.folder / name).open("r+b") as stream:
            stream.seek(offset)
            stream.write(member_of_length(purged_record(job.at), length))
            stream.flush()
            os.fsync(stream.fileno())
    return len(places)


def forget_plan(workspace: Workspace) -> None:
    """The plan is carried out and nobody needs it any more."""
    (workspace.folder / PLAN_FILE).unlink(missing_ok=True)


def _files(workspace: Workspace) -> Iterator[Path]:
    """Each capture file once, whatever its names; what no crawl committed of it is cut off."""
    seen = set()
    for run in workspace.runs():
        for path in sorted(run.captures.glob("*.warc.gz*")):
            facts = path.stat()
            if (facts.st_dev, facts.st_ino) not in seen:
                seen.add((facts.st_dev, facts.st_ino))
                yield path


def members(path: Path) -> Iterator[Member]:
    """The gzip members of a capture file; a torn end, which no page names, is cut off."""
    offset, rest = 0, b""
    with path.open("rb") as stream:
        while data := rest or stream.read(_PIECE):
            inflater, out, used = zlib.decompressobj(31), bytearray(), 0
            try:
                while not inflater.eof:
                    if not data and not (data := stream.read(_PIECE)):
                        os.truncate(path, offset)
                        return
                    out += inflater.decompress(data)
                    used += len(data)
                    data = b""
            except zlib.error:
                os.truncate(path, offset)
                return
            rest = inflater.unused_data
            length = used - len(rest)
            yield Member(offset, length, bytes(out))
            offset += length


def _names_any(member: Member, path: Path, job: Job) -> bool:
    for record in ArchiveIterator(BytesIO(member.content), parse_http=False, auto_decode="none"):
        url = record.headers.get("WARC-Target-URI") or ""
        if job.names.mentioned_in(url):
            return True
        if record.record_type != WarcRecordType.response:
            continue
        if any(path.name.startswith(f"{site}-") for site in job.sites):
            return True
        block = record.reader.read()
        try:
            _, headers, body = parse_answer(block)
            body = decoded(headers, body, _MAX_BODY)
            head = "\n".join(value for _, value in headers)
        except (ValueError, BodyFault):
            head, body = "", block
        if job.names.mentioned_in(head, url) or any(
            job.names.mentioned_in(text, url) for text in _texts(body)
        ):
            return True
    return False


def _texts(body: bytes) -> Iterator[str]:
    """The body as text: names are ASCII in nearly every encoding, but not in UTF-16."""
    yield body.decode("utf-8", "surrogateescape")
    if b"\x00" in body:
        for encoding in ("utf-16-le", "utf-16-be"):
            yield body.decode(encoding, "replace")
