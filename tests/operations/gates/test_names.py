"""Names of gates, as `--accept` takes them."""

from __future__ import annotations

import pytest

from operations.gates.names import accepts, require_gates
from runtime.errors import ConfigError


@pytest.mark.parametrize(
    ("given", "name", "covered"),
    [
        ("listings", "listings.shop-a", True),
        ("listings.shop-a", "listings.shop-a", True),
        ("listings.shop", "listings.shop-a", False),
        ("fields.s", "fields.s.title", True),
        ("fields.s.title", "fields.s.image", False),
        ("removals", "removals", True),
        ("list", "listings.s", False),
    ],
)
def test_a_shorter_name_stands_for_all_that_begin_with_it(
    given: str, name: str, covered: bool
) -> None:
    assert accepts([given], name) is covered


@pytest.mark.parametrize(
    "name", ["pages", "pages.s", "fields", "fields.s", "fields.s.title", "removals"]
)
def test_names_that_gates_have(name: str) -> None:
    require_gates([name], {"s"})


@pytest.mark.parametrize(
    "name", ["", "page", "pages.other", "pages.s.title", "fields.s.price", "removals.s", "pages."]
)
def test_names_that_no_gate_has(name: str) -> None:
    with pytest.raises(ConfigError, match=r"--accept .*: expected a gate \(pages, listings"):
        require_gates([name], {"s"})
