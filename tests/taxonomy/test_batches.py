"""Mapping many records at once says of each what mapping it alone says."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taxonomy import batches
from taxonomy.batches import map_batch
from taxonomy.mapper import Mapper
from taxonomy.tree import load_tree
from tests.taxonomy.test_mapper import RECORDS, WORDS

MAPPER = Mapper(load_tree())
PATHS = pa.list_(pa.list_(pa.string()))
ROWS = st.lists(st.tuples(st.none() | RECORDS, st.none() | WORDS), max_size=12)


def check(rows: list[tuple[list[list[str]] | None, str | None]]) -> None:
    paths = pa.array([row[0] for row in rows], PATHS)
    titles = pa.array([row[1] for row in rows], pa.string())
    found = map_batch(MAPPER, paths, titles)
    alone = [MAPPER.map(row[0] or [], row[1]) for row in rows]
    assert [found.verdicts[place] for place in found.of.tolist()] == alone


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_each_row_gets_its_own_verdict(
    rows: list[tuple[list[list[str]] | None, str | None]],
) -> None:
    check(rows + rows[:3])


NAMES = st.sampled_from(
    ("连衣裙", "Dresses", "T恤", "A&B", "水壶/水杯", "㐷3", "面膜 2", "Ⅳ", "株")
)
DISGUISES = (
    *(str.upper, str.title, " {} ".format, "{}…".format, "【{}】".format, "{}。".format),
    *("\u200b{}".format, "&nbsp;{}".format, "{}&gt;".format, "{}x".format, "{}其它".format),
    *("{}\n".format, "{}é".format, "{}ß".format, "㈱{}".format),
    lambda text: text.replace("裙", "裠").replace("连", "連").replace("㐷", "傌"),
    lambda text: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in text),
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(NAMES, st.sampled_from(DISGUISES), NAMES), min_size=1, max_size=8))
def test_a_title_that_is_the_last_name_is_known_in_any_disguise(
    rows: list[tuple[str, Callable[[str], str], str]],
) -> None:
    check([([["女装", name], ["女装", title]], disguise(title)) for name, disguise, title in rows])


def test_a_slice_of_a_column_is_read_as_such() -> None:
    paths = pa.array([[["女装", "连衣裙"]], None, [["图书"], ["美妆", "面膜"]], []], PATHS)
    titles = pa.array(["连衣裙", None, "面膜", "空调"])
    found = map_batch(MAPPER, paths.slice(1), titles.slice(1))
    rows = (paths.to_pylist()[1:], titles.to_pylist()[1:])
    alone = [MAPPER.map(p or [], t) for p, t in zip(*rows, strict=True)]
    assert [found.verdicts[place] for place in found.of.tolist()] == alone


def test_hashes_that_collide_mix_nothing_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "_mixed", lambda values: np.ones_like(values))
    names = ("连衣裙", "面膜", "空调", "洗碗机")
    check([([["首页", name]], None) for name in names * 3] + [([], None), ([["a"], ["b"]], "b")])
