"""What connects Scrapy's engine to the crawl: a scheduler over the dispatcher, and the settings.

Scrapy's own retry, redirect, robots.txt, cookie and duplicate handling are off: the dispatcher
and the frontier do these so that a kill loses nothing and every answer is recorded.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from scrapy.core.scheduler import BaseScheduler
from scrapy.http import Request, Response

from crawler.politeness import user_agent
from crawler.sites.sitefile import Site
from runtime.config import Config

if TYPE_CHECKING:
    from scrapy.crawler import Crawler

    from crawler.spiders.listing import ListingSpider

MIN_WAKE_SECONDS = 0.001


class FrontierScheduler(BaseScheduler):
    """Hands Scrapy what the dispatcher allows, and wakes the engine when something is due."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._wake: asyncio.TimerHandle | None = None

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> FrontierScheduler:
        return cls(crawler)

    @property
    def _spider(self) -> ListingSpider:
        spider: Any = self._crawler.spider
        return spider  # type: ignore[no-any-return]

    def has_pending_requests(self) -> bool:
        return self._spider.fault is None and self._spider.dispatcher.has_pending()

    def enqueue_request(self, request: Request) -> bool:
        raise RuntimeError(f"requests come from the frontier alone, got {request}")

    def next_request(self) -> Request | None:
        request = self._spider.next_request()
        if request is None and self._spider.fault is None:
            self._wake_when_due()
        return request

    def close(self, reason: str) -> None:
        if self._wake is not None:
            self._wake.cancel()

    def _wake_when_due(self) -> None:
        """The engine's heartbeat comes every 5 seconds, too rarely for delays of milliseconds."""
        due = self._spider.dispatcher.wake_at()
        if self._wake is not None:
            self._wake.cancel()
            self._wake = None
        if due is None:
            return
        wait = max(MIN_WAKE_SECONDS, due - time.time())
        self._wake = asyncio.get_running_loop().call_later(wait, self._nudge)

    def _nudge(self) -> None:
        self._wake = None
        # Scrapy has no public way to say "ask the scheduler again" (2.19).
        engine = self._crawler.engine
        slot = engine._slot if engine is not None else None
        if slot is not None:
            slot.nextcall.schedule()


class KeepUndecoded:
    """Downloader middleware beside the downloader: keeps the answer as it came, for the capture."""

    def process_response(self, request: Request, response: Response) -> Response:
        """Remember the response before its content coding is undone."""
        request.meta["undecoded"] = response
        return response


def scrapy_settings(config: Config, site: Site) -> dict[str, Any]:
    """Settings of one site's crawl."""
    crawl = config.crawl
    off = dict.fromkeys(
        (
            "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware",
            "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware",
            "scrapy.downloadermiddlewares.retry.RetryMiddleware",
            "scrapy.downloadermiddlewares.redirect.MetaRefreshMiddleware",
            "scrapy.downloadermiddlewares.redirect.RedirectMiddleware",
        )
    )
    return {
        "SCHEDULER": "crawler.scrapy_parts.FrontierScheduler",
        "DNS_RESOLVER": "crawler.addresses.ScrapyResolver",
        "MEP3M_ALLOW_PRIVATE": site.config.allow_private,
        "USER_AGENT": user_agent(config.contact),
        "DOWNLOADER_MIDDLEWARES": {"crawler.scrapy_parts.KeepUndecoded": 595, **off},
        "SPIDER_MIDDLEWARES": dict.fromkeys(
            (
                "scrapy.spidermiddlewares.start.StartSpiderMiddleware",
                "scrapy.spidermiddlewares.httperror.HttpErrorMiddleware",
                "scrapy.spidermiddlewares.referer.RefererMiddleware",
                "scrapy.spidermiddlewares.urllength.UrlLengthMiddleware",
                "scrapy.spidermiddlewares.depth.DepthMiddleware",
            )
        ),
        # The host gates decide how much is in flight; Scrapy's own slots never hold back.
        "CONCURRENT_REQUESTS": 0,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1_000_000,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_TIMEOUT": crawl.timeout,
        "DOWNLOAD_MAXSIZE": crawl.max_body_mib * 1024 * 1024,
        "DOWNLOAD_WARNSIZE": 0,
        "DOWNLOAD_FAIL_ON_DATALOSS": True,
        "COOKIES_ENABLED": False,
        "HTTPPROXY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_HANDLERS": dict.fromkeys(("data", "file", "ftp", "s3")),
        "LOG_LEVEL": "ERROR",
        "LOG_SHORT_NAMES": True,
    }
