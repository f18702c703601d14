"""The frontier: a page's results and its end are one transaction; limits end chains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.captures import CapturePlace
from crawler.frontier import Bounds, Frontier, Visit
from crawler.sites.pages import Link, PageReading, Sighting

BOUNDS = Bounds(max_depth=3, max_pages_per_category=5, max_redirects=2, stale_pages=2)
PLACE = CapturePlace("s-00000.warc.gz", 0, 10)
AT = "2026-01-31T08:11:00+00:00"


def sighting(number: int) -> Sighting:
    url = f"http://s/p/{number}"
    return Sighting(f"s:{number}", str(number), url, "listing", "t", None, None, {})


@pytest.fixture
def frontier(tmp_path: Path) -> Iterator[Frontier]:
    opened = Frontier(tmp_path / "s.sqlite", tmp_path / "captures", "s", BOUNDS)
    opened.seed([("http://s/", "start", "s")])
    yield opened
    opened.close()


def take(frontier: Frontier) -> Visit:
    visit = frontier.next_visit("s", time.time(), ())
    assert visit is not None
    return visit


def commit(frontier: Frontier, visit: Visit, *links: Link, products: tuple[int, ...] = ()) -> None:
    reading = PageReading(tuple(map(sighting, products)), links)
    frontier.commit_page(visit, "ok", 200, AT, PLACE, reading)


def walk(frontier: Frontier, url: str, products: tuple[int, ...]) -> list[str]:
    """Follow endless next links, each page with the given products."""
    seen = []
    while (visit := frontier.next_visit("s", time.time(), ())) is not None:
        seen.append(visit.url)
        number = len(seen)
        commit(frontier, visit, Link("next", f"{url}?page={number}"), products=products)
    return seen


def test_next_links_end_without_new_products(frontier: Frontier) -> None:
    assert len(walk(frontier, "http://s/", (1, 2))) == 3


def test_next_links_end_at_the_page_limit(frontier: Frontier) -> None:
    seen = []
    while (visit := frontier.next_visit("s", time.time(), ())) is not None:
        seen.append(visit.url)
        link = Link("next", f"http://s/?page={len(seen)}")
        commit(frontier, visit, link, products=(len(seen),))
    assert len(seen) == 5


def test_depth_and_redirects_are_bounded(frontier: Frontier) -> None:
    depth = 0
    while (visit := frontier.next_visit("s", time.time(), ())) is not None:
        depth += 1
        commit(frontier, visit, Link("category", f"http://s/{depth}"))
    assert depth == 4
    frontier.seed([("http://s/r", "category", "s")])
    hops = 0
    while (visit := frontier.next_visit("s", time.time(), ())) is not None:
        hops += 1
        commit(frontier, visit, Link("redirect", f"http://s/r{hops}"))
    assert hops == 3


def test_what_is_in_flight_is_not_handed_out_twice_and_comes_back(
    frontier: Frontier, tmp_path: Path
) -> None:
    visit = take(frontier)
    assert frontier.next_visit("s", time.time(), (visit.id,)) is None
    assert frontier.has_pending()
    frontier.defer(visit, time.time() + 1000, "later")
    assert frontier.next_visit("s", time.time(), ()) is None
    assert frontier.next_visit("s", time.time() + 2000, ()) is not None


def test_a_page_whose_capture_is_lost_is_queued_again(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    frontier = Frontier(tmp_path / "s.sqlite", captures, "s")
    frontier.seed([("http://s/", "start", "s")])
    (captures / PLACE.file).write_bytes(b"x" * 10)
    commit(frontier, take(frontier), products=(1,))
    frontier.close()
    again = Frontier(tmp_path / "s.sqlite", captures, "s")
    assert not again.has_pending()
    again.close()
    (captures / PLACE.file).write_bytes(b"x" * 4)  # what a power failure can leave
    again = Frontier(tmp_path / "s.sqlite", captures, "s")
    assert again.has_pending()
    assert not list(again.rows("SELECT * FROM sightings"))
    assert not list(again.rows("SELECT * FROM chain_products"))  # or it would count as stale
    again.close()


def test_no_query_of_the_crawl_walks_over_the_queue(frontier: Frontier) -> None:
    """Each step looks at a handful of rows, however many are queued; steps are SQLite's own."""
    frontier.seed((f"http://s/{n}", "category", "s") for n in range(20_000))
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    frontier._db.set_progress_handler(count, 100)
    assert frontier.waiting_hosts() == ["s"]
    assert steps < 400  # the ranks of a batch of 256 requests
    steps = 0
    assert frontier.waiting_hosts() == ["s"]
    assert frontier.next_visit("s", time.time(), (1, 2)) is not None
    assert frontier.next_due("s", (1, 2)) == 0.0
    assert frontier.has_pending()
    assert steps < 20  # 2,000 instructions; a walk over the queue takes more than 100,000


_WRITER = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tests.crawler.test_frontier import Bounds, Frontier, Link, commit, take
bounds = Bounds(10**6, 10**6, 10, 10**6)
frontier = Frontier(Path(sys.argv[2]), Path(sys.argv[3]), "s", bounds)
frontier.seed([("http://s/", "start", "s")])
while True:
    visit = take(frontier)
    number = visit.id
    links = (Link("category", f"http://s/{number}/a"), Link("product", f"http://s/{number}/b"))
    commit(frontier, visit, *links, products=(2 * number, 2 * number + 1))
    print(number, flush=True)
"""


def test_a_killed_writer_leaves_whole_pages(tmp_path: Path) -> None:
    root = Path(__file__).resolve().parents[2]
    arguments = [str(root), str(tmp_path / "s.sqlite"), str(tmp_path / "captures")]
    process = subprocess.Popen(
        [sys.executable, "-c", _WRITER, *arguments], stdout=subprocess.PIPE, text=True, cwd=root
    )
    assert process.stdout is not None
    for _ in range(40):
        assert process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    captures = tmp_path / "captures"
    captures.mkdir(exist_ok=True)
    (captures / PLACE.file).write_bytes(b"x" * 10)
    frontier = Frontier(tmp_path / "s.sqlite", captures, "s")
    pages = list(
        frontier.rows(
            "SELECT outcome, (SELECT COUNT(*) FROM sightings WHERE page = id) AS sightings,"
            " (SELECT COUNT(*) FROM links WHERE page = id) AS links FROM queue"
        )
    )
    frontier.close()
    done = [page for page in pages if page["outcome"] == "ok"]
    assert len(done) >= 40
    assert all(page["sightings"] == page["links"] == 2 for page in done)
    assert all(page["sightings"] == page["links"] == 0 for page in pages if not page["outcome"])
