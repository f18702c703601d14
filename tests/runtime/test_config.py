"""The configuration: every key documented, every fault named with key, value and remedy."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from runtime.config import Config, SiteConfig, load_config, parse_config
from runtime.errors import ConfigError

TEMPLATE = (resources.files("runtime") / "mep3m.toml").read_text(encoding="utf-8")
# The default depends on the machine or on other settings, so the template shows an example.
SHOWN_OFF = {"workers", "min_title_chars", "taxonomy"}


def test_the_template_shows_every_default() -> None:
    values = parse_config(tomllib.loads(TEMPLATE)).model_dump()
    assert values == Config().model_dump()


def test_the_template_names_every_key() -> None:
    shown = set(re.findall(r"^(?:# )?([a-z_]+) = ", TEMPLATE, re.MULTILINE))

    def names(model: type[BaseModel]) -> set[str]:
        found: set[str] = set()
        for name, field in model.model_fields.items():
            nested = field.annotation
            if isinstance(nested, type) and issubclass(nested, BaseModel):
                found |= names(nested)
            elif name != "site":
                found.add(name)
        return found

    assert names(Config) | set(SiteConfig.model_fields) == shown


def test_what_is_shown_off_is_valid_when_turned_on() -> None:
    for name in SHOWN_OFF:
        text, changed = re.subn(rf"^# ({name} = )", r"\1", TEMPLATE, flags=re.MULTILINE)
        assert changed == 1
        parse_config(tomllib.loads(text))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"clean": {"radus": 1}}, ("clean.radus", "1", "max_title_chars")),
        ({"dedupe": {"radius": 9}}, ("dedupe.radius", "9", "7")),
        ({"dedupe": {"policy": "fuzzy"}}, ("dedupe.policy", "fuzzy", "near", "exact")),
        ({"workers": "two"}, ("workers", "two", "integer")),
        ({"workers": 0}, ("workers", "0", "1")),
        ({"crawl": {"delay": True}}, ("crawl.delay", "True")),
        ({"clean": {"languages": ["chinese"]}}, ("clean.languages", "chinese", "ISO 639-1")),
        ({"clean": {"languages": ["zh", "cn"]}}, ("clean.languages", "'cn'", " vi zh;")),
        ({"engine": "ray"}, ("engine", "ray", "process")),
        ({"site": [{"key": "a", "program": "p"}]}, ("site[0].base_url", "missing")),
        (
            {"site": [{"key": "A b", "program": "p", "base_url": "http://x"}]},
            ("site[0].key", "A b"),
        ),
        ({"site": [{"key": "a", "program": "p", "base_url": "ftp://x"}]}, ("site[0].base_url",)),
        ({"release": {"name": "../x"}}, ("release.name", "../x")),
        ({"crawl": 3}, ("crawl", "3")),
    ],
)
def test_a_fault_is_one_line_with_key_value_and_what_is_allowed(
    values: dict[str, Any], words: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_config(values)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_two_sites_need_two_keys() -> None:
    site = {"key": "a", "program": "p", "base_url": "http://x"}
    with pytest.raises(ConfigError, match="'a' twice"):
        parse_config({"site": [site, site]})


def test_whole_numbers_may_stand_for_seconds() -> None:
    assert parse_config({"crawl": {"delay": 1}}).crawl.delay == 1.0


@pytest.mark.parametrize(
    ("data", "word"), [(b"\xff\xfe", "UTF-8"), (b"a = [", "TOML"), (None, "init")]
)
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, data: bytes | None, word: str) -> None:
    path = tmp_path / "mep3m.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ConfigError, match=word) as caught:
        load_config(path)
    assert str(path) in str(caught.value)
