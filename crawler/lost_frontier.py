"""A frontier that is damaged or gone: its site is crawled again from its start.

What was staged in it is in no part yet, and which captures count is written nowhere else; so the
site begins anew, and its pages come once into sightings, ledger and release. Other sites go on.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable

from crawler.captures import own_files
from crawler.export import known_hosts
from crawler.frontier_file import FrontierDamagedError, frontier_path
from runtime.sqlite_files import is_damage, remove_database
from runtime.storage import write_json
from runtime.workspace import Run

FRONTIER_LOST = 111
"""How a site's process ends when its frontier is to be begun anew; the program never ends so."""


def require_frontier(run: Run, site: str) -> None:
    """Raise FrontierDamagedError where the run has captures of the site and no frontier for them.

    A frontier stands on the disk before the first capture does.
    """
    path = frontier_path(run, site)
    empty = not path.is_file() or path.stat().st_size == 0
    if empty and any(own_files(run.captures, site)):
        raise FrontierDamagedError(
            f"site {site}: expected a frontier in {path}, got "
            f"{'an empty file' if path.is_file() else 'none'} beside captures of its pages"
        )


def lost_frontier(site: str, error: BaseException) -> str | None:
    """What is wrong with the site's frontier by an error that came up; None when it is not that."""
    if isinstance(error, FrontierDamagedError):
        return str(error)
    if isinstance(error, sqlite3.DatabaseError) and is_damage(error):
        return f"site {site}: expected an intact frontier, got {str(error)!r}"
    return None


def begin_anew(run: Run, site: str, hosts: Iterable[str], problem: str) -> str:
    """Let the site's next crawl begin at its start; returns the line to tell of it.

    Captures that no table can name go as well. That the hosts were asked just now stays known, so
    that what they ask for between two requests is kept.
    """
    _remember_requests(run, site, hosts)
    # The frontier first: captures without one are noticed when this is cut short.
    remove_database(frontier_path(run, site))
    if all(folder.seal(site) is None for folder in (run.sightings, run.links, run.pages)):
        for _, path in list(own_files(run.captures, site)):
            path.unlink()
    return f"{problem}; crawling the site again from its start"


def _remember_requests(run: Run, site: str, hosts: Iterable[str]) -> None:
    known, now = known_hosts(run), time.time()
    rows = []
    for host in sorted(hosts):
        robots = known[host].robots if host in known else None
        rows.append({"host": host, "robots": robots, "last_request": now})
    write_json(run.frontiers / f"{site}.hosts.json", rows)
