"""Run the registered benchmarks: ``python -m benchmarks [--only NAME,…] [--full]``."""

import argparse
import sys
from pathlib import Path

from benchmarks.clean import CLEAN
from benchmarks.clean_memory import CLEAN_MEMORY
from benchmarks.crawl import CRAWL
from benchmarks.fetch import FETCH
from benchmarks.fingerprint import FINGERPRINT
from benchmarks.frontier import FRONTIER
from benchmarks.grow import GROW
from benchmarks.harness import run, select
from benchmarks.import_copy import IMPORT
from benchmarks.ledger import LEDGER
from benchmarks.map import MAP
from benchmarks.parallel import PARALLEL
from benchmarks.read import READ
from benchmarks.scale import SCALE
from benchmarks.search import GROWTH, SEARCH
from benchmarks.titles import TITLES
from benchmarks.write import WRITE

BENCHMARKS = (
    SEARCH, GROWTH, FINGERPRINT, FRONTIER, CRAWL, FETCH, TITLES, CLEAN, CLEAN_MEMORY, MAP, IMPORT,
    WRITE, GROW, LEDGER, READ, SCALE, PARALLEL,
)  # fmt: skip


def main(arguments: list[str] | None = None) -> int:
    """Run what the command line names; 0 when every target was met, 1 otherwise, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="benchmarks", description="side-by-side measurements")
    parser.add_argument("--only", default="", metavar="NAME,…", help="run only these")
    parser.add_argument("--full", action="store_true", help="the largest sizes as well")
    parser.add_argument(
        "--results",
        type=Path,
        default=Path(__file__).parent / "results.jsonl",
        metavar="FILE",
        help="append a JSON line per measurement to FILE (default: %(default)s)",
    )
    options = parser.parse_args(arguments)
    try:
        chosen = select(BENCHMARKS, (name for name in options.only.split(",") if name))
    except ValueError as error:
        parser.error(str(error))
    lines = run(chosen, options.full, options.results)
    return 1 if any(line.met is False for line in lines) else 0


if __name__ == "__main__":
    sys.exit(main())
