"""Fetch: redirects between hosts, earlier runs, what may not be used any more, and no contact."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.storage import write_json
from tests.crawler.image_runs import JPEG, Album, jpeg, outcomes, picture, places, rows_of
from tests.crawler.shop import Answer, Shop, running_shop


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Shop, Shop]]:
    with running_shop() as shop, running_shop() as cdn:
        yield shop, cdn


@pytest.fixture
def shop(servers: tuple[Shop, Shop]) -> Shop:
    for server in servers:
        server.answers.clear()
        server.asked.clear()
    return servers[0]


@pytest.fixture
def cdn(shop: Shop, servers: tuple[Shop, Shop]) -> Shop:
    return servers[1]


@pytest.fixture
def album(shop: Shop, cdn: Shop, tmp_path: Path) -> Album:
    return Album(tmp_path, [shop, cdn])


def now_and_then(body: bytes, etag: str) -> Answer:
    return 200, {**JPEG, "ETag": etag, "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT"}, body


def conditional(shop: Shop, path: str, body: bytes, etag: str) -> None:
    """An answer that is 304 for whoever has it."""

    def answer(times: int) -> Answer:
        if shop.heard[path].get("If-None-Match") == etag:
            return 304, {"ETag": etag}, b""
        return now_and_then(body, etag)

    shop.answers[path] = answer


def test_a_redirect_to_another_host_is_followed_by_that_hosts_worker(
    album: Album, shop: Shop, cdn: Shop
) -> None:
    shop.answers["/a"] = (302, {"Location": f"{cdn.base_url}/b#part"}, b"")
    cdn.answers["/b"] = (301, {"Location": "/c"}, b"")
    cdn.answers["/c"] = (200, JPEG, jpeg(1))
    cdn.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /secret\n")
    shop.answers["/s"] = (302, {"Location": f"{cdn.base_url}/secret"}, b"")
    run = album.new_run(f"{shop.base_url}/a", f"{shop.base_url}/s", f"{cdn.base_url}/c")
    assert album.fetch(run) == {"images.ok": 2, "images.robots": 1}
    assert outcomes(run) == {
        "/a": ["redirect"], "/s": ["redirect"], "/b": ["ok"], "/c": ["ok"], "/secret": ["robots"],
    }  # fmt: skip
    assert picture(run, f"{shop.base_url}/a") == jpeg(1)
    by_url = {row["image_url"]: row for row in rows_of(run)}
    moved, found = by_url[f"{shop.base_url}/a"], by_url[f"{cdn.base_url}/b"]
    assert (moved["status"], moved["redirect_url"]) == (302, f"{cdn.base_url}/b")
    assert (found["status"], found["redirects"], found["redirect_url"]) == (200, 1, None)
    assert sorted(cdn.paths()) == ["/b", "/c", "/c", "/robots.txt"]
    asked = len(shop.asked) + len(cdn.asked)
    assert album.fetch(run) == {"images.ok": 2, "images.robots": 1}
    assert len(shop.asked) + len(cdn.asked) == asked


def test_redirects_between_hosts_end(album: Album, shop: Shop, cdn: Shop) -> None:
    shop.answers["/loop"] = (302, {"Location": f"{cdn.base_url}/loop"}, b"")
    cdn.answers["/loop"] = (302, {"Location": f"{shop.base_url}/loop"}, b"")
    for number in range(20):
        here, there = (shop, cdn) if number % 2 else (cdn, shop)
        here.answers[f"/n{number}"] = (302, {"Location": f"{there.base_url}/n{number + 1}"}, b"")
    shop.answers["/inside"] = (302, {"Location": "/private"}, b"")
    shop.answers["/private"] = (302, {"Location": "http://169.254.169.254/latest"}, b"")
    shop.answers["/file"] = (302, {"Location": "file:///etc/passwd"}, b"")
    album.crawl = {"max_redirects": 4}
    urls = [f"{shop.base_url}/{name}" for name in ("loop", "inside", "file")]
    run = album.new_run(*urls, f"{cdn.base_url}/n0")
    assert album.fetch(run) == {"images.redirect_loop": 2, "images.refused_address": 2}
    hops = [path for path in shop.paths() + cdn.paths() if path.startswith("/n")]
    assert sorted(hops) == ["/n0", "/n1", "/n2", "/n3", "/n4"]
    asked = len(shop.asked) + len(cdn.asked)
    album.fetch(run)
    assert len(shop.asked) + len(cdn.asked) == asked


def test_a_picture_of_an_earlier_run_is_linked_and_not_asked_for_again(
    album: Album, shop: Shop, cdn: Shop
) -> None:
    for number in range(3):
        shop.answers[f"/{number}"] = (200, JPEG, jpeg(number))
    shop.answers["/moved"] = (302, {"Location": f"{cdn.base_url}/m"}, b"")
    cdn.answers["/m"] = (200, JPEG, jpeg(9))
    urls = [f"{shop.base_url}/{name}" for name in ("0", "1", "moved", "gone")]
    first = album.new_run(*urls)
    assert album.fetch(first) == {"images.http_404": 1, "images.ok": 3}
    shop.asked.clear()
    cdn.asked.clear()
    second = album.new_run(*urls, f"{shop.base_url}/2")
    assert album.fetch(second) == {"images.http_404": 1, "images.ok": 4}
    # What failed is asked for again, and what is new.
    assert (sorted(shop.paths()), cdn.paths()) == (["/2", "/gone", "/robots.txt"], [])
    shared = set(first.images.names())
    assert shared < set(second.images.names())
    for name in shared:
        assert first.images.path(name).samefile(second.images.path(name))
        assert first.images.seal(name) == second.images.seal(name)
    # The run needs no other one.
    shutil.rmtree(first.folder)
    assert picture(second, urls[0]) == jpeg(0)
    assert picture(second, urls[2]) == jpeg(9)
    shop.asked.clear()
    third = album.new_run(urls[1])
    assert album.fetch(third) == {"images.ok": 1}
    assert shop.asked == []
    assert sorted(third.images.names()) == sorted(shared & set(third.images.names()))


def test_parts_are_copied_where_they_cannot_be_linked(
    album: Album, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.answers["/1"] = (200, JPEG, jpeg(1))
    first = album.new_run(f"{shop.base_url}/1")
    album.fetch(first)

    def refuse(source: Path, target: Path) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    second = album.new_run(f"{shop.base_url}/1")
    assert album.fetch(second) == {"images.ok": 1}
    (name,) = first.images.names()
    assert second.images.path(name).read_bytes() == first.images.path(name).read_bytes()
    assert second.images.path(name).stat().st_ino != first.images.path(name).stat().st_ino
    assert shop.paths().count("/1") == 1


def test_a_damaged_part_of_an_earlier_run_is_not_taken_over(
    album: Album, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.answers["/1"] = (200, JPEG, jpeg(1))
    first = album.new_run(f"{shop.base_url}/1")
    album.fetch(first)
    (name,) = first.images.names()
    path = first.images.path(name)
    path.write_bytes(path.read_bytes()[:-1])
    second = album.new_run(f"{shop.base_url}/1")
    assert album.fetch(second) == {"images.ok": 1}
    assert str(path) in capsys.readouterr().err
    assert shop.paths().count("/1") == 2


def test_an_old_picture_is_asked_for_only_if_it_changed(album: Album, shop: Shop) -> None:
    conditional(shop, "/same", jpeg(1), '"one"')
    conditional(shop, "/other", jpeg(2), '"two"')
    urls = [f"{shop.base_url}/same", f"{shop.base_url}/other"]
    album.fetch(album.new_run(*urls))
    conditional(shop, "/other", jpeg(3), '"three"')
    shop.asked.clear()
    second = album.new_run(*urls, days=4000)
    assert album.fetch(second) == {"images.ok": 2}
    assert shop.heard["/same"]["If-None-Match"] == '"one"'
    assert shop.heard["/same"]["If-Modified-Since"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    assert outcomes(second)["/same"] == ["ok", "not_modified"]
    assert outcomes(second)["/other"] == ["ok", "ok"]
    assert (picture(second, urls[0]), picture(second, urls[1])) == (jpeg(1), jpeg(3))
    before = len(shop.asked)
    album.fetch(second)
    assert len(shop.asked) == before


def test_every_run_asks_where_nothing_is_good_unasked(album: Album, shop: Shop) -> None:
    conditional(shop, "/1", jpeg(1), '"one"')
    album.settings = {"refresh_after": 0.0}
    url = f"{shop.base_url}/1"
    for _ in range(3):
        run = album.new_run(url, days=4000)
        assert album.fetch(run) == {"images.ok": 1}
    assert shop.paths().count("/1") == 3
    assert outcomes(run)["/1"] == ["ok", "not_modified", "not_modified"]
    assert picture(run, url) == jpeg(1)


def test_a_picture_that_cannot_be_confirmed_goes_on_counting(album: Album, shop: Shop) -> None:
    shop.answers["/1"] = (200, JPEG, jpeg(1))
    album.settings = {"refresh_after": 0.0}
    url = f"{shop.base_url}/1"
    album.fetch(album.new_run(url, days=4000))
    shop.answers["/1"] = (404, {}, b"")
    run = album.new_run(url, days=4000)
    assert album.fetch(run) == {"images.ok": 1}
    assert outcomes(run)["/1"] == ["ok", "http_404"]
    assert picture(run, url) == jpeg(1)


def test_what_is_forbidden_now_is_not_used_although_it_was_had(album: Album, shop: Shop) -> None:
    for name in ("kept", "robots", "tag"):
        shop.answers[f"/{name}"] = (200, JPEG, jpeg(len(name)))
    urls = [f"{shop.base_url}/{name}" for name in ("kept", "robots", "tag")]
    album.fetch(album.new_run(*urls))
    shop.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /robots\n")
    second = album.new_run(*urls)
    known = [{"host": shop.host, "robots": "User-agent: *\nDisallow: /robots\n",
              "last_request": None}]  # fmt: skip
    write_json(second.frontiers / "s.hosts.json", known)  # as the crawl leaves it
    assert album.fetch(second) == {"images.ok": 2, "images.robots": 1}
    assert shop.paths().count("/robots") == 1
    assert places(second, urls[1])[0].sha256 is None  # type: ignore[union-attr]
    # Without a crawl the robots.txt is asked for where something else has to be; it holds as well.
    shop.answers["/tag"] = (200, {**JPEG, "X-Robots-Tag": "noai"}, jpeg(3))
    album.settings = {"refresh_after": 0.0}
    third = album.new_run(*urls, days=4000)
    assert album.fetch(third) == {"images.ok": 1, "images.opted_out": 1, "images.robots": 1}
    # It may be had again once it is allowed again, and is asked for then.
    shop.answers["/robots.txt"] = (200, {}, b"")
    shop.answers["/tag"] = (200, JPEG, jpeg(3))
    album.settings = {}
    fourth = album.new_run(*urls)
    assert album.fetch(fourth) == {"images.ok": 3}


def test_a_public_host_is_asked_only_by_somebody_who_can_be_reached(
    album: Album, shop: Shop
) -> None:
    shop.answers["/1"] = (302, {"Location": "http://pictures.invalid/1"}, b"")
    run = album.new_run(f"{shop.base_url}/1", "http://shop.invalid/2")
    assert album.fetch(run) == {"images.no_contact": 2}
    before = len(rows_of(run))
    assert album.fetch(run) == {"images.no_contact": 2}
    assert len(rows_of(run)) == before
    album.contact, album.settings = "me@example.org", {"max_attempts": 2}
    assert album.fetch(run) == {"images.robots_unreachable": 2}


def test_a_listing_can_name_anything(album: Album, shop: Shop) -> None:
    names = [
        "ftp://h/1",
        "http://[::1",
        "data:image/png;base64,xx",
        "http://h:99999/",
        "//h/x",
        "x",
    ]
    run = album.new_run(*names)
    assert album.fetch(run) == {"images.refused_address": len(names)}
    assert shop.asked == []


def test_a_robots_txt_that_asks_for_patience_is_waited_for(album: Album, shop: Shop) -> None:
    shop.answers["/robots.txt"] = lambda times: (
        (503, {"Retry-After": "1"}, b"") if not times else (200, {}, b"")
    )
    shop.answers["/a"] = (200, JPEG, jpeg(1))
    run = album.new_run(f"{shop.base_url}/a")
    assert album.fetch(run) == {"images.ok": 1}
    assert shop.paths() == ["/robots.txt", "/robots.txt", "/a"]
    (first, _), (second, _), _ = shop.asked
    assert second - first >= 0.99
