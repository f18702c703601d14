"""Our search in a process of its own, so that its peak memory is that of the search alone.

In comes a file of hashes and what to search; out goes one line of JSON on stdout: seconds of the
call without compilation, and the peak resident size of the whole process in MB. Called by `search`.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cleaning.copies.groups import connected_groups
from cleaning.copies.neighbours import Fingerprints, assign_leaders
from cleaning.copies.thresholds import NeighbourThresholds

RADIUS = 6


def prints_of(hashes: NDArray[np.uint64]) -> Fingerprints:
    """Fingerprints whose colours and titles are all alike, so that only hashes decide.

    Each column has memory of its own, as in a run.
    """
    rows = len(hashes)
    whole, trimmed = (np.full((rows, 48), 128, dtype=np.uint8) for _ in range(2))
    sketch = np.ones((rows, 32), dtype=np.uint8)
    return Fingerprints(hashes, hashes.copy(), whole, trimmed, sketch)


def leaders_of(hashes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Greedy leaders by our index, of rows that are all new."""
    return _assign(prints_of(hashes), 0)


def _assign(prints: Fingerprints, published: int) -> NDArray[np.int64]:
    thresholds = NeighbourThresholds(radius=RADIUS, title_free_radius=RADIUS)
    fixed = np.arange(len(prints.phash)) < published
    return assign_leaders(prints, fixed, thresholds).leader


def main(file: str, what: str, published: int) -> None:
    """Search ``file``, whose first ``published`` rows lead already, for leaders or groups."""
    hashes = np.load(file)
    few = hashes[:1000].copy()
    if what == "leaders":
        leaders_of(few)  # compiles, or loads what was compiled before
        prints = prints_of(hashes)
        began = time.perf_counter()
        found = _assign(prints, published)
    else:
        connected_groups(few, few, RADIUS)
        began = time.perf_counter()
        found = connected_groups(hashes, hashes, RADIUS)
    seconds = time.perf_counter() - began
    status = Path("/proc/self/status").read_text()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    np.save(file + ".found.npy", found)
    print(json.dumps({"seconds": seconds, "peak_mb": int(peak) / 1024}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
