"""Runs a command and samples what memory it and its children hold, for side-by-side benchmarks."""

import math
import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

SAMPLE_SECONDS = 0.05
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Ran:
    """What a command printed, its seconds of wall clock, and the peak of its processes' memory.

    `peak_mb` is the largest sum of the resident sizes of the command and all below it, in MB;
    pages that processes share count in each, and once in `proportional_mb`. `largest_mb` is the
    peak of any one of them. `cpu_seconds` and `written_mb` are of all of them together: processor
    time, and what they sent to the disk.
    """

    out: str
    seconds: float
    peak_mb: float
    largest_mb: float = 0.0
    proportional_mb: float = 0.0
    cpu_seconds: float = 0.0
    written_mb: float = 0.0


def run_sampled(command: Sequence[str | Path], cwd: Path, at_most: float = math.inf) -> Ran:
    """Run a command to its end; raises CalledProcessError where it fails, and TimeoutExpired
    where it takes more than `at_most` seconds."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [str(word) for word in command], cwd=cwd, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    peak = largest = proportional = 0.0
    cpu: dict[int, float] = {}
    written = 0.0
    while True:
        family = family_of(process.pid)
        sizes = sizes_mb(family)
        used = usage_of(family)
        cpu |= {pid: one.cpu_seconds for pid, one in used.items()}
        written = max(written, sum(one.written_mb for one in used.values()))
        peak = max(peak, sum(size.resident for size in sizes))
        proportional = max(proportional, sum(size.proportional for size in sizes))
        largest = max([largest, *(size.most for size in sizes)])
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
    return Ran(out, seconds, peak, largest, proportional, sum(cpu.values()), written)


class Sizes(NamedTuple):
    """Of one process, in MB: what is resident now and was at the most, and its share of it."""

    resident: float
    most: float
    proportional: float


class Usage(NamedTuple):
    """Of one process so far: processor time of its own, and MB that it and the children that it
    has waited for caused to be written to the disk."""

    cpu_seconds: float
    written_mb: float


def usage_of(family: Iterable[int]) -> dict[int, Usage]:
    """What processes used up to now."""
    found = {}
    for pid in family:
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            told = Path(f"/proc/{pid}/io").read_text().split()
        except OSError:
            continue
        written = int(told[told.index("write_bytes:") + 1]) / 2**20
        found[pid] = Usage((int(fields[11]) + int(fields[12])) / TICKS, written)
    return found


def family_of(root: int) -> set[int]:
    """A process and its descendants."""
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
    return family


def sizes_mb(family: Iterable[int]) -> list[Sizes]:
    """The sizes of processes."""
    sizes = []
    for pid in family:
        try:
            told = [Path(f"/proc/{pid}/{file}").read_text() for file in ("status", "smaps_rollup")]
        except OSError:
            continue
        lines = [line.split() for text in told for line in text.splitlines()]
        said = {words[0]: int(words[1]) / 1024 for words in lines if words[-1] == "kB"}
        if "VmRSS:" in said and "Pss:" in said:  # what has ended has none
            sizes.append(Sizes(said["VmRSS:"], said["VmHWM:"], said["Pss:"]))
    return sizes
