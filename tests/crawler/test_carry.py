"""Pages carried forward: a second run reads young captures of products that look the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crawler.crawl import crawl
from crawler.merge import merge
from crawler.sources import load_sites
from provenance.replay import replay
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.workspace import Run
from tests.crawler.shop import Shop, running_shop, tile
from tests.crawler.test_live import make_context


def run_once(context: Context) -> dict[str, str]:
    """Crawl and merge; outcome by path."""
    sites = load_sites(context.config, context.config_folder)
    context.run.finish_stage("crawl", crawl(context, sites).counts)
    context.run.finish_stage("merge", merge(context, sites).counts)
    context.run.update(status="nothing_new")
    rows = context.run.pages.read("shop-0", ["url", "outcome"]).to_pylist()
    return {"/" + row["url"].split("/", 3)[3]: row["outcome"] for row in rows}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Shop, Context, Run, Run]]:
    """A shop crawled twice, one tile changed and one product new in between."""
    with running_shop() as shop, WorkerPool(1) as pool:
        shop.page("/", "".join(map(tile, range(4))))
        for number in range(5):
            shop.page(f"/p/{number}.html", f"<h1>Page {number}</h1>")
        first = make_context(tmp_path_factory.mktemp("carry"), pool, shop, refresh_after=1.0)
        assert set(run_once(first).values()) == {"ok"}
        shop.page("/", "".join(map(tile, range(3))) + tile(3).replace("Title", "Neu") + tile(4))
        shop.page("/p/0.html", "<h1>Not asked for</h1>")
        shop.asked.clear()
        later = first.workspace.new_run(datetime.now(UTC) + timedelta(hours=1), ["shop-0"])
        second = replace(first, run=later)
        outcomes = run_once(second)
        assert outcomes == {
            "/": "ok", "/p/0.html": "carried", "/p/1.html": "carried", "/p/2.html": "carried",
            "/p/3.html": "ok", "/p/4.html": "ok",
        }  # fmt: skip
        yield shop, second, first.run, later


def test_only_new_and_changed_products_are_asked_for(
    runs: tuple[Shop, Context, Run, Run],
) -> None:
    shop, _, _, _ = runs
    assert sorted(shop.paths()) == ["/", "/p/3.html", "/p/4.html", "/robots.txt"]


def test_a_carried_page_keeps_its_date_and_its_capture(
    runs: tuple[Shop, Context, Run, Run],
) -> None:
    _, _, first, later = runs
    before, after = (run.listings.read("shop-0-00000").to_pylist() for run in (first, later))
    assert [row["title"] for row in after] == [f"Page {n}" for n in range(5)]
    for column in ("fetched_at", "capture_file", "capture_offset", "title"):
        assert after[0][column] == before[0][column]
        assert (after[3][column] != before[3][column]) == (column != "title")
    linked = later.captures / before[0]["capture_file"]
    assert linked.samefile(first.captures / before[0]["capture_file"])


def test_a_run_with_carried_pages_replays_without_the_earlier_run(
    runs: tuple[Shop, Context, Run, Run], tmp_path: Path
) -> None:
    _, context, first, _ = runs
    first.folder.rename(tmp_path / "gone")
    try:
        found = replay(context, load_sites(context.config, context.config_folder))
    finally:
        (tmp_path / "gone").rename(first.folder)
    assert found.same_bytes
    assert found.counts["same"] == 5
