"""Arrow columns made of values and read as numbers without pyarrow's `array` and `to_numpy`.

Those import pandas to look whether they were given some of it, which costs every process some
50 MB and half a second; a column of text, bytes, numbers or instants needs nothing of it. (So do
`pa.scalar`, and the functions of `pyarrow.compute` where they are handed a Python value.)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def record_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as a batch; a missing key is a null. Raises TypeError like `column`."""
    columns = [column([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def table(columns: Mapping[str, Sequence[Any]], schema: pa.Schema) -> pa.Table:
    """Columns of values as a table of that schema. Raises KeyError for a missing one, TypeError
    like `column`."""
    arrays = [column(columns[field.name], field.type) for field in schema]
    return pa.Table.from_arrays(arrays, schema=schema)


def column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values, or None, as a column.

    Raises TypeError unless it is one of text, bytes, numbers, truth values, UTC microseconds, or
    lists or structs of these (mappings; a missing key is a null); ValueError for bytes that have
    not the length of a fixed-size column.
    """
    valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    nulls = int(len(values) - valid.sum())
    mask = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes()) if nulls else None
    if pa.types.is_string(kind):
        return _bytes((v.encode(errors="replace") if v else b"" for v in values), kind, mask, nulls)
    if pa.types.is_binary(kind):
        return _bytes((v or b"" for v in values), kind, mask, nulls)
    if pa.types.is_list(kind):
        return _lists(values, kind, mask, nulls)
    if pa.types.is_struct(kind):
        fields = [kind.field(i) for i in range(kind.num_fields)]
        children = [column([v.get(f.name) if v else None for v in values], f.type) for f in fields]
        return pa.Array.from_buffers(kind, len(values), [mask], null_count=nulls, children=children)
    data = pa.py_buffer(_fixed_width(values, kind))
    return pa.Array.from_buffers(kind, len(values), [mask, data], null_count=nulls)


def from_numbers(values: NDArray[Any]) -> pa.Array:
    """Numbers as a column, which shares their memory; fit for `take`."""
    flat = np.ascontiguousarray(values)
    buffers = [None, pa.py_buffer(flat)]
    return pa.Array.from_buffers(pa.from_numpy_dtype(flat.dtype), len(flat), buffers)


def numbers(column: pa.Array | pa.ChunkedArray) -> NDArray[Any]:
    """A column of numbers, instants (as they are counted) or truth values, in its own memory.

    Raises ValueError where one is missing.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if array.null_count:
        raise ValueError(f"expected a number in each row, got none in {array.null_count} of them")
    start, rows, kind = array.offset, len(array), array.type
    data = array.buffers()[1] if rows else b""
    if pa.types.is_boolean(kind):
        bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
        return bits[start : start + rows].astype(np.bool_)
    words = np.int64 if pa.types.is_timestamp(kind) else kind.to_pandas_dtype()
    return np.frombuffer(data, words)[start : start + rows]


def _fixed_width(values: Sequence[Any], kind: pa.DataType) -> bytes:
    if pa.types.is_fixed_size_binary(kind):
        missing = bytes(kind.byte_width)
        data = b"".join(missing if value is None else value for value in values)
        if len(data) != len(values) * kind.byte_width:
            raise ValueError(f"expected {kind.byte_width} bytes in each value of {kind}")
        return data
    if pa.types.is_boolean(kind):
        truths = np.fromiter(map(bool, values), np.bool_, len(values))
        return np.packbits(truths, bitorder="little").tobytes()
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        known = [0 if value is None else value for value in values]
        return np.array(known, kind.to_pandas_dtype()).tobytes()
    if kind == pa.timestamp("us", tz="UTC"):
        micros = ((v - _EPOCH) // _MICROSECOND if v is not None else 0 for v in values)
        return np.fromiter(micros, np.int64, len(values)).tobytes()
    raise TypeError(f"expected a column of text, bytes, numbers, truths or instants, got {kind}")


def _lists(
    values: Sequence[Sequence[Any] | None],
    kind: pa.ListType,
    mask: pa.Buffer | None,
    nulls: int,
) -> pa.Array:
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum([len(value) if value else 0 for value in values], out=offsets[1:])
    items = column([item for value in values for item in value or ()], kind.value_type)
    buffers = [mask, pa.py_buffer(offsets.tobytes())]
    return pa.Array.from_buffers(kind, len(values), buffers, null_count=nulls, children=[items])


def _bytes(
    values: Iterable[bytes], kind: pa.DataType, mask: pa.Buffer | None, nulls: int
) -> pa.Array:
    pieces = list(values)
    offsets = np.zeros(len(pieces) + 1, np.int32)
    np.cumsum([len(piece) for piece in pieces], out=offsets[1:])
    data = pa.py_buffer(b"".join(pieces))
    return pa.Array.from_buffers(
        kind, len(pieces), [mask, pa.py_buffer(offsets.tobytes()), data], null_count=nulls
    )
