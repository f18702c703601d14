"""Runs a command and samples what memory it and its children hold, for side-by-side benchmarks."""

import math
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
    pages that processes share count in each. `largest_mb` is the peak of any one of them.
    """

    out: str
    seconds: float
    peak_mb: float
    largest_mb: float = 0.0


def run_sampled(command: Sequence[str | Path], cwd: Path, at_most: float = math.inf) -> Ran:
    """Run a command to its end; raises CalledProcessError where it fails, and TimeoutExpired
    where it takes more than `at_most` seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    peak = largest = 0.0
    while True:
        sizes = sizes_mb(process.pid)
        peak = max(peak, sum(size for size, _ in sizes))
        largest = max([largest, *(most for _, most in sizes)])
        try:
            out, err = process.communicate(timeout=SAMPLE_SECONDS)
            break
        except subprocess.TimeoutExpired:
            if time.perf_counter() - began > at_most:
                process.kill()  # its workers end with it
                process.communicate()
                raise subprocess.TimeoutExpired(process.args, at_most) from None
    seconds = time.perf_counter() - began
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args, out, err)
    return Ran(out, seconds, peak, largest)


def sizes_mb(root: int) -> list[tuple[float, float]]:
    """The resident size of a process and each of its descendants, and the largest it had, in MB."""
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
    sizes = []
    for pid in family:
        try:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        except OSError:
            continue
        said = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith("Vm")}
        if "VmRSS" in said:  # what has ended has none
            sizes.append((int(said["VmRSS"]) / 1024, int(said["VmHWM"]) / 1024))
    return sizes
