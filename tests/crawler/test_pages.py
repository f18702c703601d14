"""Pages are read purely, whatever their shape; broken ones are named, never fatal."""

from __future__ import annotations

import random
import tomllib
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from crawler.sites.pages import PageInput, PageReading, UnreadablePage, read_page
from crawler.sites.sitefile import Site, load_site, parse_site_file
from runtime.config import SiteConfig
from runtime.errors import ConfigError
from tests.crawler.shop import SITE_FILE

WARC = Path(__file__).resolve().parents[3] / "shared" / "data" / "oscar-sandbox.warc.gz"


def site(text: str = SITE_FILE, **changes: object) -> Site:
    values = tomllib.loads(text) | changes
    config = SiteConfig(key="shop", program="own.toml", base_url="http://shop.example")
    return Site(config, parse_site_file(values, "own.toml"))


def read(body: str, path: str = "/p/7.html", at: Site | None = None, **headers: str) -> PageReading:
    named = {"Content-Type": "text/html; charset=utf-8"} | {
        name.replace("_", "-"): value for name, value in headers.items()
    }
    page = PageInput(
        f"http://shop.example{path}", "product", 200, tuple(named.items()), body.encode()
    )
    return read_page(page, at or site())


def jsonld(text: str) -> str:
    return f'<html><script type="application/ld+json">{text}</script><h1>Fallback</h1></html>'


@pytest.mark.parametrize(
    ("text", "title", "image"),
    [
        ('{"@type":"Product","name":"A &amp; B","image":"/a.jpg"}', "A & B", "/a.jpg"),
        ('{"@graph":[{"@type":["Thing","Product"],"name":"A","image":["/a","/b"]}]}', "A", "/a"),
        ('{"@type":"https://schema.org/Product","name":"A","image":{"url":"/a"}}', "A", "/a"),
        ('[{},{"@type":"Product","name":"A","image":[{"contentUrl":"/a"}]}]', "A", "/a"),
        ('{"@type":"Product","name":', "Fallback", None),
        ('{"@type":"Product","name":7,"image":7}', "Fallback", None),
        ("null", "Fallback", None),
    ],
)  # fmt: skip
def test_json_ld_in_its_many_shapes(text: str, title: str, image: str | None) -> None:
    (sighting,) = read(jsonld(text)).sightings
    assert sighting.title == title
    assert sighting.image_url == (image and f"http://shop.example{image}")
    assert sighting.extracted_by["title"] == ("selectors" if title == "Fallback" else "jsonld")


def test_breadcrumbs_come_in_order_and_without_the_product() -> None:
    crumbs = (
        '{"@type":"BreadcrumbList","itemListElement":[{"position":2,"item":{"name":"B"}},'
        '{"position":1,"name":"A"},{"position":3,"name":"Fallback"}]}'
    )
    (sighting,) = read(jsonld(crumbs)).sightings
    assert sighting.category_path == ("A", "B")


def test_a_grid_with_lazy_protocol_relative_thumbnails_in_gbk() -> None:
    text = SITE_FILE.replace('["img::attr(src)"]', '["img::attr(data-lazy)", "img::attr(src)"]')
    rule = {"image_rewrite": [{"pattern": "/n7/", "replace": "/n0/"}]}
    body = (
        '<ul><li class="t"><a href="p/7.html?utm_source=x#top">淡水<b>珍珠</b></a>'
        '<img src="data:image/gif;base64,R0" data-lazy="//img.example/n7/7.jpg"></li>'
        '<li class="t"><a href="//other.example/p/8.html">off site</a></li>'
        '<li class="t"><a href="/about">no product</a></li></ul>'
        '<a class="next" href="?page=2">n</a>'
    )
    headers = (("Content-Type", "text/html; charset=gbk"),)
    page = PageInput("http://shop.example/", "start", 200, headers, body.encode("gbk"))
    reading = read_page(page, site(text, **rule))
    (sighting,) = reading.sightings
    assert sighting.record_id == "shop:7"
    assert sighting.title == "淡水珍珠"
    assert sighting.product_url == "http://shop.example/p/7.html"
    assert sighting.image_url == "http://img.example/n0/7.jpg"
    kinds = {(link.kind, link.target_url) for link in reading.links}
    assert kinds == {
        ("product", "http://shop.example/p/7.html"), ("next", "http://shop.example/?page=2"),
    }  # fmt: skip
    assert read_page(page, site(text, **rule)) == reading


def test_a_base_element_and_foreign_schemes() -> None:
    body = '<base href="http://shop.example/deep/"><h1>T</h1><img class="main" src="x.jpg">'
    assert read(body).sightings[0].image_url == "http://shop.example/deep/x.jpg"
    body = '<h1>T</h1><img class="main" src="javascript:alert(1)">'
    assert read(body).sightings[0].image_url is None


def test_opt_outs_in_headers_and_metas() -> None:
    assert read("<h1>T</h1>", X_Robots_Tag="noai").opt_out == "X-Robots-Tag: noai"
    body = '<meta name="ROBOTS" content="noimageai"><h1>T</h1>'
    assert read(body).opt_out == "meta robots: noimageai"
    assert read("<h1>T</h1>").opt_out is None


def test_redirects_stay_in_the_shop() -> None:
    def target(location: str) -> list[str]:
        page = PageInput("http://shop.example/a", "category", 302, (("Location", location),))
        return [link.target_url for link in read_page(page, site()).links]

    assert target("/b?b=2&a=1") == ["http://shop.example/b?a=1&b=2"]
    assert target("http://169.254.169.254/latest") == []
    assert target("file:///etc/passwd") == []


def test_urls_have_one_spelling() -> None:
    canonical = site().canonical
    assert canonical("http://shop.example/a?b=2&a=1&PHPSESSID=9&utm_medium=m#x") == (
        "http://shop.example/a?a=1&b=2"
    )
    assert canonical("http://shop.example/a?q=%E4%B8%AD") == canonical("http://shop.example/a?q=中")


def survived(mutations: int, seed: int) -> int:
    """How many mutated pages still gave a sighting; anything but UnreadablePage fails."""
    rng = random.Random(seed)
    whole = jsonld('{"@type":"Product","name":"A","image":"/a"}') + "<ul class=crumbs><li>A</ul>"
    bodies = ["<div>" * 10_000, jsonld("[" * 5_000), "", "\x00" * 100, "<h1>" + "a" * 1_000_000]
    for _ in range(mutations):
        cut = list(whole)
        for _ in range(rng.randrange(1, 12)):
            place = rng.randrange(len(cut))
            cut[place : place + rng.randrange(3)] = rng.choice(["<", "\x00", "\ud7ff", '"', "{"])
        bodies.append("".join(cut)[: rng.randrange(1, len(whole) * 2)])
    read_well = 0
    for body in bodies:
        try:
            read_well += bool(read(body).sightings)
        except UnreadablePage:
            continue
    return read_well


def test_deep_nesting_and_random_damage_are_survived() -> None:
    assert survived(300, seed=7) > 100


@pytest.mark.soak
def test_ten_thousand_damaged_pages_are_survived(soak_seed: int) -> None:
    assert survived(10_000, soak_seed) > 3_000


def test_every_shipped_site_file_loads_and_faults_are_named(tmp_path: Path) -> None:
    for program in ("demo-shop-a", "demo-shop-b", "django-oscar"):
        config = SiteConfig(key="x", program=program, base_url="http://shop.example")
        assert load_site(config, tmp_path).file.url.product
    own = SiteConfig(key="x", program="own.toml", base_url="http://shop.example")
    for text, words in (
        ("[url]\nproduct = '('", "regular expression"),
        ("[url]\nproduct = 'p'\n[list]\na=1", "list"),
        ("", "url"),
        ("x =", "TOML"),
    ):
        (tmp_path / "own.toml").write_text(text)
        with pytest.raises(ConfigError, match=words) as caught:
            load_site(own, tmp_path)
        assert "own.toml" in str(caught.value)


@pytest.mark.skipif(not WARC.is_file(), reason=f"needs {WARC.name} in ../shared/data")
def test_real_pages_of_django_oscar() -> None:
    config = SiteConfig(key="oscar", program="django-oscar", base_url="http://127.0.0.1:8765")
    oscar = load_site(config, Path())
    base = "http://127.0.0.1:8765/en-gb/catalogue/"
    readings = {}
    with WARC.open("rb") as stream:
        for record in ArchiveIterator(stream):
            url = record.rec_headers.get_header("WARC-Target-URI") or ""
            if record.rec_type == "response" and url in (
                f"{base}daemon_18/", f"{base}category/books_2/", f"{base}category/books_2/?page=10"
            ):  # fmt: skip
                headers = tuple(record.http_headers.headers)
                body = record.content_stream().read()
                readings[url] = read_page(PageInput(url, "category", 200, headers, body), oscar)
    (daemon,) = readings[f"{base}daemon_18/"].sightings
    assert daemon.record_id == "oscar:18"
    assert daemon.title == "Daemon"
    assert daemon.category_path == ("Home", "Books", "Fiction", "Computers in Literature")
    assert daemon.image_url == (
        "http://127.0.0.1:8765/media/cache/ec/c4/ecc443590865cf0f3c7046a56f990454.jpg"
    )
    first = readings[f"{base}category/books_2/"]
    assert len(first.sightings) == 20
    assert first.sightings[0].title == "Snow Crash"
    assert [link.target_url for link in first.links if link.kind == "next"] == [
        f"{base}category/books_2/?page=2"
    ]
    last = readings[f"{base}category/books_2/?page=10"]
    assert not [link for link in last.links if link.kind == "next"]
