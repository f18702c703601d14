"""Discovery: the same pages whatever answers first; caps cut in order; traps end by themselves."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crawler.captures import CapturePlace
from crawler.frontier import Bounds, Frontier, Visit
from crawler.sites.pages import Link, PageReading, Sighting

PLACE = CapturePlace("s-00000.warc.gz", 0, 10)
S = "http://s"
Shop = Callable[[str], PageReading]


def tile(number: int) -> Sighting:
    url = f"{S}/p/{number}"
    return Sighting(f"s:{number}", str(number), url, "listing", "t", None, None, {})


def page(*links: tuple[str, str], tiles: range | list[int] = range(0)) -> PageReading:
    """A reading with the given tiles, each linking its product, and (kind, path) links."""
    products = [Link("product", f"{S}/p/{n}") for n in tiles]
    return PageReading(
        tuple(map(tile, tiles)),
        tuple(Link(kind, S + path) for kind, path in links) + tuple(products),
    )


@dataclass
class Crawl:
    """What a simulated crawl left behind."""

    pages: dict[str, str]
    tiles: list[tuple[str, str]]
    ranks: dict[str, int | None]
    notes: dict[str, str | None]

    def asked(self) -> list[str]:
        return [url for url, outcome in self.pages.items() if outcome == "ok"]


def crawl(
    folder: Path,
    shop: Shop,
    bounds: Bounds,
    seed: int = 0,
    *,
    kills: float = 0.0,
    flaky: int = 0,
    most: int = 5000,
) -> Crawl:
    """Crawl a shop given as a function, answers coming in an order drawn from `seed`.

    Every `flaky`th page fails once and is tried again after a time drawn from `seed` as well.
    """
    draw = random.Random(seed)
    folder.mkdir(parents=True)
    captures = folder / "captures"
    captures.mkdir()
    (captures / PLACE.file).write_bytes(b"x" * 10)
    frontier = Frontier(folder / "s.sqlite", captures, "s", bounds)
    frontier.seed([(f"{S}/", "start", "s")])
    flying: list[Visit] = []
    for now in range(most):
        while len(flying) < draw.randint(1, 4):
            visit = frontier.next_visit("s", float(now), [v.id for v in flying])
            if visit is None:
                break
            flying.append(visit)
        if not flying:
            if not frontier.has_pending():
                break
            continue  # until a page may be tried again
        if draw.random() < kills:
            frontier.close()
            flying = []
            frontier = Frontier(folder / "s.sqlite", captures, "s", bounds)
            continue
        visit = flying.pop(draw.randrange(len(flying)))
        if flaky and visit.attempt == 1 and zlib.crc32(visit.url.encode()) % flaky == 0:
            frontier.defer(visit, now + draw.random() * 30, "http_500")
            continue
        frontier.commit_page(visit, "ok", 200, "2026-01-01", PLACE, shop(visit.url))
    else:
        raise AssertionError(f"the crawl did not end: {frontier.outcomes()}")
    rows: list[dict[str, Any]] = list(frontier.rows("SELECT * FROM queue ORDER BY url"))
    shown = frontier.rows(
        "SELECT q.url, s.record_id FROM sightings s JOIN queue q ON q.id = s.page"
        " ORDER BY q.rank, s.position"
    )
    result = Crawl(
        {row["url"]: row["outcome"] for row in rows},
        [(row["url"], row["record_id"]) for row in shown],
        {row["url"]: row["rank"] for row in rows},
        {row["url"]: row["error"] for row in rows},
    )
    frontier.close()
    return result


def grid(categories: int, pages: int, per_page: int) -> Shop:
    """A home page, categories with next pages, each page with products of its own."""

    def answer(url: str) -> PageReading:
        path = urlsplit(url).path
        if path == "/":
            return page(*(("category", f"/c/{c}/0") for c in range(categories)))
        if path.startswith("/p/"):
            return page()
        _, _, c, n = path.split("/")
        first = (int(c) * pages + int(n)) * per_page
        more = [("next", f"/c/{c}/{int(n) + 1}")] if int(n) + 1 < pages else []
        return page(*more, tiles=range(first, first + per_page))

    return answer


def test_a_cap_on_the_category_takes_its_first_products_by_page_and_position(
    tmp_path: Path,
) -> None:
    done = crawl(tmp_path / "a", grid(2, 4, 10), Bounds(max_products_per_category=15))
    taken = sorted(int(record.removeprefix("s:")) for _, record in done.tiles)
    assert taken == [*range(15), *range(40, 55)]
    assert sorted(u for u in done.asked() if "/c/" in u) == [
        f"{S}/c/0/0", f"{S}/c/0/1", f"{S}/c/1/0", f"{S}/c/1/1"
    ]  # fmt: skip
    assert "5 products not taken" in (done.notes[f"{S}/c/0/1"] or "")
    assert f"{S}/p/15" not in done.pages


def test_a_cap_on_the_shop_takes_the_first_products_of_every_wave(tmp_path: Path) -> None:
    done = crawl(tmp_path / "a", grid(3, 5, 10), Bounds(max_products=47))
    taken = [int(record.removeprefix("s:")) for _, record in done.tiles]
    # First pages of the three categories, then the second ones in the same order.
    assert taken == [*range(10), *range(50, 60), *range(100, 110), *range(10, 20), *range(60, 67)]
    assert sum(url.startswith(f"{S}/p/") for url in done.asked()) == 47
    assert done.pages[f"{S}/c/0/2"] == "capped"
    assert done.notes[f"{S}/p/67"] == "max_products = 47"


def test_a_cap_on_pages_follows_the_order_of_discovery(tmp_path: Path) -> None:
    done = crawl(tmp_path / "a", grid(3, 5, 10), Bounds(max_pages=6))
    assert sorted(done.asked()) == sorted(
        [f"{S}/", f"{S}/c/0/0", f"{S}/c/1/0", f"{S}/c/2/0", f"{S}/c/0/1", f"{S}/c/1/1"]
    )
    assert done.notes[f"{S}/c/2/1"] == "max_pages = 6"


def test_the_time_of_a_crawl_leaves_out_its_interruptions(tmp_path: Path) -> None:
    captures = tmp_path / "captures"
    captures.mkdir()
    (captures / PLACE.file).write_bytes(b"x" * 10)
    bounds = Bounds(max_hours=1.0)
    shop = grid(3, 5, 1)
    now = 0.0
    asked = 0
    for _ in range(4):  # four sessions of twenty minutes, a day apart
        frontier = Frontier(tmp_path / "s.sqlite", captures, "s", bounds)
        frontier.seed([(f"{S}/", "start", "s")])
        for _ in range(3):
            visit = frontier.next_visit("s", now, ())
            if visit is None:
                break
            now += 600
            asked += 1
            frontier.next_visit("s", now, [visit.id])
            frontier.commit_page(visit, "ok", 200, "2026-01-01", PLACE, shop(visit.url))
        pending = frontier.has_pending()
        outcomes = frontier.outcomes()
        frontier.close()
        now += 86_400
    assert asked == 6
    assert not pending
    assert outcomes["ok"] == 6
    assert outcomes["capped"] > 0


def calendar(url: str) -> PageReading:
    """A shop of one category beside a calendar without end."""
    path, query = urlsplit(url).path, parse_qs(urlsplit(url).query)
    if path == "/":
        return page(("category", "/c/0"), ("category", "/calendar?month=0"))
    if path == "/c/0":
        return page(tiles=range(5))
    if path == "/calendar":
        month = int(query["month"][0])
        days = [("category", f"/day?d={month}-{day}") for day in range(28)]
        return page(("category", f"/calendar?month={month + 1}"), *days)
    return page(("category", f"/day?d={query.get('d', ['0'])[0]}1"))


def session_ids(url: str) -> PageReading:
    """Every page links everything under a new number that means nothing."""
    path = urlsplit(url).path
    number = int(parse_qs(urlsplit(url).query).get("xid", ["0"])[0])
    links = [
        ("category", f"/c/{c}?xid={(number * 31 + c * 7 + len(path)) % 10_007 + 1}")
        for c in range(6)
    ]
    if path == "/":
        return page(*links)
    if path.startswith("/c/"):
        first = int(path.rpartition("/")[2]) * 10
        return page(*links, tiles=range(first, first + 10))
    return page()


def facets(url: str) -> PageReading:
    """Filters that combine freely over a category of forty products on four pages."""
    parts = urlsplit(url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    if parts.path == "/":
        return page(("category", "/c"))
    if parts.path != "/c":
        return page()
    number = int(query.pop("page", "0"))
    options = {"colour": 5, "size": 6, "brand": 7, "sort": 4}
    links = []
    for name, count in options.items():
        if name not in query:
            for value in range(count):
                chosen = "&".join(f"{k}={v}" for k, v in {**query, name: str(value)}.items())
                links.append(("category", f"/c?{chosen}"))
    keep = [
        n
        for n in range(40)
        if all(zlib.crc32(f"{k}{v}{n}".encode()) % 2 == 0 for k, v in query.items())
    ]
    shown = keep[number * 10 : number * 10 + 10]
    if keep[number * 10 + 10 :]:
        rest = "".join(f"&{k}={v}" for k, v in query.items())
        links.append(("next", f"/c?page={number + 1}{rest}"))
    return page(*links, tiles=shown)


def endless_next(url: str) -> PageReading:
    """Behind its last page a list shows its first products again, for ever."""
    number = int(parse_qs(urlsplit(url).query).get("page", ["0"])[0])
    if urlsplit(url).path == "/":
        first = min(number, 5) % 5 * 4
        return page(("next", f"/?page={number + 1}"), tiles=range(first, first + 4))
    return page()


def relative_links(url: str) -> PageReading:
    """A page that answers at any depth, with relative links."""
    path = urlsplit(url).path.rstrip("/")
    if path.startswith("/p/"):
        return page()
    return page(("category", f"{path}/shoes"), ("category", f"{path}/bags"), tiles=range(4))


@pytest.mark.parametrize(
    ("shop", "products", "most"),
    [
        (calendar, 5, 1500),
        (session_ids, 60, 200),
        (facets, 40, 400),
        (endless_next, 20, 40),
        (relative_links, 4, 80),
    ],
)
def test_a_trap_ends_and_no_product_is_lost(
    tmp_path: Path, shop: Shop, products: int, most: int
) -> None:
    done = crawl(tmp_path / "a", shop, Bounds())
    found = {url for url in done.asked() if "/p/" in url}
    assert len(found) == products
    assert len(done.asked()) - products <= most


SHOPS = [grid(4, 6, 7), calendar, session_ids, facets, endless_next, relative_links]


@pytest.mark.parametrize("number", range(len(SHOPS)))
@pytest.mark.parametrize(
    "bounds", [Bounds(), Bounds(max_products=23), Bounds(max_products_per_category=8)]
)
def test_the_order_of_answers_and_kills_change_nothing(
    tmp_path: Path, number: int, bounds: Bounds
) -> None:
    first = crawl(tmp_path / "first", SHOPS[number], bounds)
    assert crawl(tmp_path / "second", SHOPS[number], bounds, seed=5, kills=0.02) == first


@pytest.mark.parametrize("number", range(len(SHOPS)))
@pytest.mark.parametrize("bounds", [Bounds(), Bounds(max_pages=30), Bounds(max_products=23)])
def test_pages_that_fail_once_change_nothing(tmp_path: Path, number: int, bounds: Bounds) -> None:
    """However long each of them is put off."""
    first = crawl(tmp_path / "first", SHOPS[number], bounds, flaky=4)
    for seed in (3, 8):
        again = crawl(tmp_path / str(seed), SHOPS[number], bounds, seed=seed, flaky=4, kills=0.01)
        assert again == first
    assert first == crawl(tmp_path / "steady", SHOPS[number], bounds)


@settings(max_examples=25)
@given(data=st.data())
def test_any_shop_is_crawled_alike_in_any_order(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Random graphs of listing pages; bounds and traps cut the same places."""
    size = data.draw(st.integers(2, 12))
    node = st.integers(0, size - 1)
    edge = st.tuples(st.sampled_from(["category", "next", "redirect"]), node)
    graph = [
        (data.draw(st.lists(edge, max_size=4)), data.draw(st.lists(st.integers(0, 15), max_size=4)))
        for _ in range(size)
    ]

    def shop(url: str) -> PageReading:
        path = urlsplit(url).path.strip("/")
        if path.startswith("p/"):
            return page(("product", f"/p/{(int(path[2:]) * 7) % 23}"))
        links, tiles = graph[int(path or 0)]
        redirects = [(kind, f"/{n}") for kind, n in links if kind == "redirect"][:1]
        if redirects:
            return page(*redirects)
        return page(*((kind, f"/{n}") for kind, n in links), tiles=list(dict.fromkeys(tiles)))

    bounds = Bounds(
        max_depth=data.draw(st.integers(1, 4)),
        max_pages_per_category=data.draw(st.integers(1, 4)),
        max_redirects=2,
        stale_pages=data.draw(st.integers(1, 3)),
        max_products_per_category=data.draw(st.none() | st.integers(1, 6)),
        max_products=data.draw(st.none() | st.integers(1, 12)),
        max_pages=data.draw(st.none() | st.integers(1, 20)),
    )
    folder = tmp_path_factory.mktemp("graph")
    first = crawl(folder / "a", shop, bounds, seed=1)
    for seed in (2, 3):
        assert crawl(folder / str(seed), shop, bounds, seed=seed, kills=0.05) == first
    if bounds.max_products is not None:
        assert len({record for _, record in first.tiles}) <= bounds.max_products
