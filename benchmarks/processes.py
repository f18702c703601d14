"""Runs a command and samples what memory it and its children hold, for side-by-side benchmarks."""

import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.05


@dataclass(frozen=True)
class Ran:
    """What a command printed, its seconds of wall clock, and the peak of its processes' memory.

    `peak_mb` is the largest sum of the resident sizes of the command and all below it, in MB;
    pages that processes share count in each.
    """

    out: str
    seconds: float
    peak_mb: float


def run_sampled(command: Sequence[str | Path], cwd: Path) -> Ran:
    """Run a command to its end; raises CalledProcessError where it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    peak = 0.0
    while True:
        peak = max(peak, resident_mb(process.pid))
        try:
            out, err = process.communicate(timeout=SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            continue
    seconds = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out, err)
    return Ran(out, seconds, peak)


def resident_mb(root: int) -> float:
    """The resident size of a process and all its descendants, in MB."""
    parents: dict[int, int] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        parents[int(path.parent.name)] = int(fields[1])
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    total = 0
    for pid in family:
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except OSError:
            continue
        sizes = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
        total += sum(map(int, sizes))
    return total / 1024
