"""An archive crawled as if it were the shop: same tables, own captures, no request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.archive import INDEX_FILE
from crawler.crawl import crawl
from crawler.from_warc import archive_index, site_of_archive
from crawler.merge import merge
from crawler.sources import ArchiveSource, archive_run, sites_of
from provenance.replay import replay
from runtime.config import Config, parse_config
from runtime.errors import ConfigError
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.workspace import Run, Workspace
from tests.crawler.shop import SITE_FILE, tile
from tests.crawler.test_archive import Warc

BASE = "http://shop.example"
NOW = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1) as running:
        yield running


def write_shop(path: Path) -> Path:
    """Two categories, five products, a redirect, an error, a robots.txt."""
    warc = Warc(path)
    warc.add(f"{BASE}/robots.txt", b"User-agent: *\nDisallow: /p/5", kind="text/plain")
    warc.add(f"{BASE}/", b'<nav><a href="/c/a">A</a><a href="/c/b?utm_source=x">B</a></nav>')
    warc.add(f"{BASE}/c/a", (tile(1) + tile(2) + '<a class="next" href="/c/a?p=2">').encode())
    warc.add(f"{BASE}/c/a?p=2", (tile(3) + '<a class="next" href="/c/a?p=3">').encode())
    warc.add(f"{BASE}/c/b?utm_medium=mail", (tile(4) + tile(5)).encode())
    warc.add(f"{BASE}/old", b"", status="301 Moved", Location="/c/a")
    for number in (1, 2, 3, 5):
        page = f'<h1>Page {number}</h1><img class="main" src="/i/{number}.jpg">'
        warc.add(f"{BASE}/p/{number}.html", page.encode(), date=f"2026-02-0{number}T00:00:00Z")
    warc.add(f"{BASE}/p/4.html", b"gone", status="404 Not Found")
    warc.add(f"{BASE}/i/1.jpg", b"\xff\xd8\xff picture", kind="image/jpeg")
    warc.add("http://elsewhere.example/p/9.html", b"<h1>Not ours</h1>")
    return warc.close()


def config_of(folder: Path, **site: Any) -> Config:
    (folder / "own.toml").write_text(SITE_FILE)
    entry = {"key": "shop", "program": "own.toml", "base_url": BASE, **site}
    return parse_config({"site": [entry]})


def started(folder: Path, config: Config, *patterns: str, site: str | None = None) -> Run:
    workspace = Workspace(folder / "workspace")
    workspace.prepare()
    return archive_run(ArchiveSource(patterns, site), workspace, config, folder, NOW)


def context_of(folder: Path, config: Config, run: Run, pool: WorkerPool) -> Context:
    return Context(config, folder, Workspace(folder / "workspace"), run, pool, quiet=True)


def crawl_and_merge(context: Context) -> list[dict[str, Any]]:
    sites = sites_of(context.run, context.config, context.config_folder)
    result = crawl(context, sites)
    assert result.failed_sites == {}
    context.run.finish_stage("crawl", result.counts)
    context.run.finish_stage("merge", merge(context, sites).counts)
    listings = context.run.listings
    return [row for name in listings.names() for row in listings.read(name).to_pylist()]


def test_an_archive_gives_listings_with_its_own_dates(tmp_path: Path, pool: WorkerPool) -> None:
    config = config_of(tmp_path)
    run = started(tmp_path, config, str(write_shop(tmp_path / "a.warc.gz")))
    rows = crawl_and_merge(context_of(tmp_path, config, run, pool))
    assert [row["record_id"] for row in rows] == [f"shop:{n}" for n in range(1, 6)]
    titles = [row["title"] for row in rows]
    assert titles == ["Page 1", "Page 2", "Page 3", "Title 4", "Title 5"]
    assert rows[2]["fetched_at"] == datetime(2026, 2, 3, tzinfo=UTC)
    assert [row["category_paths"] for row in rows] == [[["A"]], [["A"]], [["A"]], [["B"]], [["B"]]]
    assert rows[0]["image_url"] == f"{BASE}/i/1.jpg"
    assert "robots.txt" in (rows[4]["opt_out"] or "")
    pages = run.pages.read("shop", ["url", "outcome"]).to_pylist()
    assert {page["url"].removeprefix(BASE): page["outcome"] for page in pages} == {
        "/": "ok", "/c/a": "ok", "/c/a?p=2": "ok", "/c/b": "ok", "/old": "redirect",
        "/p/1.html": "ok", "/p/2.html": "ok", "/p/3.html": "ok", "/p/4.html": "http_404",
        "/p/5.html": "robots",
    }  # fmt: skip


def test_the_files_of_an_archive_stand_in_the_run_and_may_go_once_it_is_read(
    tmp_path: Path, pool: WorkerPool
) -> None:
    config = config_of(tmp_path)
    source = write_shop(tmp_path / "a.warc.gz")
    run = started(tmp_path, config, str(source))
    (entry,) = run.record["from_warc"]["files"]
    assert entry["path"] == str(source)
    assert len(entry["sha256"]) == 64
    context = context_of(tmp_path, config, run, pool)
    crawl_and_merge(context)
    source.unlink()
    found = replay(context, sites_of(run, config, tmp_path))
    assert found.same_bytes
    assert found.counts["same"] == 5


def test_a_killed_start_goes_on_with_the_same_files_only(tmp_path: Path, pool: WorkerPool) -> None:
    config = config_of(tmp_path)
    source = write_shop(tmp_path / "a.warc.gz")
    run = started(tmp_path, config, str(source))
    (run.folder / INDEX_FILE).unlink()  # as a kill between the run and its index leaves it
    assert started(tmp_path, config, str(source)).run_id == run.run_id
    assert archive_index(run).is_file()
    other = write_shop(tmp_path / "b.warc.gz")
    with pytest.raises(ConfigError, match="expected no unfinished run, or one of the same files"):
        started(tmp_path, config, str(other))
    (run.folder / INDEX_FILE).unlink()
    source.write_bytes(other.read_bytes() + b"\x00")
    with pytest.raises(ConfigError, match="expected the file as it was"):
        archive_index(run)


def test_a_lost_frontier_and_a_damaged_index_are_made_again(
    tmp_path: Path, pool: WorkerPool, capsys: pytest.CaptureFixture[str]
) -> None:
    config = config_of(tmp_path)
    run = started(tmp_path, config, str(write_shop(tmp_path / "a.warc.gz")))
    context = context_of(tmp_path, config, run, pool)
    expected = crawl_and_merge(context)
    (frontier,) = run.frontiers.glob("*.sqlite")
    frontier.write_bytes(b"no database" * 99)
    (run.folder / INDEX_FILE).write_bytes(b"no database" * 99)
    for folder in (run.sightings, run.links, run.pages):
        for path in folder.folder.iterdir():
            path.unlink()
    found = crawl_and_merge(context)
    assert capsys.readouterr().err.count("crawling the site again from its start") == 1
    places = ("capture_offset", "capture_file")
    assert [{k: v for k, v in row.items() if k not in places} for row in found] == [
        {k: v for k, v in row.items() if k not in places} for row in expected
    ]


def test_a_live_run_that_is_unfinished_comes_first(tmp_path: Path) -> None:
    config = config_of(tmp_path)
    workspace = Workspace(tmp_path / "workspace")
    workspace.prepare()
    workspace.new_run(NOW, ["shop"])
    with pytest.raises(ConfigError, match="finish it first"):
        started(tmp_path, config, str(write_shop(tmp_path / "a.warc.gz")))


def test_a_shipped_site_file_is_enough(tmp_path: Path) -> None:
    warc = Warc(tmp_path / "a.warc.gz")
    warc.add("https://books.example/catalogue/some-book_7/", b"<h1>x</h1>")
    warc.add("http://other.example/", b"")
    run = started(tmp_path, Config(), str(warc.close()), site="django-oscar")
    (site,) = run.record["from_warc"]["sites"]
    assert site["base_url"] == "https://books.example"
    (loaded,) = sites_of(run, Config(), tmp_path)
    assert loaded.key == "django-oscar"


def test_a_site_that_is_not_there_is_named(tmp_path: Path) -> None:
    source = str(write_shop(tmp_path / "a.warc.gz"))
    with pytest.raises(ConfigError, match=r"--site nosuch: expected a .*site.* or one of .*oscar"):
        started(tmp_path, Config(), source, site="nosuch")
    with pytest.raises(ConfigError, match="expected product pages of such a shop"):
        started(tmp_path, Config(), source, site="django-oscar")
    with pytest.raises(ConfigError, match="no site to read"):
        started(tmp_path, Config(), source)
    assert Workspace(tmp_path / "workspace").runs() == []


def test_caps_cut_an_archive_in_its_order(tmp_path: Path, pool: WorkerPool) -> None:
    config = config_of(tmp_path, max_products=3)
    run = started(tmp_path, config, str(write_shop(tmp_path / "a.warc.gz")))
    rows = crawl_and_merge(context_of(tmp_path, config, run, pool))
    assert [row["record_id"] for row in rows] == ["shop:1", "shop:2", "shop:3"]


def test_an_archive_site_is_derived_from_its_index(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--site x"):
        site_of_archive("x", tmp_path / "index.sqlite")
