"""Politeness of a whole run, read off the servers' logs: crawl and fetch together hurt nobody."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations, pairwise
from pathlib import Path
from statistics import median

import pytest
from PIL import Image

from crawler.crawl import crawl
from crawler.images import fetch
from crawler.merge import merge
from crawler.sources import load_sites
from runtime.executor import WorkerPool
from tests.crawler.shop import HTML, SITE_FILE, Answer, Shop, running_shop, tile
from tests.crawler.test_live import make_context
from tests.integration.commands import mep3m

CRAWL_DELAY = 0.3
RETRY_AFTER = 1
# A busy machine logs an arrival late, which makes the time to the next one look short.
LATE = 0.12
PAGES_AT_ONCE, PICTURES_AT_ONCE = 2, 3
JPEG = {"Content-Type": "image/jpeg"}
CONFIG = """
workers = 2

[crawl]
delay = 0.0
concurrency_per_host = {pages}

[fetch]
delay = 0.0
concurrency_per_host = {pictures}

[clean]
languages = ["en"]

[[site]]
key = "slow"
program = "own.toml"
base_url = "http://{slow}"
allow_private = ["{slow}"]

[[site]]
key = "quick"
program = "own.toml"
base_url = "http://{quick}"
allow_private = ["{quick}"]
"""


def jpeg(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((80, 80), 40 + number).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass
class Flights:
    """How many requests a host answers at once."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def slowly(self, answer: Answer) -> Callable[[int], Answer]:
        """The answer, after 40 ms in which others may come."""

        def give(times: int) -> Answer:
            with self.lock:
                self.now += 1
                self.most = max(self.most, self.now)
            time.sleep(0.04)
            with self.lock:
                self.now -= 1
            return answer

        return give


def busy_once(answer: Answer) -> Callable[[int], Answer]:
    """429 with a Retry-After to the first request."""
    wait: Answer = (429, {"Retry-After": str(RETRY_AFTER)}, b"")
    return lambda times: answer if times else wait


def stock(shop: Shop, numbers: range, extra: str = "") -> None:
    shop.page("/", "".join(map(tile, numbers)) + extra)
    for number in numbers:
        shop.page(
            f"/p/{number}.html", f'<h1>Thing no {number}</h1><img class="main" src="/i/{number}">'
        )
        shop.answers[f"/i/{number}"] = (200, JPEG, jpeg(number))


@dataclass(frozen=True)
class Asked:
    """The logs of both hosts after the run."""

    slow: list[tuple[float, str]]
    quick: list[tuple[float, str]]
    pages: Flights
    pictures: Flights


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One run over a host that asks for patience and one that does not."""
    folder = tmp_path_factory.mktemp("polite")
    pages, pictures = Flights(), Flights()
    with ExitStack() as stack:
        slow, quick = (stack.enter_context(running_shop()) for _ in range(2))
        robots = f"User-agent: *\nDisallow: /p/3.html\nDisallow: /i/2\nCrawl-delay: {CRAWL_DELAY}\n"
        stock(slow, range(5), '<nav><a href="/secret/">all</a></nav>')
        slow.answers["/robots.txt"] = (200, {}, (robots + "Disallow: /secret/\n").encode())
        slow.answers["/p/1.html"] = busy_once((200, HTML, b"<h1>Thing no 1</h1>"))
        slow.answers["/i/0"] = busy_once((200, JPEG, jpeg(0)))
        stock(quick, range(12))
        for path, answer in list(quick.answers.items()):
            assert not callable(answer)
            quick.answers[path] = (pictures if "/i/" in path else pages).slowly(answer)
        (folder / "own.toml").write_text(SITE_FILE)
        (folder / "mep3m.toml").write_text(
            CONFIG.format(
                slow=slow.host, quick=quick.host, pages=PAGES_AT_ONCE, pictures=PICTURES_AT_ONCE
            )
        )
        said = mep3m("run", "--config", folder / "mep3m.toml", "--json")
        assert said.status in (0, 10), said.err  # nothing is mapped, so nothing is published
        yield Asked(slow.asked, quick.asked, pages, pictures)


def test_the_crawl_delay_is_kept_over_crawl_and_fetch(asked: Asked) -> None:
    moments = [moment for moment, _ in asked.slow]
    assert (
        len(moments) == 1 + 1 + 5 + 4
    )  # robots.txt, start, pages and pictures with one again each
    for (i, first), (j, last) in combinations(enumerate(moments), 2):
        assert last - first >= CRAWL_DELAY * (j - i) - LATE
    assert median(b - a for a, b in pairwise(moments)) >= CRAWL_DELAY - 0.02


@pytest.mark.parametrize("path", ["/p/1.html", "/i/0"])
def test_a_retry_after_is_kept_by_the_whole_host(asked: Asked, path: str) -> None:
    first, second = (moment for moment, asked_for in asked.slow if asked_for == path)
    assert second - first >= RETRY_AFTER - LATE
    between = [moment for moment, _ in asked.slow if first < moment < first + RETRY_AFTER - LATE]
    assert between == []


def test_what_robots_txt_disallows_is_never_asked_for(asked: Asked) -> None:
    paths = [path for _, path in asked.slow]
    assert paths[0] == "/robots.txt"
    assert paths.count("/robots.txt") == 1
    # A product whose page may not be seen gives no picture either.
    assert not {"/p/3.html", "/i/3", "/i/2", "/secret/"} & set(paths)
    assert {"/p/2.html", "/p/4.html", "/i/4"} <= set(paths)


def test_no_more_requests_are_in_flight_than_the_limits_say(asked: Asked) -> None:
    assert asked.quick[0][1] == "/robots.txt"
    assert {path for _, path in asked.quick} >= {f"/i/{number}" for number in range(12)}
    assert 2 <= asked.pages.most <= PAGES_AT_ONCE
    assert 2 <= asked.pictures.most <= PICTURES_AT_ONCE


def test_the_first_picture_keeps_its_distance_from_the_last_page(tmp_path: Path) -> None:
    """Processes are warm here, so that fetch would come too early if it did not know."""
    delay = 2.0
    with running_shop() as shop, WorkerPool(1) as pool:
        assert list(pool.map(abs, [-1])) == [1]
        shop.answers["/robots.txt"] = (200, {}, f"User-agent: *\nCrawl-delay: {delay}\n".encode())
        shop.page("/", tile(1))
        shop.answers["/i/1"] = (200, JPEG, jpeg(1))
        context = make_context(tmp_path, pool, shop)
        (tmp_path / "own.toml").write_text("visit_products = false\n" + SITE_FILE)
        sites = load_sites(context.config, context.config_folder)
        crawl(context, sites)
        merge(context, sites)
        fetch(context, sites)
    moments = [moment for moment, path in shop.asked if path in ("/", "/i/1")]
    assert len(moments) == 2, shop.asked
    assert moments[1] - moments[0] >= delay - LATE
