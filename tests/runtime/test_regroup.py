"""Pieces of tables cut anew."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from runtime.regroup import regrouped

Sizes = st.lists(st.integers(0, 9), max_size=12)


def tables(sizes: list[int]) -> list[pa.Table]:
    numbers = iter(range(sum(sizes)))
    return [pa.table({"n": pa.array([next(numbers) for _ in range(s)], pa.int64())}) for s in sizes]


@given(Sizes, st.integers(1, 7))
def test_every_row_comes_out_once_in_its_order_and_pieces_are_full(
    sizes: list[int], rows: int
) -> None:
    found = [piece["n"].to_pylist() for piece in regrouped(tables(sizes), rows)]
    assert [n for piece in found for n in piece] == list(range(sum(sizes)))
    assert all(len(piece) == rows for piece in found[:-1])
    assert all(0 < len(piece) <= rows for piece in found)


@given(Sizes, st.integers(1, 7), st.integers(1, 30))
def test_pieces_end_before_they_weigh_too_much_however_they_came(
    sizes: list[int], rows: int, most: int
) -> None:
    def weigh(table: pa.Table) -> np.ndarray:
        return np.array([n * 7 % 11 for n in table["n"].to_pylist()], np.int64)

    found = [p["n"].to_pylist() for p in regrouped(tables(sizes), rows, most, weigh)]
    assert [n for piece in found for n in piece] == list(range(sum(sizes)))
    for piece in found:
        assert len(piece) <= rows
        assert len(piece) == 1 or sum(n * 7 % 11 for n in piece) <= most
    whole = [p["n"].to_pylist() for p in regrouped(tables([sum(sizes)]), rows, most, weigh)]
    assert found == whole
