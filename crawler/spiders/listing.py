"""The listing spider: asks for what the dispatcher allows, and commits what each page gave.

Scrapy downloads; which page, when, and what becomes of it is decided here and in the dispatcher.
The spider yields nothing: a page's results go to the frontier in one transaction.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any, NoReturn

from scrapy import Request, Spider
from scrapy.exceptions import CloseSpider
from scrapy.http import Response
from twisted.python.failure import Failure

from crawler.bodies import BodyFault, decoded
from crawler.captures import Answer, CaptureWriter
from crawler.dispatch import Dispatcher, RobotsVisit
from crawler.frontier import Visit
from crawler.http import FetchFault, HttpAnswer
from crawler.politeness import ROBOTS_MAX_BYTES, backoff, retry_after
from crawler.reading import judge
from runtime.clock import now

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
PAUSE_STATUSES = frozenset({429, 503})


class ListingSpider(Spider):
    """Crawls one site."""

    name = "listing"

    def __init__(
        self,
        dispatcher: Dispatcher,
        captures: CaptureWriter,
        clock: Callable[[], float],
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.dispatcher = dispatcher
        self.fault: Exception | None = None
        self._captures = captures
        self._clock = clock
        self._max_bytes = dispatcher.settings.max_body_mib * 1024 * 1024

    async def start(self) -> AsyncIterator[Any]:
        """Nothing: every request comes from the frontier."""
        return
        yield

    def next_request(self) -> Request | None:
        """The next request that may be sent now; none any more after a fault."""
        try:
            visit = None if self.fault else self.dispatcher.next()
        except Exception as error:
            # The frontier could not be written. The engine has no way to end from here, but it
            # does when nothing is pending; the worker raises the fault then.
            self.fault, visit = error, None
        if visit is None:
            return None
        callback = self.parse_robots if isinstance(visit, RobotsVisit) else self.parse
        return Request(
            visit.url,
            callback=callback,
            errback=self.failed,
            meta={"visit": visit},
            dont_filter=True,
        )

    def _answer(self, response: Response) -> Answer:
        visit: Visit | RobotsVisit = response.meta["visit"]
        came: HttpAnswer = response.answer  # type: ignore[attr-defined]
        return Answer(visit.url, came.status, came.headers, came.body, now())

    async def parse(self, response: Response) -> None:
        """One page: retried, followed as a redirect, or captured, read and committed."""
        visit: Visit = response.meta["visit"]
        try:
            answer = self._answer(response)
            if answer.status in RETRY_STATUSES:
                self._put_off(visit, answer)
            else:
                await self._commit(visit, answer)
        except Exception as error:
            self._give_up(error)
        finally:
            self._end(visit)

    def _give_up(self, error: Exception) -> NoReturn:
        """A result that cannot be stored ends the crawl; its page is still queued."""
        self.fault = self.fault or error
        raise CloseSpider("fault") from error

    def _end(self, visit: Visit | RobotsVisit) -> None:
        """A request is over; what cannot be stored of that ends the crawl as well."""
        try:
            self.dispatcher.ended(visit)
        except Exception as error:
            self._give_up(error)

    def _put_off(self, visit: Visit, answer: Answer) -> None:
        wait = retry_after(answer.header("Retry-After"), self._clock())
        if answer.status in PAUSE_STATUSES:
            pause = backoff(visit.attempt) if wait is None else wait
            self.dispatcher.pause(visit.host, pause)
        code = f"http_{answer.status}"
        self.dispatcher.retry(visit, code, f"answered {answer.status}", wait)

    async def _commit(self, visit: Visit, answer: Answer) -> None:
        # zlib lets go of the interpreter: half of a page's work happens beside the other half.
        compressed = asyncio.to_thread(self._captures.member, answer)
        member = asyncio.ensure_future(compressed)
        judged = judge(answer, visit.kind, self.dispatcher.site, self._max_bytes)
        place = self._captures.append(await member)
        self.dispatcher.frontier.commit_page(
            visit, judged.outcome, answer.status, answer.received_at.isoformat(), place,
            judged.reading, judged.error,
        )  # fmt: skip

    def parse_robots(self, response: Response) -> None:
        """A host's robots.txt, captured like any page."""
        visit: RobotsVisit = response.meta["visit"]
        try:
            answer = self._answer(response)
            try:
                body = decoded(answer.headers, answer.body, ROBOTS_MAX_BYTES * 4)
            except BodyFault as fault:
                self.dispatcher.robots_failed(visit, str(fault))
            else:
                location = answer.header("Location")
                place = self._captures.write(answer)
                wait = retry_after(answer.header("Retry-After"), self._clock())
                self.dispatcher.robots_answer(visit, answer.status, body, location, place, wait)
        except Exception as error:
            self._give_up(error)
        finally:
            self._end(visit)

    def failed(self, failure: Failure) -> None:
        """No answer, or none that could be taken."""
        visit: Visit | RobotsVisit = failure.request.meta["visit"]  # type: ignore[attr-defined]
        fault = failure.value
        if isinstance(fault, FetchFault):
            outcome, worth_it = fault.outcome, fault.worth_retrying
        else:
            # A defect, not the network: let Scrapy log it, and close the page by name.
            outcome, worth_it = "error", False
            self.logger.error("unforeseen failure of %s", visit.url, exc_info=fault)
        error = failure.getErrorMessage()[:300]
        try:
            if isinstance(visit, RobotsVisit):
                self.dispatcher.robots_failed(visit, error)
            elif worth_it:
                self.dispatcher.retry(visit, outcome, error)
            else:
                self.dispatcher.frontier.finish(visit, outcome, error)
        except Exception as fault:
            self._give_up(fault)
        finally:
            self._end(visit)
