"""No page can stop a crawl: an extractor that hangs loses its own fields, a page its reading."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator

import pytest

import crawler.sites.extractors as extractors
from crawler.sites import structured
from crawler.sites.document import Document, Fields
from crawler.sites.pages import UnreadablePage, read_page
from crawler.sites.rules import SiteFile
from crawler.sites.timelimit import ReadingTime, TimeLimitReached
from tests.crawler.shop_pages import SHOPIFY, jsonld, page, reading, sighting, site


def hang(page: Document, rules: SiteFile) -> Fields:
    """A loop that swallows every ordinary exception, as libraries do."""
    while True:
        try:
            sum(range(1000))
        except Exception:
            continue


@pytest.fixture
def _hanging_jsonld(monkeypatch: pytest.MonkeyPatch) -> None:
    """A JSON-LD extractor that never returns, and a limit that a test can wait for."""
    monkeypatch.setattr(
        extractors, "EXTRACTORS",
        {**extractors.EXTRACTORS, "jsonld": extractors.Extractor("jsonld", hang)},
    )  # fmt: skip
    monkeypatch.setattr(ReadingTime.__init__, "__defaults__", (0.1, 0.5))


@pytest.mark.usefixtures("_hanging_jsonld")
def test_an_extractor_that_hangs_loses_only_its_own_fields() -> None:
    found = reading(SHOPIFY, "/products/linen-shirt")
    (shown,) = found.sightings
    assert shown.title == "Linen Shirt"
    assert shown.extracted_by == {"title": "opengraph", "image": "opengraph"}
    assert found.notes == ("jsonld: ended, it took too much processor time",)


@pytest.fixture
def _hanging_links(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(ReadingTime.__init__, "__defaults__", (0.1, 0.2))
    monkeypatch.setattr("crawler.sites.pages.ShopPage.links", hang_links)
    yield


def hang_links(self: object) -> None:
    while True:
        time.process_time()


@pytest.mark.usefixtures("_hanging_links")
def test_a_page_that_takes_too_long_as_a_whole_is_unreadable() -> None:
    with pytest.raises(UnreadablePage, match="too much processor time"):
        reading(SHOPIFY)


@pytest.mark.usefixtures("_hanging_jsonld")
def test_the_timer_is_given_back_and_rings_no_more() -> None:
    before = signal.getsignal(signal.SIGPROF)
    reading(SHOPIFY)
    assert signal.getsignal(signal.SIGPROF) is before
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)


def test_steps_nest_and_the_page_has_the_last_word() -> None:
    limit = ReadingTime(step=30.0, page=0.05)
    with pytest.raises(TimeLimitReached), limit.watching(), limit.step(), limit.step():
        while True:
            time.process_time()


def test_a_thread_reads_the_same_without_a_limit() -> None:
    found = []
    thread = threading.Thread(target=lambda: found.append(read_page(page(SHOPIFY), site())))
    thread.start()
    thread.join()
    assert found == [reading(SHOPIFY)]


def test_microdata_of_thousands_of_elements_is_given_up_at_once_and_always_alike() -> None:
    many = "<div itemscope itemtype='https://schema.org/Product'></div>" * (
        structured.MAX_MICRODATA_ELEMENTS + 1
    )
    started = time.process_time()
    found = reading(many + "<h1>T</h1>" + jsonld({"@type": "Product", "name": "A"}))
    (shown,) = found.sightings
    assert shown.title == "A"
    assert found.notes == (
        "microdata: gave up, ExtractorGaveUp: 5001 elements, at most 5000",
    )  # fmt: skip
    assert time.process_time() - started < 2.0


@pytest.mark.parametrize("count", [200, 2_000])
def test_microdata_within_the_bound_stays_within_the_time(count: int) -> None:
    nested = "<div itemscope itemtype='https://schema.org/Product'><p itemprop=name>N"
    flat = f"{nested}</p></div>" * (count // 2)
    assert sighting(flat).title == "N"
    started = time.process_time()
    deep = reading(nested * (count // 2) + "<h1>T</h1>")
    assert not any("time" in note for note in deep.notes)
    assert time.process_time() - started < 2.0


def test_normal_pages_never_meet_the_limit() -> None:
    """The limit is a thousand times what a large page takes."""
    large = SHOPIFY.replace("</main>", "<p>words and more words</p>" * 3_000 + "</main>")
    started = time.process_time()
    assert reading(large, "/products/linen-shirt").notes == ()
    assert time.process_time() - started < 0.5
