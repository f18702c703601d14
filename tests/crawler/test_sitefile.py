"""Site files: one spelling per URL, and faults that are found before the first request."""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.sites.sitefile import Site, load_site, parse_site_file
from runtime.config import SiteConfig
from runtime.errors import ConfigError

PROGRAMS = sorted(
    path.name.removesuffix(".toml")
    for path in resources.files("crawler.sites").iterdir()
    if path.name.endswith(".toml")
)
URL = {"product": "/p/"}


def site(**changes: Any) -> Site:
    config = SiteConfig(key="shop", program="own.toml", base_url="http://Shop.Example")
    return Site(config, parse_site_file({"url": URL, **changes}, "own.toml"))


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("http://SHOP.example", "http://shop.example/"),
        ("http://shop.example/a?b=2&a=1#top", "http://shop.example/a?a=1&b=2"),
        ("http://shop.example/a?utm_source=x&UTM_medium=y", "http://shop.example/a"),
        ("http://shop.example/a?PHPSESSID=1&b=&spm=2", "http://shop.example/a?b="),
        ("http://shop.example/a;jsessionid=5F?b=1", "http://shop.example/a?b=1"),
        ("http://shop.example/中?q=中", "http://shop.example/%E4%B8%AD?q=%E4%B8%AD"),
        ("http://shop.example/a?keyword=%C4%DA%D2%C2", "http://shop.example/a?keyword=%C4%DA%D2%C2"),
        ("http://shop.example/a?order=2&page=3", "http://shop.example/a?page=3"),
        ("http://shop.example/a?a=1&a=1", "http://shop.example/a?a=1&a=1"),
    ],
)  # fmt: skip
def test_a_page_has_one_spelling(written: str, canonical: str) -> None:
    shop = site(url={**URL, "drop_query": ["Order"]})
    assert shop.canonical(written) == canonical
    assert shop.canonical(canonical) == canonical


@given(
    st.lists(
        st.tuples(st.sampled_from("abPq"), st.binary(max_size=3)), max_size=4, unique_by=lambda p: p
    )
)
def test_queries_in_any_encoding_stay_apart_and_in_any_order_are_one(
    pairs: list[tuple[str, bytes]],
) -> None:
    def url(some: list[tuple[str, bytes]]) -> str:
        words = (f"{k}=" + "".join(f"%{byte:02X}" for byte in v) for k, v in some)
        return "http://shop.example/?" + "&".join(words)

    shop = site()
    canonical = shop.canonical(url(pairs))
    assert shop.canonical(url(pairs[::-1])) == canonical
    assert shop.canonical(canonical) == canonical
    if pairs:
        changed = [(pairs[0][0], pairs[0][1] + b"\xc4"), *pairs[1:]]
        assert shop.canonical(url(changed)) != canonical


def test_what_is_no_url_is_an_error() -> None:
    with pytest.raises(ValueError, match="IPv6"):
        site().canonical("http://[bad/")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({}, ("`url`", "required")),
        ({"url": {"product": "("}}, ("`url.product`", "'('", "regular expression")),
        ({"url": {**URL, "product_id": "[a"}}, ("`url.product_id`", "regular expression")),
        ({"nope": 1}, ("`nope`", "'1'")),
        (
            {"extractors": ["magic"]},
            ("`extractors.0`", "'magic'", "'jsonld', 'microdata'", "'generic'"),
        ),
        ({"extractors": []}, ("`extractors`", "at least 1")),
        ({"visit_products": "no"}, ("`visit_products`", "'no'", "boolean")),
        ({"links": {"next": ["a", "b[["]}}, ("`links.next.1`", "'b[['", "CSS selector")),
        ({"links": {"next": []}}, ("`links.next`", "at least 1")),
        ({"links": {"category_trail": "//["}}, ("`links.category_trail`", "XPath")),
        ({"listing": {"tile": "li:foo()", "url": ["a"]}}, ("`listing.tile`", "CSS selector")),
        ({"listing": {"tile": "li"}}, ("`listing.url`", "required")),
        ({"product": {"title": ["h1::what()"]}}, ("`product.title.0`", "CSS selector")),
        ({"image_rewrite": [{"pattern": "(", "replace": ""}]}, ("`image_rewrite.0`", "regular")),
        ({"image_rewrite": [{"pattern": "a", "replace": "\\2"}]}, ("`image_rewrite.0`", "group")),
    ],
)
def test_a_fault_names_file_key_and_value(values: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_site_file(values if "url" in values or not values else {"url": URL, **values}, "mine")
    line = str(caught.value)
    assert "\n" not in line
    for word in ("mine", *words):
        assert word in line


@pytest.mark.parametrize("program", PROGRAMS)
def test_every_shipped_site_file_loads(program: str, tmp_path: Path) -> None:
    config = SiteConfig(key="a", program=program, base_url="https://shop.example")
    shop = load_site(config, tmp_path)
    assert shop.file.description
    assert shop.hosts == {"shop.example"}
    assert all(url.startswith("https://shop.example/") for url in shop.start_urls)
    assert not any(shop.is_product(url) for url in shop.start_urls)


def test_an_own_site_file_is_found_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "sites").mkdir()
    config = SiteConfig(key="a", program="sites/own.toml", base_url="https://shop.example")
    with pytest.raises(ConfigError, match=r"own\.toml, found none"):
        load_site(config, tmp_path)
    (tmp_path / "sites" / "own.toml").write_text("[url]\nproduct = '/p/(\\d+)'\n")
    shop = load_site(config, tmp_path)
    assert shop.is_product("https://shop.example/p/7")
    assert shop.product_id("https://shop.example/p/7") is None
    (tmp_path / "sites" / "own.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="TOML site file"):
        load_site(config, tmp_path)


def test_an_unknown_program_is_named_with_those_there_are(tmp_path: Path) -> None:
    config = SiteConfig(key="a", program="magento", base_url="https://shop.example")
    with pytest.raises(ConfigError) as caught:
        load_site(config, tmp_path)
    for word in ("magento", *PROGRAMS):
        assert word in str(caught.value)


def test_the_digest_changes_with_whatever_changes_extraction() -> None:
    base = site()
    assert site().digest == base.digest
    assert site(visit_products=False).digest != base.digest
    other = SiteConfig(key="shop", program="own.toml", base_url="http://other.example")
    assert Site(other, base.file).digest != base.digest


def test_product_ids_and_originals_come_from_the_site_file() -> None:
    shop = site(
        url={"product": r"/p/\d+$", "product_id": r"/p/(\d+)$"},
        image_rewrite=[
            {"pattern": r"_\d+x\d+\.", "replace": "."},
            {"pattern": "/n7/", "replace": "/n0/"},
        ],
    )
    assert shop.product_id("http://shop.example/p/12") == "12"
    assert shop.product_id("http://shop.example/q/12") is None
    assert shop.original_image("http://i/n7/a_60x60.jpg") == "http://i/n0/a.jpg"
    text = 'start = ["/x?b=1&a=2"]\n[url]\nproduct = "p"\n'
    started = Site(shop.config, parse_site_file(tomllib.loads(text), "own.toml"))
    assert started.start_urls == ["http://shop.example/x?a=2&b=1"]
