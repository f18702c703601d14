"""Picture addresses: lazy loading, srcset, stand-ins, image proxies and rewrites."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.sites.pictures import is_stand_in, largest_of, original_of, srcset_candidates
from tests.crawler.shop_pages import reading, sighting, site

IMAGE = {"product": {"title": ["h1"], "image": ["img.main"]}, "extractors": ["selectors"]}
BY_SRC = {"product": {"title": ["h1"], "image": ["img.main::attr(src)"]}}


@pytest.mark.parametrize(
    ("tag", "address"),
    [
        ('src="data:image/gif;base64,R0" data-src="/a.jpg"', "/a.jpg"),
        ('src="/img/blank.gif" data-original="//cdn.example/a.jpg"', "http://cdn.example/a.jpg"),
        ('src="/spacer.gif" data-lazy-src="a.jpg"', "/p/a.jpg"),
        ('src="/loading.svg" data-lazy-img="//x.example/n7/a.jpg"', "http://x.example/n7/a.jpg"),
        ('src="/s.jpg" data-srcset="/s.jpg 200w, /l.jpg 800w"', "/l.jpg"),
        ('src="/s.jpg" srcset="/one.jpg 1x,/two.jpg 2x"', "/two.jpg"),
        ('src="/1x1.png" data-lazy-img="done" data-src="/a.jpg"', "/a.jpg"),
        ('data-src="/a.jpg" src="/b.jpg"', "/a.jpg"),
        ('src=" /a.jpg\n"', "/a.jpg"),
        ('src="/a.jpg?x=1&amp;amp;y=2"', "/a.jpg?x=1&y=2"),
        ('src="../up.jpg"', "/up.jpg"),
        ('src="/img/placeholder.png"', None),
        ('src="javascript:void(0)"', None),
        ('src=""', None),
    ],
)
def test_an_element_gives_its_best_address(tag: str, address: str | None) -> None:
    found = sighting(f"<h1>T</h1><img class=main {tag}>", at=site(**IMAGE))
    expected = f"http://shop.example{address}" if address and address[0] == "/" else address
    assert found.image_url == expected


def test_a_picture_elements_sources_are_asked() -> None:
    body = (
        "<h1>T</h1><picture><source srcset='/a-400.webp 400w, /a-1600.webp 1600w'>"
        "<img class=main src=/a-100.jpg></picture>"
    )
    assert sighting(body, at=site(**IMAGE)).image_url == "http://shop.example/a-1600.webp"
    outer = site(product={"title": ["h1"], "image": ["picture"]})
    assert sighting(body, at=outer).image_url == "http://shop.example/a-1600.webp"
    plain = "<h1>T</h1><picture><source><img class=main src=/a-100.jpg></picture>"
    assert sighting(plain, at=outer).image_url == "http://shop.example/a-100.jpg"


def test_a_named_attribute_is_taken_and_a_stand_in_in_it_leads_to_what_is_loaded_later() -> None:
    body = '<h1>T</h1><img class=main src="{}" data-src="/big.jpg">'
    assert sighting(body.format("/a.jpg"), at=site(**BY_SRC)).image_url == (
        "http://shop.example/a.jpg"
    )
    assert sighting(body.format("/blank.gif"), at=site(**BY_SRC)).image_url == (
        "http://shop.example/big.jpg"
    )
    by_set = site(product={"title": ["h1"], "image": ["//img/@data-srcset"]})
    body = '<h1>T</h1><img data-srcset="/s.jpg 100w, /l.jpg 900w">'
    assert sighting(body, at=by_set).image_url == "http://shop.example/l.jpg"


def test_the_base_element_counts() -> None:
    body = '<base href="//cdn.example/x/"><h1>T</h1><img class=main src="a.jpg">'
    assert sighting(body, at=site(**IMAGE)).image_url == "http://cdn.example/x/a.jpg"


@pytest.mark.parametrize(
    ("srcset", "candidates"),
    [
        ("/a.jpg", [("/a.jpg", 1000.0)]),
        ("/a.jpg 1x, /b.jpg 2.5x", [("/a.jpg", 1000.0), ("/b.jpg", 2500.0)]),
        ("/w_1,h_2/a.jpg 320w,\n /w_3,h_4/a.jpg 640w ,",
         [("/w_1,h_2/a.jpg", 320.0), ("/w_3,h_4/a.jpg", 640.0)]),
        ("/a.jpg, /b.jpg 2x", [("/a.jpg", 1000.0), ("/b.jpg", 2000.0)]),
        ("/a.jpg wide, ,", [("/a.jpg", 0.0)]),
        ("data:image/png;base64,AA== 2x, /a.jpg 1x",
         [("data:image/png;base64,AA==", 2000.0), ("/a.jpg", 1000.0)]),
        ("", []),
    ],
)  # fmt: skip
def test_srcset_is_read_as_browsers_do(srcset: str, candidates: list[tuple[str, float]]) -> None:
    assert list(srcset_candidates(srcset)) == candidates


def test_the_largest_candidate_that_is_a_picture_wins() -> None:
    assert largest_of("data:image/png;base64,AA== 2x, /a.jpg 1x, /b.jpg 1x") == "/a.jpg"
    assert largest_of("data:, 2x") is None


@given(st.text(max_size=200))
def test_no_srcset_is_too_strange(text: str) -> None:
    for address, size in srcset_candidates(text):
        assert address == address.strip()
        assert size == size or size != size  # a number, NaN at worst
    largest_of(text)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("data:image/gif;base64,R0lGOD", True),
        ("/images/spacer.gif", True),
        ("//cdn.example/assets/loading-spinner.svg?v=2", True),
        ("/img/1x1.png", True),
        ("/lazy_placeholder_2.png", True),
        ("done", True),
        ("", True),
        ("/img/blank-cd-50-pack.jpg", False),
        ("/img/transparent-tape.jpg", False),
        ("/img/spacer", False),
        ("/p/grey-shirt.jpg", False),
        ("/img/12345.jpg", False),
        ("http://cdn.example/image.jpg", False),
    ],
)
def test_only_what_is_nothing_but_a_stand_in_is_one(address: str, expected: bool) -> None:
    assert is_stand_in(address) is expected


SHOP = "https://shop.example"


@pytest.mark.parametrize(
    ("proxied", "original"),
    [
        ("/_next/image?url=%2Fmedia%2Fa.jpg&w=640&q=75", "/media/a.jpg"),
        ("/_next/image?url=https%3A%2F%2Fcdn.example%2Fa.jpg%3Fv%3D2&w=64",
         "https://cdn.example/a.jpg?v=2"),
        ("/_next/image?url=%2Fapi%2Fpictures%2F7&w=640", "/api/pictures/7"),
        ("/resize.php?w=80&src=/img/a.png", "/img/a.png"),
        ("/timthumb.php?src=img/a.png&w=80", "/img/a.png"),
        ("/image?src=https://cdn.example/a.webp", "https://cdn.example/a.webp"),
        ("https://wsrv.nl/?url=cdn.example/a.jpg&w=80", "https://cdn.example/a.jpg"),
        ("/cdn-cgi/image/width=80,quality=75/https://cdn.example/a.jpg?v=1",
         "https://cdn.example/a.jpg?v=1"),
        ("/cdn-cgi/image/width=80/img/a.jpg", "/img/a.jpg"),
        ("/_ipx/w_640&f_webp/img/a.jpg", "/img/a.jpg"),
        ("https://res.example/demo/image/fetch/w_80/https://cdn.example/a.jpg",
         "https://cdn.example/a.jpg"),
        ("/_next/image?url=%2Fcdn-cgi%2Fimage%2Fwidth%3D80%2Fimg%2Fa.jpg&w=64", "/img/a.jpg"),
        # No proxies: an address in the query that is no picture, a picture with parameters.
        ("/track?u=https://shop.example/p/1", None),
        ("/a.jpg?src=/b.jpg", None),
        ("/a.jpg?width=80", None),
        ("/img?id=7", None),
        ("/web/2020im_/https://cdn.example/a.jpg", None),
        ("/_next/image?w=640", None),
    ],
)  # fmt: skip
def test_a_proxys_address_gives_the_originals(proxied: str, original: str | None) -> None:
    url = proxied if proxied.startswith("http") else SHOP + proxied
    expected = url if original is None else original
    assert original_of(url) == (expected if expected.startswith("http") else SHOP + expected)
    assert original_of(original_of(url)) == original_of(url)


def test_proxies_are_kept_where_the_site_file_says_so_and_rewrites_come_after_them() -> None:
    body = '<h1>T</h1><img class=main src="/_next/image?url=%2Fn7%2Fa.jpg&w=64">'
    rewrite = [{"pattern": "/n7/", "replace": "/n0/"}]
    assert sighting(body, at=site(**IMAGE, image_rewrite=rewrite)).image_url == (
        "http://shop.example/n0/a.jpg"
    )
    kept = site(**IMAGE, unwrap_image_proxies=False)
    assert sighting(body, at=kept).image_url == (
        "http://shop.example/_next/image?url=%2Fn7%2Fa.jpg&w=64"
    )


def test_tiles_of_a_lazy_grid_have_their_pictures() -> None:
    rules = {"listing": {"tile": "li", "url": ["a::attr(href)"], "image": ["img::attr(src)"]}}
    body = "".join(
        f'<li><a href=/p/{n}><img src="data:image/gif;base64,R0" {name}="/{n}.jpg"></a></li>'
        for n, name in enumerate(("data-src", "data-lazy-img", "data-original", "data-lazy-src"))
    )
    found = reading(body, "/c/1", site(**rules)).sightings
    assert [s.image_url for s in found] == [f"http://shop.example/{n}.jpg" for n in range(4)]


def test_hostile_addresses_take_linear_time() -> None:
    started = time.process_time()
    for text in (
        "https://a/" * 50_000, "https://a/cdn-cgi/image/" * 20_000, "https://a/?" + "url=" * 90_000,
        "https://a/-" + "1-" * 200_000 + ".gif", "https://a/?" + "src=%2F&" * 1_000,
    ):  # fmt: skip
        original_of(text)
        is_stand_in(text)
        largest_of(text + ", " * 100_000)
    assert time.process_time() - started < 2.0
