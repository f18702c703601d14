"""The frontier at its limits: a full disk, a damaged file, another crawl, and what is due when."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from crawler.addresses import RefusedAddressError
from crawler.captures import CapturePlace
from crawler.frontier import Frontier
from crawler.frontier_file import FrontierDamagedError, pages_done
from crawler.sites.pages import Link, PageReading, Sighting

PLACE = CapturePlace("s-00000.warc.gz", 0, 10)
ROOT = Path(__file__).resolve().parents[2]
FILL = """
import sys
from pathlib import Path
from crawler.frontier import Frontier
from runtime.errors import StorageFullError
folder = Path(sys.argv[1])
frontier = Frontier(folder / "s.sqlite", folder / "captures", "s")
frontier._db.execute("PRAGMA max_page_count = 60")
writes = {
    "seed": lambda n, v: frontier.seed([(f"http://s/{n}/" + "x" * 3000, "category", "s")]),
    "defer": lambda n, v: frontier.defer(v, 0.0, "x" * 3000 * n),
    "finish": lambda n, v: frontier.finish(v, "timeout", "x" * 3000 * n),
    "save_robots": lambda n, v: frontier.save_robots(f"h{n}", "x" * 3000, 200, 0.0, None),
    "save_last_request": lambda n, v: frontier.save_last_request(f"h{n}" + "x" * 3000, 0.0),
}
visit = frontier.next_visit("s", 0.0, ())
try:
    for number in range(1, 1000):
        writes[sys.argv[2]](number, visit)
except StorageFullError as error:
    print(error)
    sys.exit(int(error.exit_status))
"""


def sighting(number: int) -> Sighting:
    url = f"http://s/p/{number}"
    return Sighting(f"s:{number}", str(number), url, "listing", "t", None, None, {})


def open_frontier(folder: Path) -> Frontier:
    captures = folder / "captures"
    captures.mkdir(exist_ok=True)
    (captures / PLACE.file).write_bytes(b"x" * 10)
    return Frontier(folder / "s.sqlite", captures, "s")


@pytest.mark.parametrize("write", ["seed", "defer", "finish", "save_robots", "save_last_request"])
def test_a_full_disk_is_named_whatever_was_being_stored(tmp_path: Path, write: str) -> None:
    """SQLite's own page limit stands in for the disk; it ends in the same error code."""
    frontier = open_frontier(tmp_path)
    frontier.seed([("http://s/kept", "start", "s")])
    frontier.close()
    said = subprocess.run(
        [sys.executable, "-c", FILL, str(tmp_path), write],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert said.returncode == 1, said.stderr
    assert "no room to write" in said.stdout
    assert str(tmp_path / "s.sqlite") in said.stdout
    again = open_frontier(tmp_path)
    assert [row["url"] for row in again.rows("SELECT url FROM queue WHERE id = 1")] == [
        "http://s/kept"
    ]
    again.close()


def test_a_damaged_frontier_is_named_and_lets_go_of_its_lock(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.seed((f"http://s/{n}", "category", "s") for n in range(500))
    frontier.close()
    path = tmp_path / "s.sqlite"
    intact = path.read_bytes()
    third = len(intact) // 3
    for damaged in (
        b"not a database" * 100,
        intact[: 2 * third],
        intact[:third] + b"x" * third + intact[2 * third :],
        without_index(path, "unranked"),
    ):
        path.write_bytes(damaged)
        with pytest.raises(FrontierDamagedError, match=r"site s: expected .*s\.sqlite, got"):
            open_frontier(tmp_path)
        path.write_bytes(intact)
    open_frontier(tmp_path).close()


def without_index(path: Path, name: str) -> bytes:
    """The file's bytes with an empty page in place of an index; a quick check finds no fault."""
    with closing(sqlite3.connect(path)) as db:
        query = "SELECT rootpage FROM sqlite_master WHERE name = ?"
        (root,) = db.execute(query, (name,)).fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    data[(root - 1) * size : root * size] = bytes([10, 0, 0, 0, 0, size >> 8, size & 255, 0]).ljust(
        size, b"\0"
    )
    return bytes(data)


def test_a_failing_commit_leaves_the_page_queued_and_nothing_behind(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.seed([("http://s/", "start", "s")])
    visit = frontier.next_visit("s", 0.0, ())
    assert visit is not None
    links = (Link("category", "http://s/a"), Link("category", "not a URL"))
    with pytest.raises(RefusedAddressError):
        frontier.commit_page(visit, "ok", 200, "now", PLACE, PageReading((sighting(1),), links))
    assert frontier.next_visit("s", 0.0, ()) == visit
    for table in ("sightings", "links", "chain_products"):
        assert list(frontier.rows(f"SELECT * FROM {table}")) == []
    frontier.close()


def test_what_is_due_leaves_out_what_is_in_flight(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.seed([("http://s/a", "category", "s"), ("http://s/b", "category", "s")])
    first = frontier.next_visit("s", 0.0, ())
    assert first is not None
    second = frontier.next_visit("s", 0.0, (first.id,))
    assert second is not None
    frontier.defer(second, 50.0, "later")
    assert frontier.next_due("s", ()) == 0.0
    assert frontier.next_due("s", (first.id,)) == 50.0
    assert frontier.next_due("s", (first.id, second.id)) is None
    assert frontier.next_due("elsewhere", ()) is None
    assert frontier.next_visit("s", 49.0, (first.id,)) is None
    assert frontier.next_visit("s", 50.0, (first.id,)) is not None
    frontier.close()


def test_pages_are_listings_first_then_products_in_the_order_found(tmp_path: Path) -> None:
    frontier = open_frontier(tmp_path)
    frontier.seed([("http://s/", "start", "s")])
    visit = frontier.next_visit("s", 0.0, ())
    assert visit is not None
    links = [("product", "p1"), ("category", "c1"), ("product", "p2"), ("next", "n")]
    reading = PageReading(links=tuple(Link(kind, f"http://s/{name}") for kind, name in links))
    frontier.commit_page(visit, "ok", 200, "now", PLACE, reading)
    order = []
    while (page := frontier.next_visit("s", 0.0, ())) is not None:
        order.append(page.url.rpartition("/")[2])
        frontier.finish(page, "http_404", None)
    assert order == ["c1", "n", "p1", "p2"]
    assert pages_done(tmp_path / "s.sqlite") == 5
    assert frontier.outcomes() == {"http_404": 4, "ok": 1}
    frontier.close()
