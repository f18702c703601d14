"""Streams in pieces of bounded size (itertools.batched comes with Python 3.12 only)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of `size` items, the last one shorter; nothing for an empty stream."""
    stream = iter(items)
    while chunk := list(islice(stream, size)):
        yield chunk
