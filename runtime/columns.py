"""Arrow columns made of Python values without pyarrow's `array`, which imports pandas to look.

That import costs every worker process some 50 MB and half a second; a column of text, bytes, small
integers or instants needs nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def record_batch(rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as a batch; a missing key is a null.

    Raises TypeError for a column that is none of string, binary, int16 and UTC microseconds.
    """
    columns = [_column([row.get(field.name) for row in rows], field.type) for field in schema]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def _column(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    valid = np.fromiter((value is not None for value in values), np.bool_, len(values))
    nulls = int(len(values) - valid.sum())
    mask = pa.py_buffer(np.packbits(valid, bitorder="little").tobytes()) if nulls else None
    if pa.types.is_string(kind):
        return _bytes((v.encode(errors="replace") if v else b"" for v in values), kind, mask, nulls)
    if pa.types.is_binary(kind):
        return _bytes((v or b"" for v in values), kind, mask, nulls)
    numbers: npt.NDArray[Any]
    if pa.types.is_int16(kind):
        numbers = np.array([value or 0 for value in values], np.int16)
    elif kind == pa.timestamp("us", tz="UTC"):
        micros = ((v - _EPOCH) // _MICROSECOND if v is not None else 0 for v in values)
        numbers = np.fromiter(micros, np.int64, len(values))
    else:
        raise TypeError(f"expected a column of text, bytes, int16 or instants, got {kind}")
    return pa.Array.from_buffers(
        kind, len(values), [mask, pa.py_buffer(numbers.tobytes())], null_count=nulls
    )


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
