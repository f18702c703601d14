"""What servers really write into robots.txt, Retry-After and X-Robots-Tag."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness import ROBOTS_MAX_BYTES, RobotsRules, opt_out_of, retry_after, user_agent
from crawler.sites.pages import PageInput, read_page
from crawler.sites.sitefile import Site, parse_site_file
from runtime.config import SiteConfig

BOM = b"\xef\xbb\xbf"


def test_a_byte_order_mark_hides_no_rule() -> None:
    rules = RobotsRules.from_response(200, BOM + b"User-agent: *\nDisallow: /\n")
    assert not rules.parsed().allows("https://shop.example/")


def test_only_so_much_of_robots_txt_is_read() -> None:
    body = b"#" * ROBOTS_MAX_BYTES + b"\nUser-agent: *\nDisallow: /\n"
    assert RobotsRules.from_response(200, body).parsed().allows("https://shop.example/")


@given(st.binary(max_size=300), st.sampled_from([b"", b"User-agent: *\n", b"Crawl-delay: "]))
def test_no_robots_txt_is_too_strange(body: bytes, start: bytes) -> None:
    parsed = RobotsRules.from_response(200, start + body).parsed()
    assert parsed.allows("https://shop.example/x") in (True, False)
    assert parsed.crawl_delay == parsed.crawl_delay  # never "not a number"
    assert isinstance(parsed.sitemaps, list)


@pytest.mark.parametrize("value", ["nan", "inf", "1e400", "-5", "soon", ""])
def test_a_crawl_delay_that_is_no_time_is_none(value: str) -> None:
    assert RobotsRules(f"User-agent: *\nCrawl-delay: {value}\n").parsed().crawl_delay == 0.0


@given(st.text(max_size=30))
def test_no_retry_after_is_too_strange(value: str) -> None:
    seconds = retry_after(value, 0.0)
    assert seconds is None or seconds >= 0


@given(
    st.sampled_from(["GMT", "+0800", "+9999", "-" + "9" * 30, "+" + "9" * 12, "XYZ", ""]),
    st.one_of(st.integers(0, 99_999), st.just(10**30)),
    st.integers(0, 99),
)
def test_no_date_is_too_strange(zone: str, year: int, hour: int) -> None:
    seconds = retry_after(f"Wed, 21 Oct {year} {hour:02}:28:00 {zone}", 1e9)
    assert seconds is None or seconds >= 0


def test_a_date_counts_from_now() -> None:
    assert retry_after(formatdate(1_000_090, usegmt=True), 1_000_000.0) == 90.0
    assert retry_after("Mon, 12 Jan 1970 21:48:10 +0800", 1_000_000.0) == 90.0


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("max-image-preview:large, noai", "noai"),
        ("max-snippet: -1, noimageai", "noimageai"),
        ("unavailable_after: 25 Jun 2030 15:00:00 PST, noai", "noai"),
        ("unavailable_after: Saturday, 25-Jun-2030 15:00:00 PST, noai", "noai"),
        ("noindex, mep3m: noai", "noai, noindex"),
        ("otherbot: noindex, mep3m: noai, noimageai", "noai, noimageai"),
        ("MEP3M: NOAI", "noai"),
        ("mep3m: all, otherbot: noai", None),
        ("otherbot: nofollow, noai", None),
        ("no ai, noaix, xnoai", None),
    ],
)
def test_directives_with_values_and_several_addressees_are_understood(
    value: str, said: str | None
) -> None:
    assert opt_out_of([value]) == (said and f"X-Robots-Tag: {said}")
    assert opt_out_of([], [value]) == (said and f"meta robots: {said}")


def test_one_tag_of_many_is_enough() -> None:
    assert (
        opt_out_of(["noindex", "otherbot: all", "noai"], ["all"]) == "X-Robots-Tag: noai, noindex"
    )


def test_the_user_agent_says_who_and_whom_to_write_to() -> None:
    assert user_agent("crawl@shop.example").startswith("mep3m/")
    assert "crawl@shop.example" in user_agent("crawl@shop.example")
    assert "no contact" in user_agent("")


@pytest.mark.parametrize(
    ("header", "meta", "said"),
    [
        ("1", None, "TDMRep header: tdm-reservation"),
        (" 1 ", "0", "TDMRep header: tdm-reservation"),
        ("0", "1", "TDMRep meta: tdm-reservation"),
        ("0", None, None),
        ("yes", "true", None),
    ],
)
def test_a_reservation_of_text_and_data_mining_is_read(
    header: str, meta: str | None, said: str | None
) -> None:
    assert opt_out_of([], [], [header], [] if meta is None else [meta]) == said


def test_a_page_says_it_in_its_head_as_well() -> None:
    body = b'<meta name="TDM-Reservation" content="1"><meta name=robots content=noindex><h1>T</h1>'
    page = PageInput("http://shop.example/p/1.html", "product", 200, (), body)
    config = SiteConfig(key="shop", program="x", base_url="http://shop.example")
    found = read_page(page, Site(config, parse_site_file({"url": {"product": "/p/"}}, "x")))
    assert found.opt_out == "meta robots: noindex; TDMRep meta: tdm-reservation"
