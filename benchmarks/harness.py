"""What a measurement is, and how a run of them is printed and kept.

In come registered benchmarks, each a function that yields measurements; out go a table on stdout
and one JSON line per measurement, appended to a file.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

_Result = TypeVar("_Result")

NOT_INSTALLED = "not installed (pip install mep3m-pipeline[bench])"


@dataclass(frozen=True)
class Measurement:
    """One line of results: ours against a peer's in the same run, on the same input.

    ``size`` names the input; ``ratio`` says how many times better ours is (null without a peer);
    ``met`` whether ``target`` was reached (null without a target).
    """

    name: str
    size: str
    unit: str
    ours: float
    peer: str | None = None
    peer_value: float | None = None
    ratio: float | None = None
    target: str | None = None
    met: bool | None = None


@dataclass(frozen=True)
class Benchmark:
    """A named benchmark; ``measure(full)`` yields its lines, the long ones only when full."""

    name: str
    measure: Callable[[bool], Iterator[Measurement]]


def timed(call: Callable[[], _Result]) -> tuple[float, _Result]:
    """Seconds of wall clock that ``call`` took, and what it returned."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def against(
    name: str, size: str, ours: float, peer: str, peer_seconds: float, least: float | None = None
) -> Measurement:
    """A measurement in seconds beside a peer's; ``least`` is the ratio to be reached."""
    ratio = peer_seconds / ours
    return Measurement(
        name=name,
        size=size,
        unit="s",
        ours=round(ours, 3),
        peer=peer,
        peer_value=round(peer_seconds, 3),
        ratio=round(ratio, 1),
        target=None if least is None else f"ratio >= {least:g}",
        met=None if least is None else ratio >= least,
    )


def select(benchmarks: Sequence[Benchmark], only: Iterable[str]) -> list[Benchmark]:
    """The benchmarks named in ``only``, all of them if it names none; raises ``ValueError``."""
    wanted = list(only)
    known = {benchmark.name for benchmark in benchmarks}
    unknown = [name for name in wanted if name not in known]
    if unknown:
        raise ValueError(f"no benchmark {', '.join(unknown)}; there are {', '.join(sorted(known))}")
    return [benchmark for benchmark in benchmarks if not wanted or benchmark.name in wanted]


def run(benchmarks: Iterable[Benchmark], full: bool, results: Path) -> list[Measurement]:
    """Run ``benchmarks``, printing each line as it comes and appending it to ``results``."""
    lines: list[Measurement] = []
    print(_row(("name", "size", "unit", "ours", "peer", "peer's", "ratio", "target", "met")))
    with results.open("a", encoding="utf-8") as file:
        for benchmark in benchmarks:
            for line in benchmark.measure(full):
                print(_row(tuple(asdict(line).values())), flush=True)
                file.write(json.dumps(asdict(line), ensure_ascii=False) + "\n")
                file.flush()
                lines.append(line)
    return lines


_WIDTHS = (15, 44, 5, 9, 44, 9, 7, 14, 5)


def _row(cells: Sequence[object]) -> str:
    texts = ["" if cell is None else str(cell) for cell in cells]
    return "  ".join(text.ljust(width) for text, width in zip(texts, _WIDTHS, strict=True)).rstrip()
