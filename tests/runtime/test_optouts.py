"""Which recorded opt-outs count, by the `honour` setting."""

from __future__ import annotations

import pytest

from runtime.config import CrawlConfig, parse_config
from runtime.errors import ConfigError
from runtime.optouts import forbids

ALL = CrawlConfig().honour


@pytest.mark.parametrize(
    ("words", "honour", "counts"),
    [
        (None, ALL, False),
        ("X-Robots-Tag: noai", ALL, True),
        ("X-Robots-Tag: noai", ["noimageai"], False),
        ("meta robots: noimageai, noindex", ["noindex"], True),
        ("meta robots: none", ["noindex"], True),
        ("meta robots: none", ["noai"], False),
        ("TDMRep header: tdm-reservation", ALL, True),
        ("TDMRep meta: tdm-reservation", ["noai", "noimageai", "noindex"], False),
        ("X-Robots-Tag: noai; TDMRep header: tdm-reservation", ["tdm-reservation"], True),
        ("X-Robots-Tag: noai; meta robots: noindex", [], False),
        ("robots.txt: disallows the product's page", [], True),
    ],
)
def test_what_is_honoured_counts(words: str | None, honour: list[str], counts: bool) -> None:
    assert forbids(words, honour) is counts


def test_everything_is_honoured_unless_it_is_said() -> None:
    assert sorted(ALL) == ["noai", "noimageai", "noindex", "tdm-reservation"]
    assert parse_config({"crawl": {"honour": []}}).crawl.honour == []


def test_an_unknown_word_is_an_error_that_names_the_allowed_ones() -> None:
    with pytest.raises(ConfigError, match=r"honour.*'nofollow'.*noai.*tdm-reservation"):
        parse_config({"crawl": {"honour": ["nofollow"]}})


def test_the_former_key_is_an_error_that_names_the_new_one() -> None:
    with pytest.raises(ConfigError, match=r"honour_opt_outs.*`honour`"):
        parse_config({"crawl": {"honour_opt_outs": False}})


@pytest.mark.parametrize("proxy", ["proxy:3128", "socks5://p:1", "http://u:w@p:1"])
def test_a_proxy_is_an_http_address_without_a_password(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy"):
        parse_config({"crawl": {"proxy": proxy}})
    assert parse_config({"crawl": {"proxy": "http://10.0.0.1:3128"}}).crawl.proxy
