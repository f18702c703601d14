"""Content codings: undone in any nesting, bounded, and never anything but bytes or a BodyFault."""

from __future__ import annotations

import gzip
import time
import zlib

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.bodies import MAX_CODINGS, BodyFault, decoded

MAX = 4096
PACK = {
    "gzip": lambda data: gzip.compress(data, mtime=0),
    "x-gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=2),
}
NAMES = st.sampled_from(sorted(PACK))
CODINGS = st.lists(NAMES, max_size=MAX_CODINGS)


def packed(data: bytes, codings: list[str]) -> bytes:
    for name in codings:
        data = PACK[name](data)
    return data


def headers(codings: list[str]) -> list[tuple[str, str]]:
    return [("Content-Type", "text/html"), ("Content-Encoding", ", ".join(codings))]


@given(st.binary(max_size=MAX), CODINGS, st.booleans())
def test_any_nesting_of_codings_is_undone(data: bytes, codings: list[str], apart: bool) -> None:
    named = [("content-encoding", name.upper()) for name in codings] if apart else headers(codings)
    assert decoded(named, packed(data, codings), MAX + 300) == data


@given(st.binary(min_size=1, max_size=MAX), CODINGS, st.data())
def test_any_damage_gives_bytes_within_the_bound_or_a_named_fault(
    data: bytes, codings: list[str], draw: st.DataObject
) -> None:
    body = bytearray(packed(data, codings))
    for _ in range(draw.draw(st.integers(0, 3))):
        body[draw.draw(st.integers(0, len(body) - 1))] ^= 1 << draw.draw(st.integers(0, 7))
    body = body[: draw.draw(st.integers(0, len(body)))] + draw.draw(st.binary(max_size=9))
    most = draw.draw(st.integers(0, MAX))
    try:
        assert len(decoded(headers(codings), bytes(body), most)) <= most
    except BodyFault as fault:
        assert fault.outcome in ("bad_coding", "too_large")


@given(st.text(max_size=40), st.binary(max_size=60))
def test_no_name_of_a_coding_is_too_strange(name: str, body: bytes) -> None:
    try:
        assert len(decoded([("Content-Encoding", name)], body, MAX)) <= MAX
    except BodyFault as fault:
        assert fault.outcome == "bad_coding" and "\n" not in str(fault)


@pytest.mark.parametrize("name", sorted(PACK))
@pytest.mark.parametrize("size", [MAX, MAX + 1])
def test_a_body_may_be_as_large_as_the_bound(name: str, size: int) -> None:
    body = packed(bytes(size), [name])
    if size <= MAX:
        assert decoded(headers([name]), body, MAX) == bytes(size)
    else:
        with pytest.raises(BodyFault, match=str(MAX)) as caught:
            decoded(headers([name]), body, MAX)
        assert caught.value.outcome == "too_large"


@pytest.mark.parametrize("codings", [["gzip"], ["br"], ["deflate"], ["br", "gzip"], ["gzip"] * 3])
def test_a_bomb_is_stopped_at_the_bound(codings: list[str]) -> None:
    bomb = packed(bytes(64 << 20), codings)
    assert len(bomb) < 100_000
    began = time.process_time()
    with pytest.raises(BodyFault) as caught:
        decoded(headers(codings), bomb, 1 << 20)
    assert caught.value.outcome == "too_large"
    assert time.process_time() - began < 0.5, "most of it must not be inflated"


def test_members_of_nothing_take_no_time() -> None:
    """A quadratic reading of these 8 MB would take minutes."""
    body = gzip.compress(b"") * 400_000
    began = time.process_time()
    with pytest.raises(BodyFault) as caught:
        decoded(headers(["gzip"]), body, MAX)
    assert caught.value.outcome == "bad_coding"
    assert time.process_time() - began < 2


def test_a_gzip_stream_of_several_members_is_read_to_its_end() -> None:
    body = b"".join(gzip.compress(b"%d," % number) for number in range(1_000))
    assert decoded(headers(["gzip"]), body + b"\0\0", MAX).startswith(b"0,1,2,")
    assert decoded(headers(["gzip"]), body, MAX).endswith(b",998,999,")


def test_what_servers_and_archives_get_wrong_is_read_all_the_same() -> None:
    bare = zlib.compressobj(wbits=-15)
    assert decoded(headers(["deflate"]), bare.compress(b"bare") + bare.flush(), MAX) == b"bare"
    assert decoded(headers(["gzip"]), b"decoded before it was stored", MAX).startswith(b"decoded")
    for name in PACK:
        assert decoded(headers([name]), b"", MAX) == b"", "a redirect without a body"
    assert decoded([("Content-Encoding", "utf-8"), ("content-encoding", "")], b"x", MAX) == b"x"


def test_more_codings_than_any_server_needs_are_refused() -> None:
    codings = ["gzip"] * (MAX_CODINGS + 1)
    with pytest.raises(BodyFault, match=f"at most {MAX_CODINGS}"):
        decoded(headers(codings), packed(b"x", codings), MAX)
