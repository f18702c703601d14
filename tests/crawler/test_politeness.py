"""What a host asks for is kept: robots.txt, Crawl-delay, Retry-After, opt-outs, limits."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.politeness import HostGate, RobotsRules, backoff, opt_out_of, retry_after

URL = "https://shop.example/vip/1"


@pytest.mark.parametrize(
    ("status", "body", "allowed"),
    [
        (200, b"User-agent: *\nDisallow: /vip/", False),
        (200, b"User-agent: mep3m\nAllow: /\n\nUser-agent: *\nDisallow: /", True),
        (200, b"User-agent: *\nDisallow: /*/1$", False),
        (200, b"", True),
        (404, b"", True),
        (403, b"", True),
        (429, b"", False),
        (500, b"", False),
        (503, b"User-agent: *\nAllow: /", False),
        (None, b"", False),
    ],
)
def test_robots_txt_is_read_as_rfc_9309_says(
    status: int | None, body: bytes, allowed: bool
) -> None:
    assert RobotsRules.from_response(status, body).parsed().allows(URL) is allowed


def test_crawl_delay_makes_one_request_at_a_time() -> None:
    robots = RobotsRules("User-agent: *\nCrawl-delay: 2.5\nSitemap: https://x/s.xml").parsed()
    assert robots.crawl_delay == 2.5
    assert robots.sitemaps == ["https://x/s.xml"]
    gate = HostGate(delay=0.1, concurrency=8)
    gate.slow_down(robots.crawl_delay)
    gate.start(10.0)
    assert gate.ready_at() is None
    gate.finish()
    assert gate.ready_at() == 12.5


@given(
    delay=st.floats(0, 3),
    concurrency=st.integers(1, 5),
    steps=st.lists(st.tuples(st.floats(0, 2), st.booleans(), st.floats(0, 5)), max_size=60),
)
def test_a_gate_never_exceeds_its_limits(
    delay: float, concurrency: int, steps: list[tuple[float, bool, float]]
) -> None:
    gate, now, last, paused = HostGate(delay, concurrency), 0.0, float("-inf"), float("-inf")
    for wait, finish, pause in steps:
        now += wait
        if finish and gate.in_flight:
            gate.finish()
        if pause > 4:
            gate.pause(now + pause)
            paused = max(paused, now + pause)
        ready = gate.ready_at()
        if ready is not None and ready <= now:
            assert now >= last + delay
            assert now >= paused
            gate.start(now)
            last = now
            assert gate.in_flight <= concurrency


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("5", 5.0), (" 120 ", 120.0), (formatdate(1_000_030, usegmt=True), 30.0), ("soon", None),
     (formatdate(999_000, usegmt=True), 0.0), ("", None), (None, None), ("-3", None)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: float | None) -> None:
    assert retry_after(value, 1_000_000.0) == seconds


def test_backoff_doubles_and_is_bounded() -> None:
    assert [backoff(n) for n in (1, 2, 3)] == [0.5, 1.0, 2.0]
    assert backoff(50) == 60.0


@pytest.mark.parametrize(
    ("tags", "metas", "said"),
    [
        (["noai"], [], "X-Robots-Tag: noai"),
        (["noindex, NoImageAI"], [], "X-Robots-Tag: noimageai, noindex"),
        (["noai"], ["none"], "X-Robots-Tag: noai; meta robots: none"),
        (["otherbot: noai"], [], None),
        (["mep3m: noai"], [], "X-Robots-Tag: noai"),
        ([], ["noai, noimageai"], "meta robots: noai, noimageai"),
        (["all"], ["index, follow"], None),
    ],
)
def test_opt_outs_are_understood(tags: list[str], metas: list[str], said: str | None) -> None:
    assert opt_out_of(tags, metas) == said
