"""Captures: WARC files that others read, without secrets, whole after a kill."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

from fastwarc.warc import ArchiveIterator as FastIterator
from fastwarc.warc import WarcRecordType
from warcio.archiveiterator import ArchiveIterator

from crawler.captures import Answer, CapturePlace, CaptureWriter, repair
from provenance.captures import read_capture

MOMENT = datetime(2026, 1, 31, 8, 11, 0, 123456, tzinfo=UTC)


def answer(number: int, body: bytes = b"<html>body</html>", *headers: tuple[str, str]) -> Answer:
    named = (("Content-Type", "text/html"), *headers)
    return Answer(f"http://shop.example/{number}", 200, named, body, MOMENT)


def writer(folder: Path, max_bytes: int = 1 << 20) -> CaptureWriter:
    return CaptureWriter(folder, "shop", "digest", level=6, max_bytes=max_bytes)


def write(folder: Path, *answers: Answer, max_bytes: int = 1 << 20) -> list[CapturePlace]:
    captures = writer(folder, max_bytes)
    places = [captures.write(item) for item in answers]
    captures.close()
    return places


def test_warcio_and_fastwarc_read_the_same_records(tmp_path: Path) -> None:
    places = write(tmp_path, *(answer(n, b"x" * n) for n in range(5)))
    path = tmp_path / places[0].file
    with path.open("rb") as stream:
        ours = [
            (r.rec_headers.get_header("WARC-Target-URI"), r.content_stream().read())
            for r in ArchiveIterator(stream, check_digests="raise")
            if r.rec_type == "response"
        ]
    with path.open("rb") as stream:
        theirs = [
            (r.headers["WARC-Target-URI"], r.reader.read(), r.verify_payload_digest())
            for r in FastIterator(stream, record_types=WarcRecordType.response, parse_http=True)
        ]
    assert [(uri, body) for uri, body, _ in theirs] == ours
    assert len(ours) == 5
    for place, (uri, _) in zip(places, ours, strict=True):
        capture = read_capture(path, place.offset)
        assert (capture.url, capture.problem, capture.date) == (uri, None, f"{MOMENT:%FT%T.%f}Z")


def test_secrets_stay_out_and_coded_bodies_stay_coded(tmp_path: Path) -> None:
    body = gzip.compress(b"hello")
    headers = (("Set-Cookie", "session=secret"), ("Content-Encoding", "gzip"))
    (place,) = write(tmp_path, answer(1, body, *headers))
    raw = gzip.decompress((tmp_path / place.file).read_bytes())
    assert b"secret" not in raw
    assert b"Content-Encoding: gzip" in raw
    assert body in raw


def test_files_rotate_and_never_share_a_name(tmp_path: Path) -> None:
    first = write(tmp_path, *(answer(n) for n in range(4)), max_bytes=1)
    again = write(tmp_path, answer(9))
    names = [place.file for place in (*first, *again)]
    run = tmp_path.parent.name  # no other run has files of these names
    assert names == [f"shop-{run}-{n:05d}.warc.gz" for n in range(5)]
    assert sorted(path.name for path in tmp_path.iterdir()) == names


def test_repair_cuts_what_was_never_committed(tmp_path: Path) -> None:
    captures = writer(tmp_path)
    kept, lost = captures.write(answer(1)), captures.write(answer(2))
    # The process is killed here: the file is open and its second record belongs to no page.
    assert repair(tmp_path, "shop", [(kept.file, kept.offset + kept.length)]) == set()
    path = tmp_path / kept.file
    assert path.stat().st_size == lost.offset
    assert read_capture(path, kept.offset).problem is None
    assert read_capture(path, lost.offset).problem is not None


def test_repair_names_files_that_lost_bytes_and_drops_unnamed_ones(tmp_path: Path) -> None:
    captures = writer(tmp_path)
    place = captures.write(answer(1))
    end = place.offset + place.length
    assert repair(tmp_path, "shop", [(place.file, end + 10)]) == {place.file}
    writer(tmp_path).write(answer(2))
    repair(tmp_path, "shop", [(place.file, end)])
    assert [path.name for path in tmp_path.iterdir()] == [place.file]
