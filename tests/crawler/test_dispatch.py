"""The dispatcher: robots.txt first, nothing forbidden, nothing too soon; with simulated time."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from crawler.captures import CapturePlace
from crawler.dispatch import SAVE_SECONDS, Dispatcher, RobotsVisit
from crawler.export import KnownHost
from crawler.frontier import Frontier, Visit
from crawler.seeding import seed_frontier
from crawler.sites.pages import Link, PageReading
from crawler.sites.sitefile import Site, parse_site_file
from runtime.config import CrawlConfig, SiteConfig

HOST = "127.0.0.1:8000"
BASE = f"http://{HOST}"
PLACE = CapturePlace("shop-00000.warc.gz", 0, 10)
RULES = {"discovery": ["navigation", "sitemap"], "url": {"product": "/p/"}}


class Clock:
    """Seconds that pass when told to."""

    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Crawl:
    """A dispatcher over a real frontier, with a clock of its own."""

    def __init__(
        self, folder: Path, hosts: tuple[str, ...] = (), known: dict[str, KnownHost] | None = None,
        **settings: object,
    ) -> None:  # fmt: skip
        config = SiteConfig(
            key="shop", program="x", base_url=BASE, hosts=list(hosts), allow_private=[HOST, *hosts]
        )
        self.known = known
        self.site = Site(config, parse_site_file(RULES, "x"))
        self.folder = folder
        self.settings = CrawlConfig.model_validate(
            {"delay": 1.0, "concurrency_per_host": 2, "max_attempts": 3} | settings
        )
        self.clock = Clock()
        self.open()

    def open(self) -> None:
        captures = self.folder / "captures"
        captures.mkdir(exist_ok=True)
        (captures / PLACE.file).write_bytes(b"x" * 10)
        self.frontier = Frontier(self.folder / "shop.sqlite", captures, "shop")
        seed_frontier(self.frontier, self.site, self.folder)
        self.dispatcher = Dispatcher(
            self.site, self.frontier, self.settings, self.clock, self.known
        )

    def reopen(self) -> None:
        self.frontier.close()
        self.open()

    def seed(self, *paths: str) -> None:
        self.frontier.seed((BASE + path, "category", HOST) for path in paths)

    def next(self) -> Visit | RobotsVisit | None:
        """The next visit, waiting as the scheduler does; None when only an answer can help."""
        while (visit := self.dispatcher.next()) is None:
            due = self.dispatcher.wake_at()
            if due is None:
                return None
            assert due > self.clock.now, "it must not be asked again and again for nothing"
            self.clock.now = due
        return visit

    def page(self) -> Visit:
        visit = self.next()
        assert isinstance(visit, Visit)
        return visit

    def answer_robots(
        self, status: int, text: str = "", location: str | None = None, wait: float | None = None
    ) -> None:
        visit = self.next()
        assert isinstance(visit, RobotsVisit)
        assert self.dispatcher.next() is None, "robots.txt comes before everything else"
        self.dispatcher.robots_answer(visit, status, text.encode(), location, PLACE, wait)
        self.dispatcher.ended(visit)

    def commit(self, visit: Visit, *links: Link) -> None:
        self.frontier.commit_page(visit, "ok", 200, "2026-01-01", PLACE, PageReading(links=links))
        self.dispatcher.ended(visit)

    def outcomes(self) -> dict[str, str]:
        rows = self.frontier.rows("SELECT url, outcome FROM queue ORDER BY id")
        return {row["url"].removeprefix(BASE): row["outcome"] for row in rows}


@pytest.fixture
def crawl(tmp_path: Path) -> Iterator[Crawl]:
    crawl = Crawl(tmp_path)
    yield crawl
    crawl.frontier.close()


def test_robots_txt_is_asked_first_and_what_it_disallows_never(crawl: Crawl) -> None:
    crawl.seed("/secret/a", "/open")
    crawl.answer_robots(200, "User-agent: *\nDisallow: /secret/\nSitemap: /s.xml\n")
    seen = []
    while (visit := crawl.next()) is not None:
        assert isinstance(visit, Visit)
        seen.append(visit.url)
        crawl.commit(visit)
    assert seen == [f"{BASE}/", f"{BASE}/open"]
    assert crawl.outcomes() == {"/": "ok", "/secret/a": "robots", "/open": "ok"}
    attempts = {row["url"]: row["attempts"] for row in crawl.frontier.rows("SELECT * FROM queue")}
    assert attempts[f"{BASE}/secret/a"] == 0
    assert not crawl.dispatcher.has_pending()


def test_sitemaps_that_robots_txt_names_are_queued_when_they_are_the_shops(crawl: Crawl) -> None:
    crawl.answer_robots(
        200, f"Sitemap: {BASE}/s1.xml\nSitemap: http://other.example/s.xml\nSitemap: file:///x\n"
    )
    crawl.commit(crawl.page())
    assert crawl.page().url == f"{BASE}/s1.xml"


def test_without_a_named_sitemap_the_usual_place_is_tried(crawl: Crawl) -> None:
    crawl.answer_robots(404)
    crawl.commit(crawl.page())
    assert crawl.page().url == f"{BASE}/sitemap.xml"


def test_requests_are_spaced_and_bounded_in_flight(crawl: Crawl) -> None:
    crawl.seed(*(f"/{n}" for n in range(6)))
    crawl.answer_robots(404)
    starts: list[float] = []
    flying: list[Visit] = []
    while (visit := crawl.next()) is not None or flying:
        if visit is None:
            crawl.clock.now += 0.25
            crawl.commit(flying.pop(0))
            continue
        assert isinstance(visit, Visit)
        starts.append(crawl.clock.now)
        flying.append(visit)
        assert len(flying) <= 2
    assert len(starts) == 8
    assert all(later - sooner >= 1.0 for sooner, later in pairwise(starts))


def test_while_only_answers_can_help_nothing_is_due(crawl: Crawl) -> None:
    """One page in flight and a free slot: the scheduler must sleep, not ask a thousand times."""
    crawl.answer_robots(200, f"Sitemap: {BASE}/x")
    crawl.commit(crawl.page())
    visit = crawl.page()
    assert crawl.dispatcher.next() is None
    assert crawl.dispatcher.wake_at() is None
    assert crawl.dispatcher.has_pending()
    crawl.commit(visit)
    assert not crawl.dispatcher.has_pending()


def test_a_crawl_delay_is_kept_up_to_the_longest_allowed(tmp_path: Path) -> None:
    for asked, kept in ((7, 7.0), (10_000, 60.0), (0, 1.0)):
        folder = tmp_path / str(asked)
        folder.mkdir()
        crawl = Crawl(folder)
        crawl.answer_robots(200, f"User-agent: *\nCrawl-delay: {asked}\n")
        first = crawl.page()
        started = crawl.clock.now
        crawl.commit(first, Link("category", f"{BASE}/2"))
        crawl.page()
        assert crawl.clock.now - started == kept
        crawl.frontier.close()


def test_a_pause_holds_the_whole_host_and_is_bounded(crawl: Crawl) -> None:
    crawl.seed("/a", "/b")
    crawl.answer_robots(404)
    visit = crawl.page()
    started = crawl.clock.now
    crawl.dispatcher.pause(HOST, 100.0)
    crawl.dispatcher.retry(visit, "http_429", "answered 429", 100.0)
    crawl.dispatcher.ended(visit)
    again = crawl.page()
    assert crawl.clock.now - started == 100.0
    crawl.dispatcher.pause(HOST, float("inf"))
    crawl.commit(again)
    crawl.page()
    assert crawl.clock.now - started <= 100.0 + crawl.settings.max_retry_after


def test_a_page_is_tried_so_often_and_then_closed_by_name(crawl: Crawl) -> None:
    crawl.answer_robots(200, f"Sitemap: {BASE}/x")
    moments = []
    while (visit := crawl.next()) is not None:
        assert isinstance(visit, Visit)
        if visit.url == f"{BASE}/x":
            crawl.commit(visit)
            continue
        moments.append(crawl.clock.now)
        crawl.dispatcher.retry(visit, "timeout", "no answer")
        crawl.dispatcher.ended(visit)
    assert len(moments) == 3
    assert crawl.outcomes()["/"] == "timeout"


def test_robots_txt_that_cannot_be_had_closes_the_host(crawl: Crawl) -> None:
    crawl.seed("/a")
    for _ in range(crawl.settings.max_attempts - 1):
        crawl.answer_robots(503)
    visit = crawl.next()
    assert isinstance(visit, RobotsVisit)
    assert visit.attempt == crawl.settings.max_attempts
    crawl.dispatcher.robots_failed(visit, "connection_refused")
    crawl.dispatcher.ended(visit)
    assert set(crawl.outcomes().values()) == {"robots_unreachable"}
    assert not crawl.dispatcher.has_pending()
    crawl.seed("/found-later")
    assert crawl.next() is None
    assert crawl.outcomes()["/found-later"] == "robots"


def test_robots_txt_redirects_are_followed_but_not_for_ever(crawl: Crawl) -> None:
    for number in range(5):
        crawl.answer_robots(301, location=f"/r{number}")
    crawl.answer_robots(301, location="/r5")
    assert crawl.page().url.startswith(BASE)


def test_a_robots_txt_that_redirects_into_the_network_allows_like_a_missing_one(
    crawl: Crawl,
) -> None:
    crawl.answer_robots(302, location="http://169.254.169.254/robots.txt")
    assert isinstance(crawl.next(), Visit)


def test_a_resumed_crawl_keeps_robots_txt_and_the_last_request(crawl: Crawl) -> None:
    crawl.seed("/secret/a")
    crawl.answer_robots(200, "User-agent: *\nDisallow: /secret/\nCrawl-delay: 30\nSitemap: /x\n")
    visit = crawl.page()
    started = crawl.clock.now
    crawl.dispatcher.retry(visit, "timeout", "no answer", 0.0)
    crawl.dispatcher.ended(visit)
    crawl.reopen()
    again = crawl.page()
    assert (again.url, again.attempt) == (visit.url, 2)
    assert crawl.clock.now - started == 30.0
    crawl.commit(again)
    assert crawl.next() is None
    assert crawl.outcomes()["/secret/a"] == "robots"


def test_an_old_robots_txt_is_asked_for_again(crawl: Crawl) -> None:
    crawl.answer_robots(404)
    crawl.reopen()
    assert isinstance(crawl.next(), Visit)
    crawl.clock.now += 25 * 3600
    crawl.reopen()
    assert isinstance(crawl.next(), RobotsVisit)


def test_what_was_in_flight_at_a_kill_is_asked_again(crawl: Crawl) -> None:
    crawl.answer_robots(404)
    visit = crawl.page()
    crawl.reopen()
    assert crawl.page() == visit


def test_private_addresses_are_closed_without_a_request(crawl: Crawl) -> None:
    crawl.frontier.seed([("http://10.0.0.1/", "category", "10.0.0.1")])
    crawl.answer_robots(404)
    assert crawl.page().url == f"{BASE}/"
    assert crawl.outcomes()["http://10.0.0.1/"] == "refused_address"


def test_robots_txt_is_not_asked_for_when_it_is_switched_off(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path, robots_txt=False)
    assert crawl.page().url == f"{BASE}/"
    crawl.frontier.close()


def test_robots_txt_is_read_again_after_a_day_within_one_crawl(crawl: Crawl) -> None:
    crawl.seed("/a", "/secret/b")
    crawl.answer_robots(404)
    crawl.commit(crawl.page())
    crawl.clock.now += 25 * 3600
    crawl.answer_robots(200, "User-agent: *\nDisallow: /secret/\n")
    while (visit := crawl.next()) is not None:
        assert isinstance(visit, Visit)
        crawl.commit(visit)
    assert crawl.outcomes()["/a"] == "ok"
    assert crawl.outcomes()["/secret/b"] == "robots"


def test_an_old_copy_holds_while_no_new_one_can_be_had(crawl: Crawl) -> None:
    crawl.seed("/a", "/secret/b", "/c")
    crawl.answer_robots(200, "User-agent: *\nDisallow: /secret/\nSitemap: http://x.example/\n")
    crawl.commit(crawl.page())
    crawl.clock.now += 25 * 3600
    for _ in range(crawl.settings.max_attempts):
        crawl.answer_robots(500)
    crawl.commit(crawl.page())
    crawl.commit(crawl.page())
    assert crawl.next() is None
    assert crawl.outcomes() == {"/": "ok", "/a": "ok", "/secret/b": "robots", "/c": "ok"}


def test_a_robots_txt_may_say_when_to_come_back(crawl: Crawl) -> None:
    for wait, kept in ((90.0, 90.0), (1e9, crawl.settings.max_retry_after)):
        started = crawl.clock.now
        crawl.answer_robots(503, wait=wait)
        visit = crawl.next()
        assert isinstance(visit, RobotsVisit)
        assert crawl.clock.now - started == pytest.approx(kept, abs=1.0)
        crawl.dispatcher.ended(visit)


def test_what_another_sites_crawl_read_of_a_host_is_not_asked_for_again(tmp_path: Path) -> None:
    text = f"User-agent: *\nDisallow: /secret/\nCrawl-delay: 9\nSitemap: {BASE}/s.xml\n"
    crawl = Crawl(tmp_path, known={HOST: KnownHost(text, 995.0)})
    crawl.seed("/secret/a")
    urls = []
    while (visit := crawl.next()) is not None:
        assert isinstance(visit, Visit)
        if not urls:
            assert crawl.clock.now == 995.0 + 9.0
        urls.append(visit.url)
        crawl.commit(visit)
    assert urls == [f"{BASE}/", f"{BASE}/s.xml"]
    assert crawl.outcomes()["/secret/a"] == "robots"
    crawl.frontier.close()


def test_what_another_crawl_read_days_ago_is_asked_for_again(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path, known={HOST: KnownHost("", 1_000.0 - 25 * 3600)})
    assert isinstance(crawl.next(), RobotsVisit)
    crawl.frontier.close()


@pytest.mark.parametrize("first", [0, 1])
def test_sitemaps_have_one_order_whichever_host_answers_first(tmp_path: Path, first: int) -> None:
    other = "127.0.0.1:9000"
    crawl = Crawl(tmp_path, hosts=(other,))
    visits = [crawl.dispatcher.next(), crawl.dispatcher.next()]
    assert [type(visit) for visit in visits] == [RobotsVisit, RobotsVisit]
    assert crawl.dispatcher.next() is None, "no page before every robots.txt is known"
    for visit in (visits[first], visits[1 - first]):
        assert isinstance(visit, RobotsVisit)
        assert crawl.dispatcher.has_pending()
        body = f"Sitemap: http://{visit.host}/s.xml\n".encode()
        crawl.dispatcher.robots_answer(visit, 200, body, None, PLACE)
        crawl.dispatcher.ended(visit)
    queued = [row["url"] for row in crawl.frontier.rows("SELECT url FROM queue ORDER BY position")]
    assert queued == [f"{BASE}/", f"http://{HOST}/s.xml", f"http://{other}/s.xml"]
    crawl.frontier.close()


def test_sitemaps_are_found_at_the_usual_place_without_robots_txt(tmp_path: Path) -> None:
    crawl = Crawl(tmp_path, robots_txt=False)
    crawl.commit(crawl.page())
    assert crawl.page().url == f"{BASE}/sitemap.xml"
    crawl.frontier.close()


def test_a_host_whose_robots_txt_cannot_be_had_holds_up_no_other(tmp_path: Path) -> None:
    other = "127.0.0.1:9000"
    crawl = Crawl(tmp_path, hosts=(other,), max_attempts=1)
    crawl.frontier.seed([(f"http://{other}/x", "category", other)])
    for _ in range(2):
        visit = crawl.next()
        assert isinstance(visit, RobotsVisit)
        crawl.dispatcher.robots_answer(visit, 503 if visit.host == other else 404, b"", None, PLACE)
        crawl.dispatcher.ended(visit)
    assert crawl.outcomes()[f"http://{other}/x"] == "robots_unreachable"
    assert crawl.page().url == f"{BASE}/"
    crawl.frontier.close()


def test_a_robots_txt_on_another_host_of_the_shop_keeps_that_hosts_pace(tmp_path: Path) -> None:
    other = "127.0.0.1:9000"
    crawl = Crawl(tmp_path, hosts=(other,), delay=5.0)
    here, there = crawl.dispatcher.next(), crawl.dispatcher.next()
    assert isinstance(here, RobotsVisit) and isinstance(there, RobotsVisit)
    assert (here.host, there.host) == (HOST, other)
    crawl.dispatcher.robots_answer(there, 404, b"", None, PLACE)
    crawl.dispatcher.ended(there)
    asked_there = crawl.clock.now
    crawl.clock.now += 1.0
    target = f"http://{other}/robots.txt"
    crawl.dispatcher.robots_answer(here, 301, b"", target, PLACE)
    crawl.dispatcher.ended(here)
    again = crawl.next()
    assert isinstance(again, RobotsVisit)
    assert (again.url, again.host) == (target, HOST)
    assert crawl.clock.now - asked_there >= 5.0
    body = b"User-agent: *\nDisallow: /\n"
    crawl.dispatcher.robots_answer(again, 200, body, None, PLACE)
    asked_again = crawl.clock.now
    crawl.dispatcher.ended(again)
    assert crawl.page().url == f"http://{other}/sitemap.xml"
    assert crawl.clock.now - asked_again >= 5.0
    assert crawl.next() is None
    assert crawl.outcomes()["/"] == "robots", "the other host's answer rules the first host"
    crawl.frontier.close()


def test_the_last_request_is_stored_seldom_and_at_the_end(crawl: Crawl) -> None:
    saved: list[float] = []
    store = crawl.frontier.save_last_request
    crawl.frontier.save_last_request = (  # type: ignore[method-assign]
        lambda host, at: (saved.append(crawl.clock.now), store(host, at))[1]  # type: ignore[func-returns-value]
    )
    crawl.seed(*(f"/{n}" for n in range(20)))
    crawl.answer_robots(404)
    last = 0.0
    while (visit := crawl.next()) is not None:
        assert isinstance(visit, Visit)
        last = crawl.clock.now
        crawl.commit(visit)
    assert all(b - a >= SAVE_SECONDS for a, b in pairwise(saved[:-1]))
    assert len(saved) <= 22 / SAVE_SECONDS + 2
    stored = crawl.frontier.host(HOST)
    assert stored is not None and stored.last_request == last


def test_a_killed_crawl_keeps_its_distance_from_what_it_may_have_asked_last(crawl: Crawl) -> None:
    crawl.answer_robots(404)
    crawl.commit(crawl.page())
    crawl.page()
    crawl.clock.now += 0.5
    crawl.reopen()
    started = crawl.clock.now
    crawl.page()
    assert crawl.clock.now - started == crawl.settings.delay


@pytest.mark.parametrize("wait", [None, 0.0])
def test_no_page_is_tried_again_at_once(tmp_path: Path, wait: float | None) -> None:
    crawl = Crawl(tmp_path, delay=0.0)
    crawl.answer_robots(200, "Sitemap: http://x.example/\n")
    moments = []
    while (visit := crawl.next()) is not None:
        assert isinstance(visit, Visit)
        moments.append(crawl.clock.now)
        crawl.dispatcher.retry(visit, "http_503", "answered 503", wait)
        crawl.dispatcher.ended(visit)
    assert [later - sooner for sooner, later in pairwise(moments)] == [0.5, 1.0]
    crawl.frontier.close()
