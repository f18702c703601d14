"""`mep3m site check`: what each extractor finds on a saved page or a live one, and which wins."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import pipeline
from crawler.sites.saved import saved_page
from runtime.errors import ConfigError
from tests.crawler.shop import SITE_FILE, Shop, running_shop
from tests.crawler.shop_pages import GBK_PRODUCT, NEXT, SHOPIFY
from tests.crawler.test_sites_programs import JD_LIST, LUMA_GRID, MAGENTO


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as running:
        running.page("/robots.txt", "User-agent: *\nDisallow: /secret\n")
        running.page("/p/7.html", SHOPIFY)
        running.page("/secret/p/7.html", SHOPIFY)
        running.answers["/old"] = (302, {"Location": "/p/7.html"}, b"")
        running.answers["/inward"] = (302, {"Location": "http://10.0.0.1/p/7.html"}, b"")
        running.answers["/sideways"] = (302, {"Location": "/secret/p/7.html"}, b"")
        running.answers["/loop"] = (302, {"Location": "/loop"}, b"")
        zipped = gzip.compress(SHOPIFY.encode())
        running.answers["/zipped"] = (200, {"Content-Encoding": "gzip"}, zipped)
        bomb = gzip.compress(b"\0" * 40_000_000)
        running.answers["/bomb"] = (200, {"Content-Encoding": "gzip"}, bomb)
        yield running


def check(*arguments: str) -> Result:
    return CliRunner().invoke(pipeline.main, ["site", "check", *arguments])


def checked(*arguments: str) -> list[dict[str, Any]]:
    said = check(*arguments, "--json")
    assert said.exit_code == 0, said.output
    return json.loads(said.stdout)["checks"]  # type: ignore[no-any-return]


def found(one: dict[str, Any]) -> dict[tuple[str, str], tuple[str, bool]]:
    return {(f["field"], f["extractor"]): (f["found"], f["wins"]) for f in one["findings"]}


def configure(shop: Shop, **settings: Any) -> None:
    lines = [f'{name} = "{value}"' for name, value in settings.items()]
    Path("own.toml").write_text(SITE_FILE)
    Path("mep3m.toml").write_text(
        "\n".join(lines) + f'\n[[site]]\nkey = "mine"\nprogram = "own.toml"\n'
        f'base_url = "{shop.base_url}"\nallow_private = ["{shop.host}"]\n'
    )


def test_a_saved_page_needs_no_configuration_and_shows_who_finds_what() -> None:
    Path("page.html").write_text(SHOPIFY)
    said = check("page.html", "--url", "https://shop.example/products/linen-shirt")
    assert said.exit_code == 0
    lines = said.output.splitlines()
    assert lines[0] == (
        "https://shop.example/products/linen-shirt: product page of any, utf-8"
    )  # fmt: skip
    rows = [tuple(line.split(None, 3)) for line in lines[1:]]
    assert ("title", "jsonld", "wins", "Linen Shirt & Belt") in rows
    assert ("title", "opengraph", "Linen", "Shirt") in rows
    assert any(row[:3] == ("image", "jsonld", "wins") for row in rows)


def test_without_a_site_every_shipped_file_that_fits_is_shown_too() -> None:
    Path("grid.html").write_text(LUMA_GRID)
    checks = checked("grid.html", "--url", f"{MAGENTO}/women/tops-women.html")
    assert [one["site"] for one in checks][-1] == "magento2"
    magento = found(checks[-1])
    assert checks[-1]["page_kind"] == "listing"
    assert magento["products", "selectors"][0].startswith("2: ")
    assert magento["next page", "links"] == (f"{MAGENTO}/women/tops-women.html?p=2", True)
    assert magento["category_path", "selectors"] == ("Home > Women > Tops", True)
    assert magento["titles", "selectors"][0] == "2: Radiant Tee · Breathe-Easy Tank"
    assert len(checks[-1]["sightings"]) == 2


def test_a_shipped_site_file_is_tried_by_its_name_and_unknown_addresses_both_ways() -> None:
    Path("list.html").write_bytes(JD_LIST.replace("{pager}", "").encode("gbk"))
    (one,) = [c for c in checked("list.html", "--site", "jd") if c["page_kind"] == "listing"]
    assert one["encoding"] == "gb18030"
    assert found(one)["products", "selectors"][0].startswith("3: //item.jd.com/100.html")
    Path("product.html").write_bytes(GBK_PRODUCT.encode("gbk"))
    (one,) = checked("product.html")
    assert found(one)["title", "generic-low"] == ("景德镇陶瓷茶杯", True)


def test_the_address_is_read_from_the_page_where_it_names_it() -> None:
    Path("saved.html").write_text('<link rel=canonical href="https://a.example/p/1"><h1>T</h1>')
    assert checked("saved.html")[0]["url"] == "https://a.example/p/1"
    Path("saved.html").write_text("<!-- saved from url=(0024)https://b.example/p/2 --><h1>T</h1>")
    assert checked("saved.html")[0]["url"] == "https://b.example/p/2"


def test_every_extractor_is_asked_with_a_site_of_the_configuration(shop: Shop) -> None:
    configure(shop)
    (one,) = checked(f"{shop.base_url}/p/7.html", "--site", "mine")
    rows = found(one)
    assert rows["title", "jsonld"] == ("Linen Shirt & Belt", True)
    assert rows["title", "selectors"] == ("Linen Shirt", False)
    assert rows["title", "generic-low"] == ("Linen Shirt", False), "not in the file's extractors"
    assert one["page_kind"] == "product"
    (sighting,) = one["sightings"]
    assert sighting["record_id"] == "mine:7"


@pytest.mark.parametrize("path", ["/old", "/zipped"])
def test_redirects_are_followed_and_codings_undone(shop: Shop, path: str) -> None:
    configure(shop)
    said = check(f"{shop.base_url}{path}", "--site", "mine", "--json")
    assert said.exit_code == 0, said.output
    assert "Linen Shirt" in said.output


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/secret/p/7.html", "robots.txt"),
        ("/sideways", "robots.txt"),
        ("/inward", "expected a public address"),
        ("/loop", "at most 5 redirects"),
        ("/missing", "status 404"),
        ("/bomb", "bytes"),
    ],
)
def test_a_page_that_must_not_or_cannot_be_had_is_said_in_one_line(
    shop: Shop, path: str, words: str
) -> None:
    configure(shop, contact="me@shop.example")
    before = shop.paths().count("/secret/p/7.html")
    said = check(f"{shop.base_url}{path}", "--site", "mine")
    assert said.exit_code == 30
    assert words in said.stderr
    assert said.stderr.startswith("mep3m: ")
    assert said.stderr.count("\n") == 1
    assert shop.paths().count("/secret/p/7.html") == before


def test_a_shop_on_this_machine_is_asked_where_that_is_said(shop: Shop) -> None:
    said = check(f"{shop.base_url}/p/7.html", "--allow-private")
    assert said.exit_code == 0, said.stderr
    assert "wins" in said.output


def test_private_hosts_and_strangers_are_not_asked(shop: Shop) -> None:
    asked = len(shop.asked)
    said = check(f"{shop.base_url}/p/7.html")
    assert (said.exit_code, "allow_private" in said.stderr) == (30, True)
    said = check("http://shop.example.com/p/7.html")
    assert (said.exit_code, "`contact`" in said.stderr) == (2, True)
    assert len(shop.asked) == asked


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["gone.html"], "gone.html: expected a saved page"),
        (["page.html", "--site", "magento"], "--site magento: expected a site"),
        (["page.html", "--url", "shop.example/p/1"], "--url"),
        (["http://shop.example/", "--url", "http://shop.example/"], "--url"),
        (["page.html", "--config", "gone.toml"], "gone.toml"),
        (["."], "expected a saved page"),
    ],
)
def test_wrong_usage_is_one_line_and_status_2(arguments: list[str], words: str) -> None:
    Path("page.html").write_text(SHOPIFY)
    said = check(*arguments)
    assert said.exit_code == 2
    assert words in said.stderr
    assert said.stderr.count("\n") == 1


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"plain text", NEXT.encode()[:99]])
def test_a_page_without_anything_says_so(body: bytes) -> None:
    Path("empty.html").write_bytes(body)
    said = check("empty.html")
    assert said.exit_code == 0
    assert "nothing was found" in said.output


def test_a_file_that_is_no_page_is_named(tmp_path: Path) -> None:
    path = tmp_path / "picture.html"
    path.write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    with pytest.raises(ConfigError, match=r"picture\.html: expected an HTML page, got binary"):
        saved_page(path, None, None)
    path.write_bytes("<h1>Täglich</h1>".encode("utf-16"))
    page, _ = saved_page(path, None, None)
    assert page.body.startswith(b"\xff\xfe")
