"""The frontier with 1,000,000 queued requests: memory of its process, and time per page.

Each line is measured in a child process that does nothing else: it fills a frontier through
`Frontier.seed`, then takes and commits pages as the dispatcher does, eight in flight. The time per
page stands beside that of a short queue in the same run.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.harness import Benchmark, Measurement, timed
from crawler.captures import CapturePlace
from crawler.frontier import Frontier, Visit
from crawler.sites.pages import Link, PageReading, Sighting

QUEUED = 1_000_000
SHORT = 1_000
VISITS = 1_000
BLOCK = (
    100  # the time per page is the median of so many pages: what else the machine does is left out
)
IN_FLIGHT = 8
MOST_MEMORY_MB = 300
LEAST_RATIO = 0.5  # a page at the long queue takes at most twice as long as at the short one
HOST = "shop.example"
TILES = 20


@dataclass(frozen=True)
class Cost:
    """What a frontier cost: peak memory of the process in MB, seconds for each thing it did.

    `page` is one page taken and committed, the median over blocks of pages.
    """

    peak_mb: float
    fill: float
    page: float
    reopen: float


def measure(full: bool) -> Iterator[Measurement]:
    """Listing pages and product pages, which wait in different waves."""
    del full
    for kind in ("category", "product"):
        short, long = (_in_child(kind, queued) for queued in (SHORT, QUEUED))
        size = f"{QUEUED:,} queued, {kind} pages"
        yield Measurement(
            name="frontier", size=f"{size}: peak memory", unit="MB", ours=round(long.peak_mb, 1),
            peer=f"{SHORT:,} queued", peer_value=round(short.peak_mb, 1),
            target=f"< {MOST_MEMORY_MB} MB", met=long.peak_mb < MOST_MEMORY_MB,
        )  # fmt: skip
        ratio = short.page / long.page
        yield Measurement(
            name="frontier", size=f"{size}: take+commit", unit="ms",
            ours=round(1000 * long.page, 3), peer=f"{SHORT:,} queued",
            peer_value=round(1000 * short.page, 3), ratio=round(ratio, 2),
            target=f"ratio >= {LEAST_RATIO:g}", met=ratio >= LEAST_RATIO,
        )  # fmt: skip
        yield Measurement(name="frontier", size=f"{size}: fill", unit="s", ours=round(long.fill, 1))
        yield Measurement(
            name="frontier", size=f"{size}: open again", unit="s", ours=round(long.reopen, 2)
        )


def _in_child(kind: str, queued: int) -> Cost:
    said = subprocess.run(
        [sys.executable, "-m", "benchmarks.frontier", kind, str(queued)],
        cwd=Path(__file__).resolve().parents[1], stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return Cost(**json.loads(said.stdout))


def cost(folder: Path, kind: str, queued: int, visits: int = VISITS) -> Cost:
    """Fill a frontier with `queued` requests, then take and commit `visits` of them."""
    path, captures = folder / "shop.sqlite", folder / "captures"
    captures.mkdir()
    frontier = Frontier(path, captures, "shop")
    fill, _ = timed(lambda: frontier.seed(_requests(kind, queued)))
    place, blocks, left = CapturePlace("shop-00000.warc.gz", 0, 10), [], min(visits, queued)
    while left > 0:
        block = min(BLOCK, left)
        seconds, place = timed(partial(_work, frontier, block, place))
        blocks.append(seconds / block)
        left -= block
    # The pages' capture exists, or opening again would queue them anew.
    (captures / place.file).write_bytes(bytes(place.offset + place.length))
    frontier.close()
    reopen, again = timed(lambda: Frontier(path, captures, "shop"))
    assert again.outcomes()["ok"] == min(visits, queued)
    again.close()
    return Cost(_peak_mb(), fill, median(blocks), reopen)


def _requests(kind: str, queued: int) -> Iterator[tuple[str, str, str]]:
    for number in range(queued):
        yield f"http://{HOST}/{kind}/a-name-of-usual-length-{number}.html", kind, HOST


def _work(frontier: Frontier, visits: int, place: CapturePlace) -> CapturePlace:
    """Take and commit pages in the order of their turns; returns the place after the last one."""
    flying: deque[Visit] = deque()
    taken = 0
    while taken < visits or flying:
        while taken < visits and len(flying) < IN_FLIGHT:
            assert frontier.waiting_hosts() == [HOST]
            visit = frontier.next_visit(HOST, time.time(), [v.id for v in flying])
            if visit is None:
                break  # the batch is in flight; its last answers begin the next one
            flying.append(visit)
            taken += 1
        visit = flying.popleft()
        reading = _reading(visit)
        frontier.commit_page(visit, "ok", 200, "2026-01-01T00:00:00+00:00", place, reading)
        frontier.save_last_request(HOST, time.time())
        place = CapturePlace(place.file, place.offset + 10, 10)
    return place


def _reading(visit: Visit) -> PageReading:
    """What a page of its kind gives: a grid of products with a next link, or one product."""
    numbers = range(TILES) if visit.kind == "category" else range(1)
    urls = [f"http://{HOST}/item/{visit.id}-{number}.html" for number in numbers]
    sightings = tuple(
        Sighting(
            f"shop:{visit.id}-{number}", f"{visit.id}-{number}", url, "listing", "A product's name",
            f"http://img.{HOST}/{visit.id}-{number}.jpg", ("Home", "Category"), {"title": "css"},
        )
        for number, url in enumerate(urls)
    )  # fmt: skip
    if visit.kind == "product":
        return PageReading(sightings)
    links = [Link("product", url, "A product's name") for url in urls]
    return PageReading(sightings, (*links, Link("next", f"{visit.url}?page=2", "next")))


def _peak_mb() -> float:
    """Peak resident memory of this process (VmHWM)."""
    status = Path("/proc/self/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1024


FRONTIER = Benchmark("frontier", measure)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        print(json.dumps(asdict(cost(Path(made), sys.argv[1], int(sys.argv[2])))))
