"""Captures of sites whose names begin alike, what headers keep, and a disk that fills up."""

from __future__ import annotations

import gzip
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator as FastIterator
from hypothesis import given, settings
from hypothesis import strategies as st
from warcio.archiveiterator import ArchiveIterator

from crawler.capture_reader import read_answer
from crawler.captures import (
    DROPPED_HEADERS,
    Answer,
    CapturePlace,
    CaptureWriter,
    repair,
    verified_end,
)
from runtime.errors import WorkspaceError

MOMENT = datetime(2026, 1, 31, 8, 11, 0, 123456, tzinfo=UTC)
FILL = """
import resource, sys
from pathlib import Path
from crawler.captures import CaptureWriter
from runtime.errors import StorageFullError
from tests.crawler.test_captures_apart import answer
writer = CaptureWriter(Path(sys.argv[1]), "shop", "digest", level=1, max_bytes=1 << 30)
place = writer.write(answer(b"small"))
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.RLIM_INFINITY))
for _ in range(2):
    try:
        writer.write(answer(bytes(i * i * 7 % 251 ^ i % 89 for i in range(400_000))))
    except StorageFullError as error:
        print(error)
late = writer.write(answer(b"small again"))
assert late.offset == place.offset + place.length
writer.close()
"""


def answer(body: bytes, *headers: tuple[str, str]) -> Answer:
    return Answer("http://shop.example/1?a=%C4%DA", 200, headers, body, MOMENT)


def named(site: str, folder: Path) -> str:
    """A site's first capture file: the run is the folder that `captures` lies in."""
    return f"{site}-{folder.parent.name}-00000.warc.gz"


def writer(folder: Path, site: str) -> CaptureWriter:
    return CaptureWriter(folder, site, "digest", level=6, max_bytes=1 << 20)


@settings(max_examples=30)
@given(bodies=st.lists(st.binary(max_size=200), min_size=1, max_size=4))
def test_any_body_is_read_back_by_two_readers(
    tmp_path_factory: object, bodies: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("captures")  # type: ignore[attr-defined]
    captures = writer(folder, "shop")
    places = [captures.write(answer(body, ("Content-Type", "text/html"))) for body in bodies]
    captures.close()
    path = folder / places[0].file
    with path.open("rb") as stream:
        ours = [r.raw_stream.read() for r in ArchiveIterator(stream) if r.rec_type == "response"]
    theirs = [
        (record.stream_pos, record.reader.read())
        for record in FastIterator(path.open("rb"), parse_http=True)
        if record.headers["WARC-Type"] == "response"
    ]
    assert ours == bodies
    assert theirs == [(place.offset, body) for place, body in zip(places, bodies, strict=True)]


def test_a_site_never_touches_the_files_of_one_whose_name_goes_on(tmp_path: Path) -> None:
    """`shop` and `shop-b` are crawled at the same time: their workers share the folder."""
    captures = writer(tmp_path, "shop-b")
    place = captures.write(answer(b"b"))
    assert repair(tmp_path, "shop", []) == set()
    assert (tmp_path / f"{place.file}.open").is_file()
    assert writer(tmp_path, "shop").write(answer(b"a")).file == named("shop", tmp_path)
    captures.close()
    assert (tmp_path / place.file).is_file()


def test_headers_are_kept_but_for_session_and_framing(tmp_path: Path) -> None:
    captures = writer(tmp_path, "shop")
    headers = (
        ("X-Twice", "1"), ("Set-Cookie", "s=1"), ("X-Twice", "2"), ("SET-COOKIE2", "s"),
        ("Transfer-Encoding", "chunked"), ("Connection", "close"), ("ETag", 'W/"x"'),
    )  # fmt: skip
    captures.write(answer(b"x", *headers))
    captures.close()
    with (tmp_path / named("shop", tmp_path)).open("rb") as stream:
        (kept,) = [
            r.http_headers.headers for r in ArchiveIterator(stream) if r.rec_type == "response"
        ]
    assert kept == [("X-Twice", "1"), ("X-Twice", "2"), ("ETag", 'W/"x"')]


def test_a_full_disk_is_named_and_costs_no_record_that_was_written(tmp_path: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path)],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 0, said.stderr
    assert said.stdout.count("no room to write") == 2
    with (tmp_path / named("shop", tmp_path)).open("rb") as stream:
        bodies = [r.raw_stream.read() for r in ArchiveIterator(stream) if r.rec_type == "response"]
    assert bodies == [b"small", b"small again"]


def test_repair_leaves_finished_files_alone(tmp_path: Path) -> None:
    captures = writer(tmp_path, "shop")
    place: CapturePlace = captures.write(answer(b"x"))
    captures.close()
    whole = (tmp_path / place.file).read_bytes()
    assert repair(tmp_path, "shop", []) == set()
    assert repair(tmp_path, "shop", [("lost.warc.gz", 5)]) == {"lost.warc.gz"}
    assert (tmp_path / place.file).read_bytes() == whole


_VALUE = st.text(st.characters(max_codepoint=255, exclude_categories=["Cc"]), max_size=30)


@settings(max_examples=60)
@given(
    headers=st.lists(
        st.tuples(st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True), _VALUE)
    ),
    body=st.binary(max_size=300),
    status=st.integers(100, 599),
)
def test_an_answer_is_read_back_as_extraction_saw_it(
    tmp_path_factory: pytest.TempPathFactory,
    headers: list[tuple[str, str]],
    body: bytes,
    status: int,
) -> None:
    """Every byte of a header's value counts: shops write UTF-8 and GBK into them."""
    folder = tmp_path_factory.mktemp("captures")
    kept = tuple((k, v.strip()) for k, v in headers if k.lower() not in DROPPED_HEADERS)
    written = Answer("http://shop.example/ä", status, kept, body, MOMENT)
    captures = writer(folder, "shop")
    place = captures.write(written)
    captures.close()
    assert read_answer(folder / place.file, place.offset) == written


def test_a_file_that_changed_under_the_writer_does_not_get_its_name(tmp_path: Path) -> None:
    captures = writer(tmp_path, "shop")
    captures.write(answer(b"first"))
    place = captures.write(answer(b"second" * 1000))
    captures.write(answer(b"third"))
    path = tmp_path / f"{place.file}.open"
    data = bytearray(path.read_bytes())
    data[place.offset + place.length // 2] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(WorkspaceError, match=rf"expected the record at {place.offset} as it was"):
        captures.close()
    assert not (tmp_path / place.file).exists()
    # Going on, the pages from the damaged record on are asked for again.
    end = place.offset + place.length
    assert repair(tmp_path, "shop", [(place.file, end)]) == {place.file}
    assert (tmp_path / place.file).stat().st_size == place.offset


def test_a_record_with_another_payload_is_noticed_though_its_checksum_is_right(
    tmp_path: Path,
) -> None:
    captures = writer(tmp_path, "shop")
    place = captures.write(answer(b"payload"))
    captures.close()
    path = tmp_path / place.file
    data = path.read_bytes()
    assert verified_end(path) == len(data)
    member = gzip.decompress(data[place.offset :]).replace(b"payload", b"forgery")
    path.write_bytes(data[: place.offset] + gzip.compress(member))
    assert verified_end(path) == place.offset
