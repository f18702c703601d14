"""The four 16-bit bands of 64-bit hashes, by which neighbours are found without all pairs.

Multi-index hashing (Norouzi, Punjani and Fleet 2012): of two hashes within radius r <= 7 some band
differs by at most one bit, so probing each band's bucket and its 16 neighbours finds every one.
In come hashes and bands; out come the buckets that have to be compared with one another.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array

from cleaning.compiling import compiled

BANDS = 4
BAND_BITS = 16
BUCKETS = 1 << BAND_BITS
PROBES = 1 + BAND_BITS
HASHES_PER_LINE = 8  # of a 64-byte cache line


@intrinsic
def _popcount(typingctx: Any, value: Any) -> Any:
    """The number of one-bits of a uint64: one machine instruction."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@intrinsic
def _prefetch(typingctx: Any, array: Any, position: Any) -> Any:
    """Ask the processor to load the cache line of ``array[position]``; changes nothing else."""

    def generate(context: Any, builder: ir.IRBuilder, signature: Any, arguments: Any) -> Any:
        values = make_array(signature.args[0])(  # type: ignore[no-untyped-call]  # numba has no types
            context, builder, arguments[0]
        )
        address = builder.bitcast(builder.gep(values.data, [arguments[1]]), cgutils.voidptr_t)
        word = ir.IntType(32)
        kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, word, word, word])
        function = cgutils.get_or_insert_function(  # type: ignore[no-untyped-call]  # as above
            builder.module, kind, "llvm.prefetch.p0"
        )
        builder.call(function, [address, word(0), word(3), word(1)])  # read, keep, data
        return context.get_dummy_value()

    return types.void(array, types.int64), generate


load_ahead: Any = _prefetch  # to callers of compiled code it has no typing context
count_ones: Any = _popcount  # to callers of compiled code it has no typing context


@compiled
def hamming(a: np.uint64, b: np.uint64) -> np.int64:
    """How many bits differ between two hashes."""
    return np.int64(count_ones(a ^ b))


@compiled
def bucket_of(value: np.uint64, band: int) -> np.int64:
    """The bucket, among those of all bands, that ``value`` falls into."""
    key = (value >> np.uint64(BAND_BITS * band)) & np.uint64(BUCKETS - 1)
    return np.int64(band * BUCKETS) + np.int64(key)


@compiled
def probe_count(band: int, radius: int) -> int:
    """How many buckets of ``band`` must be looked into: 0, 1 or 17.

    With r = 4a + b, either one of the first b + 1 bands differs by at most a bits or one of the
    others by at most a - 1 (Norouzi et al., proposition 2): not every band needs all its probes.
    """
    band_radius = radius // BANDS if band <= radius % BANDS else radius // BANDS - 1
    return PROBES if band_radius == 1 else band_radius + 1


@compiled
def probe(bucket: np.int64, number: int) -> np.int64:
    """The bucket itself for number 0, then the 16 that differ from it by one bit."""
    return bucket if number == 0 else bucket ^ np.int64(1 << (number - 1))
