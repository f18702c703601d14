"""Index 64-bit hashes by four 16-bit bands, so that neighbours are found without all pairs.

Multi-index hashing (Norouzi, Punjani and Fleet 2012): of two hashes within radius r <= 7 some band
differs by at most one bit, so probing each band's bucket and its 16 neighbours finds every one.
In come hashes, appended one after the other; callers scan the buckets named by ``probe``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar, cast

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numba.np.arrayobj import make_array
from numpy.typing import NDArray

BANDS = 4
BAND_BITS = 16
BUCKETS = 1 << BAND_BITS
MAX_RADIUS = 2 * BANDS - 1
PROBES = 1 + BAND_BITS
HASHES_PER_LINE = 8  # of a 64-byte cache line

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """``function`` compiled on first use, cached on disk, running without the GIL."""
    return cast(_Function, numba.njit(cache=True, nogil=True)(function))


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
_count_ones: Any = _popcount  # to callers of compiled code it has no typing context


@compiled
def hamming(a: np.uint64, b: np.uint64) -> np.int64:
    """How many bits differ between two hashes."""
    return np.int64(_count_ones(a ^ b))


class BandIndex(NamedTuple):
    """Buckets of all bands, one after the other.

    A bucket's entries lie from ``bounds[bucket, 0]`` up to ``bounds[bucket, 1]``, int64[B*65536, 2]
    (side by side: a probe costs one cache miss, not two); ``hashes`` uint64 and ``tags`` uint32,
    whatever the caller wants to find again.
    """

    bounds: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    tags: NDArray[np.uint32]


def empty_index(counts: NDArray[np.int64]) -> BandIndex:
    """An index with room for ``counts`` entries, int64[B*65536], in each bucket of each band."""
    ends = np.cumsum(counts)
    bounds = np.repeat((ends - counts)[:, None], 2, axis=1)
    # Not zeroed: room that is never used is never touched, and costs no memory.
    return BandIndex(
        bounds,
        np.empty(int(ends[-1]), dtype=np.uint64),
        np.empty(int(ends[-1]), dtype=np.uint32),
    )


def count_buckets(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """How many of ``hashes`` fall into each bucket of each band, int64[B*65536]."""
    counts = np.zeros(BANDS * BUCKETS, dtype=np.int64)
    _count(np.ascontiguousarray(hashes, dtype=np.uint64), counts)
    return counts


@compiled
def _count(hashes: NDArray[np.uint64], counts: NDArray[np.int64]) -> None:
    for row in range(len(hashes)):
        for band in range(BANDS):
            counts[bucket_of(hashes[row], band)] += 1


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


@compiled
def append(index: BandIndex, value: np.uint64, tag: np.uint32) -> None:
    """Put a hash into its bucket of every band, behind those already there."""
    for band in range(BANDS):
        bucket = bucket_of(value, band)
        position = index.bounds[bucket, 1]
        index.hashes[position] = value
        index.tags[position] = tag
        index.bounds[bucket, 1] += 1
