"""More of the configuration: values at the edge, hosts, and the way to a worker."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from runtime.config import Config, load_config, parse_config
from runtime.errors import ConfigError

SITE = {"key": "a", "program": "django-oscar", "base_url": "https://shop.example"}


def test_an_empty_file_means_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "mep3m.toml"
    path.write_text("")
    assert load_config(path) == Config()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"wrkspace": "x"}, ("`wrkspace`", "'x'", "workspace")),
        ({"site": [SITE, {**SITE, "key": "b", "colour": 1}]}, ("`site[1].colour`", "base_url")),
        ({"workers": True}, ("`workers`", "True", "integer")),
        ({"workers": 1.5}, ("`workers`", "1.5", "integer")),
        ({"crawl": {"delay": "1"}}, ("`crawl.delay`", "'1'", "number")),
        ({"crawl": {"robots_txt": "no"}}, ("`crawl.robots_txt`", "'no'", "boolean")),
        ({"site": {"key": "a"}}, ("`site`", "list")),
        ({"crawl": {"delay": float("nan")}}, ("`crawl.delay`", "nan")),
        ({"crawl": {"timeout": float("inf")}}, ("`crawl.timeout`", "inf", "600")),
        ({"clean": {"languages": []}}, ("`clean.languages`", "at least 1")),
        ({"site": [{**SITE, "base_url": "http://"}]}, ("`site[0].base_url`", "host")),
        ({"site": [{**SITE, "base_url": "http://h:99999"}]}, ("`site[0].base_url`", "99999")),
        ({"site": [{**SITE, "hosts": ["http://h/"]}]}, ("`site[0].hosts`", "'http://h/'")),
        ({"site": [{**SITE, "allow_private": ["H"]}]}, ("`site[0].allow_private`", "'H'")),
        ({"site": [{"key": "a"}]}, ("`site[0].program`", "missing", "and 1 more")),
    ],
)
def test_a_fault_names_key_and_value(values: dict[str, Any], words: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(values, "mine.toml")
    line = str(caught.value)
    assert line.startswith("mine.toml: ")
    assert "\n" not in line
    for word in words:
        assert word in line


def test_hosts_are_names_with_or_without_a_port() -> None:
    hosts = ["shop.example", "127.0.0.1:8000", "[::1]:80", "xn--fiqs8s.cn"]
    (site,) = parse_config({"site": [{**SITE, "hosts": hosts}]}).site
    assert site.hosts == hosts


def test_a_configuration_never_changes() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Config().workers = 5  # type: ignore[misc]


def test_a_configuration_survives_the_way_to_a_worker() -> None:
    config = parse_config({"site": [SITE], "crawl": {"delay": 3}})
    assert parse_config(config.model_dump(mode="json")) == config


def test_a_folder_in_the_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected a readable UTF-8 TOML file"):
        load_config(tmp_path)
