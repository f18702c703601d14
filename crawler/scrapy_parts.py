"""What connects Scrapy's engine to the crawl: a scheduler, a download handler, the settings.

Scrapy's own retry, redirect, robots.txt, cookie, decoding and duplicate handling are off: the
dispatcher and the frontier do these so that a kill loses nothing and every answer is recorded.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

from scrapy.core.downloader.handlers.base import BaseDownloadHandler
from scrapy.core.scheduler import BaseScheduler
from scrapy.http import Request, Response

from crawler.bodies import ACCEPT_ENCODING
from crawler.http import HttpAnswer, HttpClient
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


class BoundedHandler(BaseDownloadHandler):
    """Downloads with the client that `fetch` uses, so that one set of bounds holds for both.

    Scrapy's own handlers know no bound on the number of headers, and re-resolve names on their
    own."""

    def __init__(self, crawler: Crawler) -> None:
        super().__init__(crawler)
        self._client: HttpClient | None = None

    def _connected(self) -> HttpClient:
        if self._client is None:  # needs the running loop
            settings = self.crawler.settings
            self._client = HttpClient(
                settings["USER_AGENT"],
                settings.getlist("MEP3M_ALLOW_PRIVATE"),
                settings.getint("MEP3M_CONNECTIONS"),
                proxy=settings["MEP3M_PROXY"],
                allow_private_proxy=settings.getbool("MEP3M_ALLOW_PRIVATE_PROXY"),
            )
        return self._client

    async def download_request(self, request: Request) -> Response:
        """The answer as it came; raises FetchFault."""
        settings = self.crawler.settings
        answer = await self._connected().get(
            request.url,
            seconds=settings.getfloat("DOWNLOAD_TIMEOUT"),
            max_bytes=settings.getint("DOWNLOAD_MAXSIZE"),
            headers={"Accept-Encoding": ACCEPT_ENCODING},
        )
        return AnswerResponse(request.url, answer)

    async def close(self) -> None:
        """End every connection."""
        if self._client is not None:
            await self._client.close()


class AnswerResponse(Response):
    """A Scrapy response that carries the whole answer."""

    def __init__(self, url: str, answer: HttpAnswer) -> None:
        super().__init__(url, status=answer.status)
        self.answer = answer


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
            "scrapy.downloadermiddlewares.httpcompression.HttpCompressionMiddleware",
            "scrapy.downloadermiddlewares.httpauth.HttpAuthMiddleware",
            "scrapy.downloadermiddlewares.downloadtimeout.DownloadTimeoutMiddleware",
            "scrapy.downloadermiddlewares.defaultheaders.DefaultHeadersMiddleware",
            "scrapy.downloadermiddlewares.useragent.UserAgentMiddleware",
            "scrapy.downloadermiddlewares.cookies.CookiesMiddleware",
            "scrapy.downloadermiddlewares.httpproxy.HttpProxyMiddleware",
            "scrapy.downloadermiddlewares.stats.DownloaderStats",
        )
    )
    return {
        "SCHEDULER": "crawler.scrapy_parts.FrontierScheduler",
        "MEP3M_CONNECTIONS": crawl.concurrency_per_host * max(2, len(site.hosts)),
        "MEP3M_ALLOW_PRIVATE": site.config.allow_private,
        "MEP3M_PROXY": crawl.proxy,
        "MEP3M_ALLOW_PRIVATE_PROXY": crawl.allow_private_proxy,
        "USER_AGENT": user_agent(config.contact),
        "DOWNLOADER_MIDDLEWARES": off,
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
        # Scrapy starts so many tasks for the items of every page; ours yield none.
        "CONCURRENT_ITEMS": 1,
        "CONCURRENT_REQUESTS_PER_DOMAIN": 1_000_000,
        "DOWNLOAD_DELAY": 0,
        "DOWNLOAD_TIMEOUT": crawl.timeout,
        "DOWNLOAD_MAXSIZE": crawl.max_body_mib * 1024 * 1024,
        "COOKIES_ENABLED": False,
        "HTTPPROXY_ENABLED": False,
        "TELNETCONSOLE_ENABLED": False,
        "DOWNLOAD_HANDLERS": {
            **dict.fromkeys(("data", "file", "ftp", "s3")),
            **dict.fromkeys(("http", "https"), "crawler.scrapy_parts.BoundedHandler"),
        },
        "LOG_LEVEL": "ERROR",
        "LOG_SHORT_NAMES": True,
    }
