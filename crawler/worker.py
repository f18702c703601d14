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
from crawler.scrapy_parts import scrapy_settings
from crawler.seeding import seed_frontier
from crawler.sites.sitefile import load_site
from crawler.spiders.listing import ListingSpider
from crawler.waves import bounds_of
from runtime.config import parse_config
from runtime.errors import MepError, SiteError
from runtime.exits import Exit
from runtime.processes import exit_with_parent
from runtime.storage import full_disk_explained, read_json
from runtime.tombstones import load_tombstones
from runtime.workspace import Run


def crawl_site(job: Path) -> Exit:
    """Crawl until the frontier is empty, then export. STOPPED_EARLY when a signal came first."""
    values = read_json(job)
    config = parse_config(values["config"], str(job))
    (site_config,) = (s for s in config.site if s.key == values["site"])
    site = load_site(site_config, Path(values["config_folder"]))
    run = Run(Path(values["run"]))
    frontier = Frontier(
        run.frontiers / f"{site.key}.sqlite",
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
            seed_frontier(frontier, site, Path(values["config_folder"]))
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
            return int(crawl_site(job))
    except MepError as error:
        print(f"mep3m: {error}", file=sys.stderr)
        return int(error.exit_status)


if __name__ == "__main__":
    sys.exit(main())
