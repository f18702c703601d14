"""The process that crawls one site: `python -m crawler.worker JOB.json PARENT_PROCESS_ID`.

A process of its own, because Scrapy's reactor runs once per process. It ends with a status that
the parent reads, after the site's pages, sightings and links are exported as parts.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

from scrapy.crawler import CrawlerProcess

from crawler.captures import CaptureWriter
from crawler.carry import Carrier
from crawler.dispatch import Dispatcher
from crawler.export import export_site, known_hosts
from crawler.frontier import Frontier
from crawler.frontier_file import frontier_path
from crawler.lost_frontier import FRONTIER_LOST, begin_anew, lost_frontier, require_frontier
from crawler.scrapy_parts import scrapy_settings
from crawler.seeding import seed_frontier
from crawler.sites.sitefile import Site, load_site
from crawler.spiders.listing import ListingSpider
from crawler.waves import bounds_of
from runtime.config import Config, parse_config
from runtime.errors import MepError, SiteError
from runtime.exits import Exit
from runtime.processes import exit_with_parent
from runtime.storage import full_disk_explained, read_json
from runtime.tombstones import load_tombstones
from runtime.workspace import Run


def crawl_site(job: Path) -> int:
    """Crawl until the frontier is empty, then export; returns how the process ends.

    STOPPED_EARLY when a signal came first, FRONTIER_LOST when the site has to begin anew.
    """
    values = read_json(job)
    config = parse_config(values["config"], str(job))
    (site_config,) = (s for s in config.site if s.key == values["site"])
    site = load_site(site_config, Path(values["config_folder"]))
    run = Run(Path(values["run"]))
    try:
        return _crawl(config, Path(values["config_folder"]), site, run)
    except Exception as error:
        problem = lost_frontier(site.key, error)
        if problem is None:
            raise
        # Scrapy's reactor runs once: the next process begins anew.
        print(begin_anew(run, site.key, site.hosts, problem), file=sys.stderr)
        return FRONTIER_LOST


def _crawl(config: Config, config_folder: Path, site: Site, run: Run) -> int:
    require_frontier(run, site.key)
    site_config = site.config
    frontier = Frontier(
        frontier_path(run, site.key),
        run.captures,
        site.key,
        bounds_of(config.crawl, site_config),
        load_tombstones(run.workspace),
    )
    try:
        captures = CaptureWriter(
            run.captures,
            site.key,
            site.digest,
            level=config.crawl.warc_gzip_level,
            max_bytes=config.crawl.warc_max_mib * 1024 * 1024,
        )
        try:
            seed_frontier(frontier, site, config_folder)
            carrier = Carrier(run, site, frontier, config.crawl)
            dispatcher = Dispatcher(
                site, frontier, config.crawl, time.time, known_hosts(run), carrier.carry
            )
            process = CrawlerProcess(scrapy_settings(config, site))
            crawler = process.create_crawler(ListingSpider)
            process.crawl(crawler, dispatcher=dispatcher, captures=captures, clock=time.time)
            process.start()
            carrier.close()
        finally:
            captures.close()
        spider: Any = crawler.spider
        if spider is None:
            raise SiteError(f"site {site.key}: Scrapy did not start; see the lines above")
        if spider.fault is not None:
            raise spider.fault
        if frontier.has_pending():
            return Exit.STOPPED_EARLY
        export_site(frontier, run, site.key)
    finally:
        frontier.close()
    return Exit.DONE


def main() -> int:
    """Entry point."""
    exit_with_parent(int(sys.argv[2]))
    try:
        job = Path(sys.argv[1])
        with full_disk_explained(job.parent):
            return crawl_site(job)
    except MepError as error:
        print(f"mep3m: {error}", file=sys.stderr)
        return int(error.exit_status)


if __name__ == "__main__":
    sys.exit(main())
