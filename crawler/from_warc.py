"""The crawl of an archive: pages come from WARC files instead of the network.

Every answer of the archive that is a page of the site is read, in archive order, and copied into
the run's own captures with its date, so that everything after knows no difference. Links are
recorded and not followed: what the archive lacks cannot be had. A robots.txt in the archive holds.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from crawler.addresses import RefusedAddressError, host_of
from crawler.archive import INDEX_FILE, Archive, ArchivedAnswer, build_index, file_digests
from crawler.captures import CaptureWriter
from crawler.export import export_site
from crawler.frontier import Frontier, Visit
from crawler.frontier_file import frontier_path
from crawler.lost_frontier import begin_anew, lost_frontier, require_frontier
from crawler.politeness import ParsedRobots, RobotsRules
from crawler.reading import judge
from crawler.sites.sitefile import Site, load_site, shipped_programs
from crawler.waves import bounds_of
from runtime.config import Config, SiteConfig
from runtime.errors import ConfigError
from runtime.sqlite_files import is_intact_file
from runtime.tombstones import load_tombstones
from runtime.workspace import Run

_PAGE_TYPES = ("html", "xml")
_NOW = float("inf")  # an archive need not be waited for


@dataclass(frozen=True)
class ArchiveWork:
    """What a worker needs to read one site's pages from the run's archive."""

    run: Run
    site: SiteConfig
    config: Config
    config_folder: Path


def archive_index(run: Run) -> Path:
    """The run's index of its WARC files, made again where it is missing or damaged.

    Raises ConfigError when a file is no longer what it was when the run started.
    """
    index = run.folder / INDEX_FILE
    if not is_intact_file(index):
        files = run.record["from_warc"]["files"]
        paths = [Path(file["path"]) for file in files]
        gone = [path for path in paths if not path.is_file()]
        if gone or file_digests(paths) != files:
            raise ConfigError(
                f"run {run.run_id} reads {(gone or paths)[0]}: expected the file as it was when "
                "the run started; put it back"
            )
        build_index(paths, index)
    return index


def site_of_archive(program: str, index: Path) -> SiteConfig:
    """A site for a shipped site file: the host on which most URLs look like its products.

    Raises ConfigError when there is no such site file, or none of its products in the archive.
    """
    if program not in shipped_programs():
        raise ConfigError(
            f"--site {program}: expected a [[site]] of the configuration or one of "
            f"{', '.join(shipped_programs())}"
        )
    best: tuple[int, str] = (0, "")
    with closing(Archive(index)) as archive:
        for host in archive.hosts():
            probe = _site_at(program, f"http://{host}")
            schemes = Counter(
                urlsplit(url).scheme for url, _ in archive.urls(host) if probe.is_product(url)
            )
            if schemes.total() > best[0]:
                best = (schemes.total(), f"{schemes.most_common(1)[0][0]}://{host}")
    if not best[0]:
        raise ConfigError(
            f"--site {program}: expected product pages of such a shop in the WARC files, found "
            "none; name the site's key, or check the files"
        )
    return SiteConfig(key=program, program=program, base_url=best[1])


def _site_at(program: str, base_url: str) -> Site:
    return load_site(SiteConfig(key=program, program=program, base_url=base_url), Path())


def crawl_archive(work: ArchiveWork) -> str | None:
    """Read every page of the site and export its tables; a line where it had to begin anew."""
    site, told = load_site(work.site, work.config_folder), None
    try:
        require_frontier(work.run, site.key)
        _crawl_archive(work, site)
    except Exception as error:
        problem = lost_frontier(site.key, error)
        if problem is None:
            raise
        told = begin_anew(work.run, site.key, site.hosts, problem)
        _crawl_archive(work, site)
    return told


def _crawl_archive(work: ArchiveWork, site: Site) -> None:
    run, crawl = work.run, work.config.crawl
    bounds = bounds_of(crawl, work.site)
    file, tombstones = frontier_path(run, site.key), load_tombstones(run.workspace)
    frontier = Frontier(file, run.captures, site.key, bounds, tombstones)
    archive = Archive(run.folder / INDEX_FILE)
    captures = CaptureWriter(
        run.captures,
        site.key,
        site.digest,
        level=crawl.warc_gzip_level,
        max_bytes=crawl.warc_max_mib * 1024 * 1024,
    )
    pages = _Pages(site, archive, crawl.max_body_mib * 1024 * 1024)
    try:
        frontier.seed(pages.seeds())
        robots = {host: pages.robots(host) for host in site.hosts} if crawl.robots_txt else {}
        while frontier.has_pending():
            for host in frontier.waiting_hosts():
                while (visit := frontier.next_visit(host, _NOW, ())) is not None:
                    rules = robots.get(host)
                    if rules is not None and not rules.allows(visit.url):
                        frontier.finish(visit, "robots", "robots.txt disallows it", attempted=False)
                    else:
                        pages.commit(visit, frontier, captures)
        captures.close()
        export_site(frontier, run, site.key)
    finally:
        captures.close()
        pages.close()
        archive.close()
        frontier.close()


class _Pages:
    """The archive's pages of one site, by canonical URL."""

    def __init__(self, site: Site, archive: Archive, max_bytes: int) -> None:
        self._site, self._archive, self._max_bytes = site, archive, max_bytes
        self._db = sqlite3.connect("", isolation_level=None)  # on disk, gone when closed
        self._db.execute("CREATE TABLE pages(url TEXT PRIMARY KEY, spelled TEXT, kind TEXT)")
        self._db.execute("BEGIN")
        for host in sorted(site.hosts):
            for spelled, kind in archive.urls(host):
                if kind is None or any(word in kind for word in _PAGE_TYPES):
                    self._add(spelled)
        self._db.execute("COMMIT")

    def _add(self, spelled: str) -> None:
        try:
            url = self._site.canonical(spelled)
            if host_of(url) not in self._site.hosts or urlsplit(url).path == "/robots.txt":
                return
        except (ValueError, RefusedAddressError):
            return
        kind = "product" if self._site.is_product(url) else "category"
        if url in self._site.start_urls:
            kind = "start"
        self._db.execute("INSERT OR IGNORE INTO pages VALUES (?, ?, ?)", (url, spelled, kind))

    def close(self) -> None:
        """Forget them."""
        self._db.close()

    def seeds(self) -> Iterator[tuple[str, str, str]]:
        """(URL, kind, host) in archive order."""
        for url, kind in self._db.execute("SELECT url, kind FROM pages ORDER BY rowid"):
            yield url, kind, host_of(url)

    def robots(self, host: str) -> ParsedRobots | None:
        """The host's rules, where the archive has them."""
        for scheme in ("https", "http"):
            found = self._archive.find(f"{scheme}://{host}/robots.txt")
            if found is not None:
                answer = self._archive.read(found, found.url, self._max_bytes)
                return RobotsRules.from_response(found.status, answer.body).parsed()
        return None

    def commit(self, visit: Visit, frontier: Frontier, captures: CaptureWriter) -> None:
        """Copy one page into the captures, read it, and commit what it gave."""
        found = self._find(visit.url)
        if found is None:
            frontier.finish(visit, "not_captured", "not in the archive", attempted=False)
            return
        try:
            answer = self._archive.read(found, visit.url, self._max_bytes)
        except ValueError as error:
            frontier.finish(visit, "too_large", str(error))
            return
        except OSError as error:
            frontier.finish(visit, "unreadable", str(error))
            return
        judged = judge(answer, visit.kind, self._site, self._max_bytes)
        frontier.commit_page(
            visit, judged.outcome, answer.status, answer.received_at.isoformat(),
            captures.write(answer), judged.reading, judged.error, follow=False,
        )  # fmt: skip

    def _find(self, url: str) -> ArchivedAnswer | None:
        row = self._db.execute("SELECT spelled FROM pages WHERE url = ?", (url,)).fetchone()
        return None if row is None else self._archive.find(row[0])
