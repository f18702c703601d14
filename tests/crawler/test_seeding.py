"""Where a crawl begins: a list of product URLs is taken whole or refused by line."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from crawler.frontier import Frontier
from crawler.seeding import listed_products, seed_frontier, sitemap_seeds
from crawler.sites.sitefile import Site, parse_site_file
from runtime.config import SiteConfig
from runtime.errors import ConfigError

BASE = "http://shop.example"
RULES = {"url": {"product": r"/p/\d+$"}}


def site(discovery: list[str] | None = None, **config: str) -> Site:
    rules = RULES if discovery is None else {**RULES, "discovery": discovery}
    values = SiteConfig(key="s", program="x", base_url=BASE, **config)  # type: ignore[arg-type]
    return Site(values, parse_site_file(rules, "x"))


def queued(tmp_path: Path, shop: Site) -> list[tuple[str, str]]:
    with closing(Frontier(tmp_path / "s.sqlite", tmp_path / "captures", "s")) as frontier:
        seed_frontier(frontier, shop, tmp_path)
        rows = list(frontier.rows("SELECT url, kind FROM queue ORDER BY id"))
    return [(row["url"], row["kind"]) for row in rows]


def test_listed_products_are_visited_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(
        f"# from the shop's feed\n{BASE}/p/3?utm_source=feed\n\n/p/1\n{BASE}/p/3\n"
    )
    shop = site(["products"], products="list.txt")
    assert queued(tmp_path, shop) == [(f"{BASE}/p/3", "product"), (f"{BASE}/p/1", "product")]


def test_a_list_joins_the_other_ways_of_discovery(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("/p/9\n")
    shop = site(["navigation", "products"], products="list.txt")
    assert queued(tmp_path, shop) == [(f"{BASE}/", "start"), (f"{BASE}/p/9", "product")]


def test_the_configuration_says_how_products_are_found_before_the_site_file(
    tmp_path: Path,
) -> None:
    values = SiteConfig(key="s", program="x", base_url=BASE, discovery=["products"])
    shop = Site(values, parse_site_file({**RULES, "discovery": ["navigation"]}, "x"))
    assert queued(tmp_path, shop) == []
    assert not shop.follows("category")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("/p/1\nhttp://other.example/p/2\n", r"list\.txt, line 2: expected a product URL of shop"),
        ("/about\n", r"line 1: expected a product URL of shop\.example"),
        ("\n\nhttp://[bad\n", r"line 3: expected a product URL, got"),
    ],
)
def test_a_line_that_is_no_product_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "list.txt").write_text(text)
    with pytest.raises(ConfigError, match=said):
        list(listed_products(site(), tmp_path / "list.txt"))


def test_a_missing_or_unreadable_list_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="`products`: expected a UTF-8 text file"):
        list(listed_products(site(), tmp_path / "none.txt"))
    (tmp_path / "list.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="`products`: expected a UTF-8 text file"):
        list(listed_products(site(), tmp_path / "list.txt"))


def test_a_faulty_list_queues_nothing(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text("/p/1\n/about\n")
    with pytest.raises(ConfigError):
        queued(tmp_path, site(["products"], products="list.txt"))
    frontier = Frontier(tmp_path / "s.sqlite", tmp_path / "captures", "s")
    assert not frontier.has_pending()
    frontier.close()


def test_sitemaps_of_other_hosts_and_schemes_are_passed_over() -> None:
    named = [f"{BASE}/s.xml", "http://other.example/s.xml", "file:///etc/passwd", "http://[bad"]
    assert list(sitemap_seeds(site(), f"{BASE}/robots.txt", named)) == [
        (f"{BASE}/s.xml", "sitemap", "shop.example")
    ]
    assert [url for url, _, _ in sitemap_seeds(site(), f"{BASE}/robots.txt", [])] == [
        f"{BASE}/sitemap.xml"
    ]
