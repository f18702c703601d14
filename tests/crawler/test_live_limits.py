"""More of what a live server can do: bombs, names that lie, slow pictures, and half a fetch."""

from __future__ import annotations

import gzip
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crawler.crawl import crawl, host_groups
from crawler.images import fetch
from crawler.merge import merge
from crawler.sources import load_sites, require_contact
from runtime.config import parse_config
from runtime.errors import ConfigError
from runtime.executor import WorkerPool
from runtime.stages import Context
from runtime.storage import write_json
from tests.crawler.shop import HTML, SITE_FILE, Answer, Shop, running_shop, tile
from tests.crawler.test_live import crawl_all, jpeg, make_context, outcomes

JPEG = {"Content-Type": "image/jpeg"}


@pytest.fixture(scope="module")
def pool() -> Iterator[WorkerPool]:
    with WorkerPool(1) as pool:
        yield pool


@pytest.fixture
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        yield running


def hasty(context: Context) -> Context:
    """A second for a picture, no more."""
    fetch = context.config.fetch.model_copy(update={"timeout": 1.0})
    return replace(context, config=context.config.model_copy(update={"fetch": fetch}))


def attempts(context: Context) -> dict[str, list[str]]:
    """Outcomes by the last part of the picture's path, in the order of the attempts."""
    found: dict[str, list[str]] = {}
    for name in context.run.images.names():
        for row in context.run.images.read(name).to_pylist():
            found.setdefault(row["image_url"].rpartition("/")[2], []).append(row["outcome"])
    return found


def test_bombs_and_oddities_are_named_and_the_crawl_goes_on(
    shop: Shop, tmp_path: Path, pool: WorkerPool
) -> None:
    names = ("bomb", "large", "gone", "odd", "coded", "surrogate", "header")
    shop.page("/", "<nav>" + "".join(f'<a href="/{n}">{n}</a>' for n in names) + "</nav>")
    coded = {**HTML, "Content-Encoding": "gzip"}
    shop.answers["/bomb"] = (200, coded, gzip.compress(b"\0" * (3 << 20)))
    shop.answers["/large"] = (200, HTML, b"x" * ((1 << 20) + 1))
    shop.answers["/gone"] = (410, HTML, b"gone")
    shop.answers["/odd"] = (299, HTML, b"<p>odd but fine")
    shop.answers["/coded"] = (200, coded, gzip.compress(tile(1).encode()))
    script = '<script type="application/ld+json">{"@type": "Product", "name": "a\\ud800"}</script>'
    shop.page("/surrogate", script + tile(2))
    shop.page("/header", tile(3), X_Robots_Tag="\xc4\xda, max-snippet:5, noai")
    shop.page("/p/1.html", script)
    context = make_context(tmp_path, pool, shop, max_body_mib=1)
    assert crawl_all(context).failed_sites == {}
    found = outcomes(context)
    assert {name: found[f"/{name}"] for name in names} == {
        "bomb": "too_large", "large": "too_large", "gone": "http_410", "odd": "ok",
        "coded": "ok", "surrogate": "ok", "header": "ok",
    }  # fmt: skip
    sightings = context.run.sightings.read("shop-0").to_pylist()
    assert {row["record_id"] for row in sightings} == {"shop-0:1", "shop-0:2", "shop-0:3"}
    said = {row["record_id"]: row["opt_out"] for row in sightings}
    assert said["shop-0:3"] == "X-Robots-Tag: noai"
    assert shop.paths().count("/bomb") == 1


def test_a_name_that_resolves_into_the_network_is_refused_unless_it_is_meant(
    shop: Shop, tmp_path: Path, pool: WorkerPool
) -> None:
    shop.page("/", tile(1))
    shop.page("/p/1.html", "<h1>One</h1>")
    host = shop.host.replace("127.0.0.1", "localhost")
    for allowed in (False, True):
        folder = tmp_path / str(allowed)
        folder.mkdir()
        context = make_context(folder, pool, shop, max_attempts=1)
        values = context.config.model_dump(mode="json") | {"contact": "crawl@shop.example"}
        values["site"][0] |= {
            "base_url": f"http://{host}", "allow_private": [host] if allowed else []
        }  # fmt: skip
        context = Context(
            parse_config(values), folder, context.workspace, context.run, pool, quiet=True
        )
        result = crawl_all(context)
        if allowed:
            assert outcomes(context)["/p/1.html"] == "ok"
        else:
            assert list(result.failed_sites) == ["shop-0"]
            assert shop.asked == []


FILL = """
import resource, sys
from crawler.worker import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
sys.exit(main())
"""


@pytest.mark.parametrize("limit", [130_000, 200_000])
def test_a_crawl_on_a_full_disk_ends_and_goes_on_when_there_is_room(
    shop: Shop, tmp_path: Path, pool: WorkerPool, limit: int
) -> None:
    """A limit on file size stands in for the disk, for the frontier and for the captures."""
    noise = random.Random(7)
    shop.page("/", "".join(tile(number) for number in range(20)))
    for number in range(20):
        shop.page(f"/p/{number}.html", "<h1>T</h1>" + noise.randbytes(20_000).hex())
    context = make_context(tmp_path, pool, shop)
    job = tmp_path / "shop-0.job.json"
    values = {"site": "shop-0", "run": str(context.run.folder), "config_folder": str(tmp_path)}
    write_json(job, {**values, "config": context.config.model_dump(mode="json")})
    said = subprocess.run(
        [sys.executable, "-c", FILL, str(job), str(os.getpid()), str(limit)],
        cwd=Path(__file__).resolve().parents[2], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert said.returncode == 1, said.stderr
    # SQLite says this limit is an I/O error; a disk without room would be named by it as well.
    assert "no room to write" in said.stderr or "disk I/O error" in said.stderr
    assert len(shop.asked) < 80, "it asked on although nothing could be stored"
    assert not context.run.pages.names()
    crawl_all(context)
    assert list(outcomes(context).values()) == ["ok"] * 21


def test_a_second_crawl_of_a_finished_run_asks_nothing(
    shop: Shop, tmp_path: Path, pool: WorkerPool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.page("/", tile(1) + tile(2))
    context = make_context(tmp_path, pool, shop)
    first = crawl_all(context)
    before = len(shop.asked)
    again = crawl_all(context)
    assert (again.made, again.counts) == (0, first.counts)
    part = context.run.sightings.path("shop-0")
    whole = part.read_bytes()
    part.write_bytes(whole[:50] + b"?" + whole[51:])
    assert crawl_all(context).counts == first.counts
    assert str(part) in capsys.readouterr().err
    assert part.read_bytes() == whole
    assert len(shop.asked) == before


def test_pictures_that_come_late_or_seldom(shop: Shop, tmp_path: Path, pool: WorkerPool) -> None:
    def late(times: int) -> Answer:
        time.sleep(2.0)
        return 200, JPEG, jpeg(1)

    shop.page("/", "".join(tile(number) for number in (1, 2, 2, 3)))
    shop.answers["/i/1"] = late
    shop.answers["/i/2"] = (200, JPEG, jpeg(2))
    shop.answers["/i/3"] = lambda times: (
        (429, {"Retry-After": "1"}, b"") if not times else (200, JPEG, jpeg(3))
    )
    for number in (1, 2, 3):
        shop.page(f"/p/{number}.html", f"<h1>{number}</h1>")
    context = hasty(make_context(tmp_path, pool, shop))
    sites = load_sites(context.config, context.config_folder)
    crawl(context, sites)
    merge(context, sites)
    fetch(context, sites)
    found = attempts(context)
    assert found["1"] == ["timeout", "timeout"]
    assert "http_429" in found["3"]
    assert found["2"][-1] == found["3"][-1] == "ok"
    asked = [moment for moment, path in shop.asked if path == "/i/3"]
    assert asked[-1] - asked[0] >= 0.9
    # Two records show the picture; only an attempt that failed is made again.
    assert shop.paths().count("/i/2") == len(found["2"])


def test_a_resumed_fetch_asks_only_for_what_is_missing(
    shop: Shop, tmp_path: Path, pool: WorkerPool, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.page("/", "".join(tile(number) for number in range(4)))
    for number in range(4):
        shop.page(f"/p/{number}.html", f"<h1>{number}</h1>")
        shop.answers[f"/i/{number}"] = (200, JPEG, jpeg(number))
    shop.answers["/i/3"] = (500, {}, b"")
    context = make_context(tmp_path, pool, shop)
    sites = load_sites(context.config, context.config_folder)
    crawl(context, sites)
    merge(context, sites)
    fetch(context, sites)
    assert attempts(context) == {"0": ["ok"], "1": ["ok"], "2": ["ok"], "3": ["http_500"] * 2}
    images = [
        row["image"] for row in context.run.images.read(context.run.images.names()[0]).to_pylist()
    ]
    assert sorted(filter(None, images)) == sorted(jpeg(number) for number in range(3))
    shop.asked.clear()
    fetch(context, sites)
    assert shop.asked == []  # two attempts were all that it may have
    (name,) = context.run.images.names()
    part = context.run.images.path(name)
    part.write_bytes(part.read_bytes()[:-1])
    shop.answers["/i/3"] = (200, JPEG, jpeg(3))
    result = fetch(context, sites)
    assert str(part) in capsys.readouterr().err
    assert result.counts == {"images.ok": 4}
    assert sorted(shop.paths()) == [f"/i/{number}" for number in range(4)]


def test_the_fetch_keeps_the_crawls_robots_txt_and_crawl_delay(
    shop: Shop, tmp_path: Path, pool: WorkerPool
) -> None:
    shop.answers["/robots.txt"] = (200, {}, b"User-agent: *\nDisallow: /i/1\nCrawl-delay: 0.3\n")
    shop.page("/", "".join(tile(number) for number in range(4)))
    for number in range(4):
        shop.answers[f"/i/{number}"] = (200, JPEG, jpeg(number))
    context = make_context(tmp_path, pool, shop)
    sites = load_sites(context.config, context.config_folder)
    crawl(context, sites)
    merge(context, sites)
    fetch(context, sites)
    assert attempts(context) == {"0": ["ok"], "1": ["robots"], "2": ["ok"], "3": ["ok"]}
    assert shop.paths().count("/robots.txt") == 1
    moments = [moment for moment, path in shop.asked if path.startswith("/i/")]
    assert len(moments) == 3
    assert moments[-1] - moments[0] >= 0.3  # two gaps of 0.3, the first log entry may come late


def test_sites_that_share_a_host_share_a_worker(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(SITE_FILE)
    hosts = {"a": ["x"], "b": ["y"], "c": ["z"], "d": ["x", "y"]}
    config = parse_config(
        {
            "contact": "crawl@shop.example",
            "site": [
                {"key": k, "program": "own.toml", "base_url": f"http://{k}.example", "hosts": h}
                for k, h in hosts.items()
            ],
        }
    )
    groups = host_groups(load_sites(config, tmp_path))
    assert sorted(sorted(site.key for site in group) for group in groups) == [
        ["a", "b", "d"], ["c"]
    ]  # fmt: skip


def test_no_public_shop_is_crawled_without_a_contact(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(SITE_FILE)
    site = {"key": "a", "program": "own.toml", "base_url": "http://a.example"}
    config = parse_config({"site": [site]})
    with pytest.raises(ConfigError, match=r"`contact`.*http://a\.example"):
        require_contact(config, load_sites(config, tmp_path))
    with pytest.raises(ConfigError, match=r"\[\[site\]\]"):
        load_sites(parse_config({}), tmp_path)
