"""Names of records, and what bytes are by their first ones."""

from __future__ import annotations

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from runtime.imagetypes import sniff
from runtime.keys import digest, order_hash, record_id

PRODUCT_IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)


def test_a_record_is_named_by_what_the_shop_calls_it() -> None:
    assert record_id("shop", "100-012", "u") == "shop:100-012"
    assert record_id("shop", "红/茶 1:2%", "u") == "shop:%E7%BA%A2%2F%E8%8C%B6%201%3A2%25"


def test_without_a_product_id_the_url_names_it() -> None:
    for nothing in (None, ""):
        name = record_id("shop", nothing, "https://shop.example/p/1")
        assert re.fullmatch(r"shop:u-[0-9a-f]{32}", name)
        assert name == record_id("shop", None, "https://shop.example/p/1")
        assert name != record_id("shop", None, "https://shop.example/p/2")


@given(one=PRODUCT_IDS, other=PRODUCT_IDS)
def test_two_products_never_share_a_name(one: str, other: str) -> None:
    names = record_id("s", one, "u"), record_id("s", other, "u")
    assert (names[0] == names[1]) == (one == other)
    assert re.fullmatch(r"s:[A-Za-z0-9_.~%-]+", names[0])


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=3), max_size=4))
def test_a_digest_tells_where_parts_end(parts: list[str]) -> None:
    assert len(digest(*parts)) == 32
    assert digest(*parts) != digest(*parts, "")
    if len(parts) > 1 and parts[1]:
        moved = [parts[0] + parts[1][0], parts[1][1:], *parts[2:]]
        assert digest(*parts) != digest(*moved)


def test_hashes_are_fixed_for_ever() -> None:
    """Splits and orders of published releases depend on these values."""
    assert order_hash("") == 0xE4A6A0577479B2B4
    assert order_hash("shop:1") == 0xD0DFF828E410A1F1


@pytest.mark.parametrize("name", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_pillows_pictures_are_known_by_their_bytes(name: str) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (9, 7), "red").save(buffer, name)
    assert sniff(buffer.getvalue()) == name


def test_avif_is_known_and_other_containers_are_not() -> None:
    assert sniff(b"\x00\x00\x00\x1cftypavif") == "AVIF"
    assert sniff(b"\x00\x00\x00\x1cftypheic") == "HEIF"
    assert sniff(b"\x00\x00\x00\x1cftypisom") is None
    assert sniff(b"RIFF\x00\x00\x00\x00WAVE") is None


@pytest.mark.parametrize("data", [b"", b"\xff", b"<!DOCTYPE html>", b'{"a": 1}', b"\x1f\x8b\x08"])
def test_what_is_no_picture_is_none(data: bytes) -> None:
    assert sniff(data) is None
