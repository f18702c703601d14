"""Content codings are undone within a bound, however often they are laid over each other."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.bodies import BodyFault, decoded

ROOM = 10_000


def bare_deflate(body: bytes) -> bytes:
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    return packer.compress(body) + packer.flush()


CODERS = {
    "gzip": [gzip.compress],
    "x-gzip": [gzip.compress],
    "deflate": [zlib.compress, bare_deflate],
    "br": [brotli.compress],
    "identity": [bytes],
}
LAYERS = [(name, coder) for name, coders in CODERS.items() for coder in coders]


@given(st.binary(max_size=2_000), st.lists(st.sampled_from(LAYERS), max_size=4), st.booleans())
def test_codings_come_off_in_the_reverse_order(
    body: bytes, layers: list[tuple[str, object]], in_one_header: bool
) -> None:
    coded = body
    for _, coder in layers:
        coded = coder(coded)  # type: ignore[operator]
    names = [name.upper() for name, _ in layers]
    headers = (
        [("content-encoding", ", ".join(names))]
        if in_one_header
        else [("Content-Encoding", name) for name in names]
    )
    assert decoded(headers, coded, ROOM) == body


@pytest.mark.parametrize(("coding", "coder"), LAYERS)
def test_a_body_above_the_bound_is_too_large(coding: str, coder: object) -> None:
    coded = coder(b"0" * 50_000_000 if coding != "identity" else b"0" * 20_000)  # type: ignore[operator]
    with pytest.raises(BodyFault) as caught:
        decoded([("Content-Encoding", coding)], coded, ROOM)
    assert caught.value.outcome == "too_large"


def test_a_bomb_inside_a_bomb_is_too_large() -> None:
    coded = gzip.compress(gzip.compress(b"0" * 50_000_000))
    with pytest.raises(BodyFault) as caught:
        decoded([("Content-Encoding", "gzip, gzip")], coded, ROOM)
    assert caught.value.outcome == "too_large"


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", gzip.compress(b"x" * 500)[:-9]),
        ("gzip", gzip.compress(b"x" * 500)[:12] + b"\xff" * 20),
        ("deflate", b"\xff\xfe\xfd"),
        ("br", b"\xff" * 40),
        ("br", brotli.compress(bytes(range(256)) * 9)[:20]),
        ("zstd", b"whatever"),
        ("gzip, gzip, gzip, gzip, gzip", b""),
    ],
)
def test_what_cannot_be_decoded_has_a_name(coding: str, body: bytes) -> None:
    with pytest.raises(BodyFault) as caught:
        decoded([("Content-Encoding", coding)], body, ROOM)
    assert caught.value.outcome == "bad_coding"


@given(st.sampled_from(sorted(CODERS)), st.binary(max_size=200))
def test_any_bytes_end_as_a_body_or_a_named_fault(coding: str, body: bytes) -> None:
    try:
        assert len(decoded([("Content-Encoding", coding)], body, ROOM)) <= ROOM
    except BodyFault as fault:
        assert fault.outcome in {"bad_coding", "too_large"}
