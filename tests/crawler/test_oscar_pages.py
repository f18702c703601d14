"""The pages of a shop that no one here wrote, read with the shipped site file."""

from __future__ import annotations

from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from crawler.sites.pages import PageInput, PageReading, read_page
from crawler.sites.sitefile import Site, load_site
from runtime.config import SiteConfig

WARC = Path(__file__).resolve().parents[3] / "shared" / "data" / "oscar-sandbox.warc.gz"
HOST = "http://127.0.0.1:8765"
CATALOGUE = f"{HOST}/en-gb/catalogue"
pytestmark = pytest.mark.skipif(not WARC.is_file(), reason=f"needs {WARC.name} in ../shared/data")


@pytest.fixture(scope="module")
def site() -> Site:
    config = SiteConfig(key="oscar", program="django-oscar", base_url=HOST)
    return load_site(config, Path())


@pytest.fixture(scope="module")
def pages() -> dict[str, PageInput]:
    """Every recorded page of the catalogue."""
    found = {}
    with WARC.open("rb") as stream:
        for record in ArchiveIterator(stream):
            url = record.rec_headers.get_header("WARC-Target-URI") or ""
            if record.rec_type == "response" and url.startswith(CATALOGUE):
                headers = tuple(record.http_headers.headers)
                status = int(record.http_headers.get_statuscode())
                body = record.content_stream().read()
                found[url] = PageInput(url, "category", status, headers, body)
    return found


@pytest.fixture(scope="module")
def readings(site: Site, pages: dict[str, PageInput]) -> dict[str, PageReading]:
    return {url: read_page(page, site) for url, page in pages.items() if page.status == 200}


def test_every_product_page_has_a_title_and_a_breadcrumb_without_it(
    site: Site, readings: dict[str, PageReading]
) -> None:
    """One book is named as its category is: "Hacking" is the trail's end and the title."""
    products = {url: r for url, r in readings.items() if site.is_product(url)}
    links = readings[f"{CATALOGUE}/"].links
    categories = {link.anchor_text for link in links if link.kind == "category"} | {"Home"}
    assert len(products) == 200
    pictures = 0
    for url, reading in products.items():
        (sighting,) = reading.sightings
        assert sighting.product_url == url
        assert sighting.record_id == f"oscar:{url.rpartition('_')[2].strip('/')}"
        assert sighting.title
        assert sighting.category_path
        assert sighting.category_path[0] == "Home"
        assert categories.issuperset(sighting.category_path)
        pictures += sighting.image_url is not None
    assert pictures > 150


def test_products_read_off_by_hand(readings: dict[str, PageReading]) -> None:
    """Title, trail and picture as a reader of the page sees them."""
    (snow,) = readings[f"{CATALOGUE}/snow-crash_12/"].sightings
    assert snow.title == "Snow Crash"
    assert snow.category_path == ("Home", "Books", "Fiction", "Computers in Literature")
    assert snow.image_url is not None
    assert snow.image_url.startswith(f"{HOST}/media/cache/")
    assert snow.extracted_by == dict.fromkeys(("title", "image", "category_path"), "selectors")


def test_the_catalogue_is_a_chain_of_grids_that_shows_every_product_once(
    site: Site, readings: dict[str, PageReading]
) -> None:
    url: str | None = f"{CATALOGUE}/"
    seen: list[str] = []
    pages = 0
    while url is not None:
        reading = readings[url]
        pages += 1
        assert 1 <= len(reading.sightings) <= 20
        seen += [sighting.record_id for sighting in reading.sightings]
        following = [link.target_url for link in reading.links if link.kind == "next"]
        assert len(following) <= 1
        url = following[0] if following else None
    assert pages == 11
    assert len(seen) == len(set(seen)) == 201


def test_tiles_say_what_the_products_own_pages_say(
    site: Site, readings: dict[str, PageReading]
) -> None:
    tiles = {s.product_url: s for s in readings[f"{CATALOGUE}/"].sightings}
    compared = 0
    for url, tile in tiles.items():
        if url in readings:
            (own,) = readings[url].sightings
            assert (tile.record_id, tile.title) == (own.record_id, own.title)
            compared += 1
    assert compared >= 15


def test_categories_are_found_in_the_navigation(readings: dict[str, PageReading]) -> None:
    links = readings[f"{CATALOGUE}/"].links
    categories = {link.target_url: link.anchor_text for link in links if link.kind == "category"}
    assert categories[f"{CATALOGUE}/category/books_2/"] == "Books"
    assert categories[f"{CATALOGUE}/category/clothing_1/"] == "Clothing"


def test_every_page_is_read_twice_alike(
    site: Site, pages: dict[str, PageInput], readings: dict[str, PageReading]
) -> None:
    for url in sorted(readings)[::4]:
        assert read_page(pages[url], site) == readings[url]
