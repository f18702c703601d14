"""A page-object class says what a site file cannot; whatever is wrong with it is said clearly."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.sites.pages import PageInput, PageReading, UnreadablePage, read_page
from crawler.sites.sitefile import Site, load_site
from runtime.config import SiteConfig
from runtime.errors import ConfigError

OWN = """
from web_poet import field
from crawler.sites.pages import ListingPage, ProductPage
from crawler.sites.document import Tile

class Product(ProductPage):
    @field
    def title(self):
        return " ".join(self.css(".brand::text, .model::text").getall()) or super().title

class Grid(ListingPage):
    def tiles(self):
        yield "own", Tile("/p/" + self.css("[data-p]::attr(data-p)").get(), None, "From the grid")

class Failing(ProductPage):
    @field
    def title(self):
        raise {fault}

NOT_A_CLASS = 7
class Unrelated: ...
"""
BODY = "<h1>Heading</h1><i class=brand>ASD</i><i class=model>F-26</i><p data-p=9>"


def loaded(folder: Path, source: str | None = OWN, **keys: str) -> Site:
    lines = [f"{key} = {value!r}" for key, value in keys.items()]
    (folder / "own.toml").write_text(
        "\n".join(lines) + "\n[url]\nproduct = '/p/[0-9]+$'\n[product]\ntitle = ['h1']\n"
    )
    if source is not None:
        (folder / "own.py").write_text(source)
    return load_site(
        SiteConfig(key="shop", program="own.toml", base_url="http://shop.example"), folder
    )


def read(site: Site, path: str) -> PageReading:
    return read_page(PageInput(f"http://shop.example{path}", "start", 200, (), BODY.encode()), site)


def test_a_class_overrides_a_field_and_keeps_the_others(tmp_path: Path) -> None:
    (found,) = read(loaded(tmp_path, product_page="own.py:Product"), "/p/1").sightings
    assert found.title == "ASD F-26"
    assert found.extracted_by == {"title": "page-object"}


def test_a_listing_class_finds_tiles_of_its_own(tmp_path: Path) -> None:
    found = read(loaded(tmp_path, listing_page="own.py:Grid"), "/c/1")
    assert [(s.product_url, s.title) for s in found.sightings] == [
        ("http://shop.example/p/9", "From the grid")
    ]
    assert found.sightings[0].extracted_by == {"title": "own"}
    assert [link.target_url for link in found.links] == ["http://shop.example/p/9"]


def test_its_source_enters_the_sites_digest(tmp_path: Path) -> None:
    without = loaded(tmp_path)
    first = loaded(tmp_path, product_page="own.py:Product")
    again = loaded(tmp_path, product_page="own.py:Product")
    changed = loaded(tmp_path, OWN.replace('" ".join', '"+".join'), product_page="own.py:Product")
    assert first.digest == again.digest
    assert len({without.digest, first.digest, changed.digest}) == 3
    (found,) = read(changed, "/p/1").sightings
    assert found.title == "ASD+F-26", "an old compiled form must not be taken for the new source"


@pytest.mark.parametrize("fault", ["KeyError('x')", "TypeError('bad')", "ZeroDivisionError()"])
def test_whatever_a_class_raises_its_page_has_a_named_outcome(tmp_path: Path, fault: str) -> None:
    site = loaded(tmp_path, OWN.replace("{fault}", fault), product_page="own.py:Failing")
    with pytest.raises(UnreadablePage, match=fault.partition("(")[0]):
        read(site, "/p/1")


@pytest.mark.parametrize(
    ("value", "source", "words"),
    [
        ("own.py", OWN, "'my_shop.py:MyPage'"),
        ("own:Product", OWN, "'my_shop.py:MyPage'"),
        ("gone.py:Product", None, "found none"),
        ("own.py:Gone", OWN, "expected a class Gone"),
        ("own.py:NOT_A_CLASS", OWN, "subclass of crawler.sites.pages.ProductPage"),
        ("own.py:Unrelated", OWN, "subclass of crawler.sites.pages.ProductPage"),
        ("own.py:Grid", OWN, "subclass of crawler.sites.pages.ProductPage"),
        ("own.py:Product", "class Product(:", "SyntaxError"),
        ("own.py:Product", "import not_there_at_all", "ModuleNotFoundError"),
        ("own.py:Product", "1 / 0", "ZeroDivisionError"),
    ],
)
def test_each_way_to_be_wrong_is_one_line_that_names_file_key_and_value(
    tmp_path: Path, value: str, source: str | None, words: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        loaded(tmp_path, source, product_page=value)
    line = str(caught.value)
    assert "\n" not in line
    for word in ("own.toml", "`product_page`", repr(value), words):
        assert word in line


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="readable UTF-8"):
        loaded(tmp_path, None, product_page="own.py:Product")
