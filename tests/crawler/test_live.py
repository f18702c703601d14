"""Crawl, merge and fetch against a live shop: whatever it does has a name."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from crawler.crawl import crawl
from crawler.images import fetch
from crawler.merge import merge
from crawler.sources import load_sites
from runtime.config import parse_config
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.workspace import Workspace
from tests.crawler.shop import HTML, SITE_FILE, Answer, Shop, running_shop, tile


@pytest.fixture
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


@pytest.fixture
def context(shop: Shop, tmp_path: Path) -> Iterator[Context]:
    with WorkerPool(1) as pool:
        yield make_context(tmp_path, pool, shop)


def make_context(folder: Path, pool: WorkerPool, *shops: Shop, **crawl_settings: Any) -> Context:
    (folder / "own.toml").write_text(SITE_FILE)
    config = parse_config(
        {
            "workers": 2,
            "crawl": {"delay": 0.0, "timeout": 5.0, "max_attempts": 2, **crawl_settings},
            "fetch": {"delay": 0.0, "timeout": 20.0, "max_attempts": 2, "max_image_mib": 1},
            "site": [
                {
                    "key": f"shop-{n}",
                    "program": "own.toml",
                    "base_url": shop.base_url,
                    "allow_private": [shop.host],
                }
                for n, shop in enumerate(shops)
            ],
        }
    )
    workspace = Workspace(folder / "workspace")
    workspace.prepare()
    run = workspace.new_run(datetime.now(UTC), ["shop-0"])
    return Context(config, folder, workspace, run, pool, quiet=True)


def crawl_all(context: Context) -> Any:
    return crawl(context, load_sites(context.config, context.config_folder))


def outcomes(context: Context, site: str = "shop-0") -> dict[str, str]:
    rows = context.run.pages.read(site, ["url", "outcome"]).to_pylist()
    return {"/" + row["url"].split("/", 3)[3]: row["outcome"] for row in rows}


def test_pages_redirects_errors_and_retries_have_their_outcomes(
    shop: Shop, context: Context
) -> None:
    home = "".join(f'<a href="/c/{name}">{name}</a>' for name in "abcdef")
    shop.page("/", f"<nav>{home}</nav>")
    shop.page("/c/a", tile(1) + tile(2))
    shop.answers["/c/b"] = (301, {"Location": "/c/a2"}, b"")
    shop.page("/c/a2", tile(3))
    shop.answers["/c/c"] = lambda times: (
        (500, HTML, b"") if not times else (200, HTML, tile(4).encode())
    )
    shop.answers["/c/d"] = (503, {"Retry-After": "0"}, b"")
    shop.answers["/c/e"] = lambda times: (302, {"Location": f"/c/e?{times}x=1"}, b"")
    shop.answers["/c/f"] = (200, {**HTML, "Content-Length": "10000"}, b"short")
    for number in range(1, 5):
        shop.page(f"/p/{number}.html", f"<h1>Page {number}</h1>")
    result = crawl_all(context)
    assert result.failed_sites == {}
    found = outcomes(context)
    assert found["/c/a"] == found["/c/a2"] == found["/c/c"] == "ok"
    assert found["/c/b"] == "redirect"
    assert found["/c/d"] == "http_503"
    assert found["/c/f"] == "incomplete"
    assert [found[f"/p/{n}.html"] for n in range(1, 5)] == ["ok"] * 4
    assert shop.paths().count("/c/c") == shop.paths().count("/c/d") == 2
    assert shop.paths()[0] == "/robots.txt"
    assert merge(context, load_sites(context.config, context.config_folder)).counts == {
        "listings": 4, "merged": 4,
    }  # fmt: skip
    rows = context.run.listings.read("shop-0-00000").to_pylist()
    assert [row["title"] for row in rows] == [f"Page {n}" for n in range(1, 5)]
    assert rows[2]["category_paths"] == [["b"]]


def test_a_redirect_loop_and_endless_pages_end(shop: Shop, context: Context) -> None:
    shop.page("/", '<nav><a href="/loop">x</a><a href="/more">y</a></nav>')
    shop.answers["/loop"] = (302, {"Location": "/loop2"}, b"")
    shop.answers["/loop2"] = (302, {"Location": "/loop"}, b"")

    def more(number: int) -> Answer:
        return 200, HTML, f'{tile(1)}<a class="next" href="/more?page={number + 1}">n</a>'.encode()

    shop.answers["/more"] = lambda times: more(1)
    for number in range(2, 100):
        shop.answers[f"/more?page={number}"] = lambda times, number=number: more(number)
    crawl_all(context)
    pages = [path for path in shop.paths() if path.startswith("/more")]
    assert len(pages) == 4  # the first, and three in a row without a new product
    assert len(shop.paths()) < 15


def test_robots_txt_is_kept(shop: Shop, context: Context) -> None:
    shop.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /p/\nCrawl-delay: 0.2\n")
    shop.page("/", tile(1) + tile(2) + '<nav><a href="/c">c</a></nav>')
    shop.page("/c", tile(3))
    crawl_all(context)
    assert outcomes(context)["/p/1.html"] == "robots"
    assert not [path for path in shop.paths() if path.startswith("/p/")]
    moments = [moment for moment, _ in shop.asked]
    assert moments[-1] - moments[0] >= 0.2 * (len(moments) - 1) - 0.1


def test_a_429_pauses_the_whole_host(shop: Shop, context: Context) -> None:
    shop.page("/", '<nav><a href="/slow">s</a><a href="/c">c</a></nav>')
    shop.answers["/slow"] = lambda times: (
        (429, {"Retry-After": "1"}, b"") if not times else (200, HTML, b"")
    )
    shop.page("/c", tile(3))
    crawl_all(context)
    moments = {path: moment for moment, path in shop.asked}
    first = next(moment for moment, path in shop.asked if path == "/slow")
    assert moments["/slow"] - first >= 0.9
    assert outcomes(context)["/slow"] == "ok"


@pytest.mark.parametrize("status", [500, None])
def test_a_host_whose_robots_txt_cannot_be_had_is_left_alone(
    tmp_path: Path, status: int | None
) -> None:
    with running_shop() as good, running_shop() as bad, WorkerPool(1) as pool:
        good.page("/", tile(1))
        good.page("/p/1.html", "<h1>One</h1>")
        bad.answers["/robots.txt"] = (500, {}, b"")
        if status is None:
            bad.host = "127.0.0.1:9"  # nothing listens on the discard port
        context = make_context(tmp_path, pool, good, bad)
        result = crawl_all(context)
        assert list(result.failed_sites) == ["shop-1"]
        assert outcomes(context, "shop-0")["/p/1.html"] == "ok"
        assert set(outcomes(context, "shop-1").values()) == {"robots_unreachable"}
        assert set(bad.paths()) <= {"/robots.txt"}


def jpeg(colour: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), (colour, 40, 90)).save(buffer, "JPEG")
    return buffer.getvalue()


def test_every_attempt_for_a_picture_is_a_row(shop: Shop, context: Context) -> None:
    kind = {"Content-Type": "image/jpeg"}
    shop.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /i/9\n")
    shop.answers |= {
        "/i/1": (200, kind, jpeg(1)),
        "/i/2": (404, {}, b""),
        "/i/3": lambda times: (200, kind, jpeg(3)) if times else (500, {}, b""),
        "/i/4": (200, kind, b"<html>not a picture</html>"),
        "/i/5": (302, {"Location": "/i/1"}, b""),
        "/i/6": (302, {"Location": "http://127.0.0.1:9/x"}, b""),
        "/i/7": (200, {**kind, "X-Robots-Tag": "noai"}, jpeg(7)),
        "/i/8": (200, kind, b"\xff\xd8\xff" + b"x" * (1 << 20)),
        "/i/9": (200, kind, jpeg(9)),
        "/i/10": (200, {**kind, "Content-Length": "99999"}, jpeg(10)),
        "/i/11": (302, {"Location": "/i/11"}, b""),
    }
    shop.page("/", "".join(tile(n) for n in range(1, 12)))
    for number in range(1, 12):
        shop.page(f"/p/{number}.html", f"<h1>{number}</h1>")
    sites = load_sites(context.config, context.config_folder)
    crawl(context, sites)
    merge(context, sites)
    fetch(context, sites)
    rows = [
        row
        for name in context.run.images.names()
        for row in context.run.images.read(name).to_pylist()
    ]
    said: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: row["attempt"]):
        said.setdefault(row["image_url"].rpartition("/")[2], []).append(row["outcome"])
    assert said == {
        "1": ["ok"], "2": ["http_404"], "3": ["http_500", "ok"], "4": ["not_an_image"], "5": ["ok"],
        "6": ["refused_address"], "7": ["opted_out"], "8": ["too_large"], "9": ["robots"],
        "10": ["incomplete", "incomplete"], "11": ["redirect_loop"],
    }  # fmt: skip
    images = {row["image_url"].rpartition("/")[2]: row["image"] for row in rows if row["image"]}
    assert images == {"1": jpeg(1), "3": jpeg(3), "5": jpeg(1)}
    assert "/i/9" not in shop.paths()
    before = len(shop.asked)
    fetch(context, sites)
    assert len(shop.asked) == before  # everything has its final outcome
    (name,) = context.run.images.names()
    context.run.images.discard(name)
    fetch(context, sites)
    assert len(shop.asked) > before
