"""Fetch in a run that reads WARC files: what they hold is not asked for."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crawler.archive import INDEX_FILE, build_index, file_digests
from runtime.workspace import Run
from tests.crawler.image_runs import JPEG, Album, jpeg, outcomes, picture, rows_of
from tests.crawler.shop import Shop, running_shop
from tests.crawler.test_archive import Warc

DATE = "2025-03-04T05:06:07Z"
HOST = "http://shop.example"


@pytest.fixture
def album(tmp_path: Path) -> Album:
    return Album(tmp_path, [])


def archive_run(album: Album, warc: Warc, *urls: str) -> Run:
    """A run that reads the WARC file."""
    warc._stream.close()
    record = {"files": file_digests([warc.path]), "sites": []}
    run = album.new_run(*urls, from_warc=record)
    build_index([warc.path], run.folder / INDEX_FILE)
    return run


def test_pictures_of_the_archive_are_taken_without_a_request(album: Album) -> None:
    warc = Warc(album.folder / "a.warc.gz")
    kind = "image/jpeg"
    warc.add(f"{HOST}/1", jpeg(1), kind=kind, date=DATE, Last_Modified="yesterday", ETag='"e"')
    warc.add(f"{HOST}/gone", b"", status="404 Not Found", kind=kind)
    warc.add(f"{HOST}/busy", b"", status="503 Busy", kind=kind)
    warc.add(f"{HOST}/html", b"<html>", kind=kind)
    warc.add(f"{HOST}/empty", b"", kind=kind)
    warc.add(f"{HOST}/large", b"\xff\xd8\xff" + bytes(2 << 20), kind=kind)
    warc.add(f"{HOST}/no", jpeg(2), kind=kind, X_Robots_Tag="noai")
    warc.add(f"{HOST}/coded", gzip.compress(jpeg(3)), kind=kind, Content_Encoding="gzip")
    warc.add(f"{HOST}/decoded", jpeg(4), kind=kind, Content_Encoding="gzip")
    warc.add(f"{HOST}/png", jpeg(5), kind="image/png")
    warc.add(f"{HOST}/moved", b"", status="302 Found", kind=kind, Location="/1")
    warc.add(f"{HOST}/away", b"", status="302 Found", kind=kind, Location="http://cdn.example/6")
    warc.add("http://cdn.example/6", jpeg(6), kind=kind)
    names = [
        "1", "gone", "busy", "html", "empty", "large", "no", "coded", "decoded", "png", "moved",
        "away", "absent",
    ]  # fmt: skip
    run = archive_run(album, warc, *(f"{HOST}/{name}" for name in names))
    assert album.fetch(run) == {
        "images.ok": 6, "images.http_404": 1, "images.http_503": 1, "images.not_an_image": 1,
        "images.empty": 1, "images.too_large": 1, "images.opted_out": 1, "images.not_recorded": 1,
    }  # fmt: skip
    assert {n: picture(run, f"{HOST}/{n}") for n in ("1", "coded", "decoded", "moved", "away")} == {
        "1": jpeg(1), "coded": jpeg(3), "decoded": jpeg(4), "moved": jpeg(1), "away": jpeg(6),
    }  # fmt: skip
    rows = {row["image_url"].rpartition("/")[2]: row for row in rows_of(run)}
    assert rows["1"]["fetched_at"] == datetime(2025, 3, 4, 5, 6, 7, tzinfo=UTC)
    assert (rows["1"]["source"], rows["1"]["etag"]) == ("archive", '"e"')
    assert rows["absent"]["source"] is None
    assert rows["png"]["error"] == "declared as image/png, is image/jpeg"
    assert rows["coded"]["error"] == "its content coding (gzip) was undone"
    assert (rows["decoded"]["error"], rows["away"]["redirect_url"]) == (
        None,
        "http://cdn.example/6",
    )
    before = len(rows_of(run))
    album.fetch(run)
    assert outcomes(run)["/1"] == ["ok"]
    assert len(rows_of(run)) <= before + 1  # only the busy one is looked for again


def test_the_archives_robots_txt_holds_for_what_is_taken_from_it(album: Album) -> None:
    warc = Warc(album.folder / "a.warc.gz")
    warc.add(f"{HOST}/robots.txt", b"User-agent: *\nDisallow: /private\n", kind="text/plain")
    warc.add(f"{HOST}/private/1", jpeg(1), kind="image/jpeg")
    warc.add(f"{HOST}/public/1", jpeg(1), kind="image/jpeg")
    run = archive_run(album, warc, f"{HOST}/private/1", f"{HOST}/public/1")
    assert album.fetch(run) == {"images.ok": 1, "images.robots": 1}
    assert outcomes(run) == {"/private/1": ["robots"], "/public/1": ["ok"]}


@pytest.fixture
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


def test_what_the_archive_lacks_is_asked_for_where_that_is_allowed(
    album: Album, shop: Shop
) -> None:
    album.shops = [shop]
    warc = Warc(album.folder / "a.warc.gz")
    warc.add(f"{shop.base_url}/1", jpeg(1), kind="image/jpeg")
    warc.add(f"{shop.base_url}/busy", b"", status="503 Busy", kind="image/jpeg")
    shop.answers = {f"/{name}": (200, JPEG, jpeg(7)) for name in ("1", "2", "busy")}
    only = archive_run(album, warc, f"{shop.base_url}/1")
    assert album.fetch(only) == {"images.ok": 1}
    assert shop.asked == []  # not for robots.txt either
    run = album.new_run(
        *(f"{shop.base_url}/{name}" for name in ("1", "2", "busy")),
        from_warc=only.record["from_warc"],
    )
    # The index is made again where it went.
    assert album.fetch(run) == {"images.ok": 3}
    assert sorted(shop.paths()) == ["/2", "/busy", "/robots.txt"]
    assert picture(run, f"{shop.base_url}/1") == jpeg(1)
    assert picture(run, f"{shop.base_url}/2") == jpeg(7)
    assert outcomes(run)["/busy"] == ["http_503", "ok"]
