"""A frontier that is lost: what goes with it, what stays, and what is still known of its hosts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from crawler.export import known_hosts
from crawler.frontier_file import FrontierDamagedError, frontier_path
from crawler.lost_frontier import begin_anew, lost_frontier, require_frontier
from runtime.storage import write_json
from runtime.workspace import Run
from tests.crawler.recorded_runs import Crawls


def begun(folder: Path, *, exported: bool) -> Run:
    """A run of sites `s` and `s-b` that has captures and frontiers of both."""
    crawls = Crawls(folder)
    crawls.workspace.prepare()
    run = crawls.crawl([1]) if exported else crawls.workspace.new_run(crawls.now, ["s"])
    run.captures.mkdir(exist_ok=True)
    run.frontiers.mkdir(exist_ok=True)
    own = [f"s-{run.run_id}-00000.warc.gz", f"s-{run.run_id}-00001.warc.gz.open"]
    for name in (*own, f"s-b-{run.run_id}-00000.warc.gz", "s-20200101T000000Z-00000.warc.gz"):
        (run.captures / name).touch()
    for site in ("s", "s-b"):
        for suffix in ("", "-wal", "-shm"):
            path = frontier_path(run, site)
            path.with_name(path.name + suffix).write_bytes(b"x")
    return run


def left(run: Run) -> set[str]:
    return {path.name.replace(run.run_id, "RUN") for path in run.captures.iterdir()}


def test_captures_that_nothing_can_name_go_and_others_stay(tmp_path: Path) -> None:
    run = begun(tmp_path, exported=False)
    told = begin_anew(run, "s", ["h:1"], "site s: expected x, got y")
    assert told == "site s: expected x, got y; crawling the site again from its start"
    assert left(run) == {"s-b-RUN-00000.warc.gz", "s-20200101T000000Z-00000.warc.gz"}
    assert sorted(path.name for path in run.frontiers.glob("*.sqlite*")) == [
        "s-b.sqlite", "s-b.sqlite-shm", "s-b.sqlite-wal",
    ]  # fmt: skip
    require_frontier(run, "s")  # nothing says that there was a crawl


def test_captures_of_a_site_that_was_exported_stay_for_the_parts_that_name_them(
    tmp_path: Path,
) -> None:
    run = begun(tmp_path, exported=True)
    before = left(run)
    begin_anew(run, "s", [], "x")
    assert left(run) == before


def test_hosts_were_asked_just_now_and_their_robots_txt_stays_known(tmp_path: Path) -> None:
    run = begun(tmp_path, exported=False)
    known = [{"host": "h:1", "robots": "Crawl-delay: 9", "last_request": 5.0}]
    write_json(run.frontiers / "s.hosts.json", known)
    begin_anew(run, "s", ["h:1", "h:2"], "x")
    found = known_hosts(run)
    assert (found["h:1"].robots, found["h:2"].robots) == ("Crawl-delay: 9", None)
    for host in found.values():
        assert host.last_request is not None and abs(host.last_request - time.time()) < 60


@pytest.mark.parametrize("content", [None, b""])
def test_captures_without_a_frontier_say_that_it_was_lost(
    tmp_path: Path, content: bytes | None
) -> None:
    run = begun(tmp_path, exported=False)
    require_frontier(run, "s")
    if content is None:
        frontier_path(run, "s").unlink()
    else:
        frontier_path(run, "s").write_bytes(content)
    with pytest.raises(FrontierDamagedError, match=r"site s: expected .*s\.sqlite, got") as raised:
        require_frontier(run, "s")
    assert lost_frontier("s", raised.value) == str(raised.value)


def test_other_errors_are_not_the_frontiers() -> None:
    assert lost_frontier("s", OSError(5, "x")) is None
    assert lost_frontier("s", ValueError()) is None
