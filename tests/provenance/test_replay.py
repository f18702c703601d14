"""Replay: listings again from the captures alone, byte for byte, and what a change would do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crawler.crawl import crawl
from crawler.merge import merge
from crawler.sources import load_sites
from provenance.replay import Comparison, replay
from runtime.errors import WorkspaceError
from runtime.executor import WorkerPool
from runtime.stages import Context
from tests.crawler.shop import HTML, Shop, running_shop, tile
from tests.crawler.test_live import make_context

TITLES = 'title = ["h1"]'


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Context, Shop]]:
    """A live crawl with redirects, errors, retries, forbidden pages, a cap and a trap; merged."""
    with running_shop() as shop, WorkerPool(1) as pool:
        links = "".join(f'<a href="/c/{name}">{name}</a>' for name in "abcdex")
        shop.answers["/robots.txt"] = (200, HTML, b"User-agent: *\nDisallow: /c/x\n")
        shop.page("/", f"<nav>{links}</nav>")
        shop.page("/c/a", "".join(map(tile, range(9))) + '<a class="next" href="/c/a?p=2">n</a>')
        shop.page("/c/a?p=2", "".join(map(tile, range(9, 15))))
        shop.answers["/c/b"] = (301, {"Location": "/c/b2"}, b"")
        shop.page("/c/b2", tile(20), X_Robots_Tag="noai")
        shop.answers["/c/c"] = lambda times: (
            (503, {"Retry-After": "0"}, b"") if not times else (200, HTML, tile(30).encode())
        )
        shop.answers["/c/d"] = (200, {**HTML, "Content-Length": "10000"}, b"short")
        shop.page("/c/e", tile(31) + '<a class="next" href="/c/e?p=0">n</a>')
        shop.answers["/c/e?p=0"] = (200, HTML, (tile(31) + tile(31)).encode())
        for number in (*range(15), 20, 30, 31):
            shop.page(f"/p/{number}.html", f"<h1>Page &amp; {number}</h1><h2>Other</h2>")
        folder = tmp_path_factory.mktemp("replay")
        context = make_context(folder, pool, shop, max_products_per_category=12)
        sites = load_sites(context.config, folder)
        context.run.finish_stage("crawl", crawl(context, sites).counts)
        context.run.finish_stage("merge", merge(context, sites).counts)
    with WorkerPool(1) as pool:  # the shop is gone
        yield (
            Context(context.config, folder, context.workspace, context.run, pool, quiet=True),
            shop,
        )


def replayed(context: Context) -> Comparison:
    return replay(context, load_sites(context.config, context.config_folder))


def test_an_unchanged_replay_gives_the_same_bytes(crawled: tuple[Context, Shop]) -> None:
    context, shop = crawled
    asked = len(shop.asked)
    found = replayed(context)
    assert found.same_bytes
    assert found.same_extraction
    assert found.counts == {"same": 12 + 3}
    assert len(shop.asked) == asked
    assert "the same byte for byte" in found.to_text()


def test_a_changed_site_file_shows_what_it_would_change(crawled: tuple[Context, Shop]) -> None:
    context, _ = crawled
    path = context.config_folder / "own.toml"
    before = path.read_text()
    try:
        path.write_text(before.replace(f"[product]\n{TITLES}", '[product]\ntitle = ["h2"]'))
        found = replayed(context)
    finally:
        path.write_text(before)
    assert not found.same_bytes
    assert not found.same_extraction
    assert found.counts["changed title"] == found.counts["changed"] == 15
    example = next(d for d in found.examples if d.record_id == "shop-0:20")
    assert (example.column, example.recorded, example.replayed) == ("title", "Page & 20", "Other")
    assert "Other" in found.to_text()


def test_products_that_are_no_longer_found_are_told(crawled: tuple[Context, Shop]) -> None:
    context, _ = crawled
    path = context.config_folder / "own.toml"
    before = path.read_text()
    try:
        path.write_text(before.replace('category = ["nav a"]', 'category = ["nav a[href$=c]"]'))
        found = replayed(context)
    finally:
        path.write_text(before)
    assert found.counts["removed"] == 14
    assert found.counts["same"] == 1


def test_a_damaged_capture_is_named(crawled: tuple[Context, Shop]) -> None:
    context, _ = crawled
    (path,) = context.run.captures.glob("shop-0-*.warc.gz")
    data = path.read_bytes()
    try:
        path.write_bytes(data[: len(data) // 2])
        with pytest.raises(WorkspaceError, match=rf"{path.name}: expected the capture of http"):
            replayed(context)
    finally:
        path.write_bytes(data)


def test_a_run_without_listings_is_told_what_it_lacks(tmp_path: Path) -> None:
    with running_shop() as shop, WorkerPool(1) as pool:
        context = make_context(tmp_path, pool, shop)
        with pytest.raises(WorkspaceError, match="expects `crawl` done"):
            replayed(context)
