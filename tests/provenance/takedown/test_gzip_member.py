"""Gzip members of a given length: what stands where a purged capture was."""

from __future__ import annotations

import gzip
import io

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import given
from hypothesis import strategies as st

from provenance.takedown.gzip_member import member_of_length, purged_record

RECORD = purged_record("2026-11-22")


@given(st.binary(max_size=2_000), st.integers(21, 9_000))
def test_every_length_is_met_exactly(content: bytes, length: int) -> None:
    member = member_of_length(content, length)
    assert len(member) == length
    assert gzip.decompress(member) in (content, b"")


@given(st.integers(300, 4_000), st.integers(300, 4_000))
def test_members_behind_keep_their_places_and_hold_a_sound_record(one: int, two: int) -> None:
    file = member_of_length(RECORD, one) + member_of_length(RECORD, two)
    records = ArchiveIterator(io.BytesIO(file), parse_http=False)
    assert [record.stream_pos for record in records] == [0, one]


def test_a_place_too_small_for_a_member_is_refused() -> None:
    with pytest.raises(ValueError, match="21 bytes"):
        member_of_length(b"", 20)
