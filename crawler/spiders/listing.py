"""The listing spider: asks for what the dispatcher allows, and commits what each page gave.

Scrapy downloads; which page, when, and what becomes of it is decided here and in the dispatcher.
The spider yields nothing: a page's results go to the frontier in one transaction.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

from scrapy import Request, Spider
from scrapy.exceptions import (
    CannotResolveHostError,
    CloseSpider,
    DownloadCancelledError,
    DownloadConnectionRefusedError,
    DownloadFailedError,
    DownloadTimeoutError,
    IgnoreRequest,
    ResponseDataLossError,
)
from scrapy.http import Response
from twisted.python.failure import Failure

from crawler.addresses import RefusedAddressError
from crawler.captures import Answer, CaptureWriter
from crawler.dispatch import Dispatcher, RobotsVisit
from crawler.frontier import Visit
from crawler.politeness import backoff, retry_after
from crawler.sites.pages import PageInput, PageReading, UnreadablePage, read_page

RETRY_STATUSES = frozenset({408, 425, 429, 500, 502, 503, 504})
PAUSE_STATUSES = frozenset({429, 503})
# Download errors with the outcome each is recorded as, and whether it is worth another try.
_FAILURES: tuple[tuple[type[BaseException], str, bool], ...] = (
    (RefusedAddressError, "refused_address", False),
    (DownloadTimeoutError, "timeout", True),
    (DownloadConnectionRefusedError, "connection_refused", True),
    (CannotResolveHostError, "dns", True),
    (DownloadCancelledError, "too_large", False),
    (IgnoreRequest, "too_large", False),  # said when undoing the content coding
    (ResponseDataLossError, "incomplete", True),
    (DownloadFailedError, "connection_lost", True),
)


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

    def _capture(self, response: Response) -> tuple[Answer, str]:
        # Kept by the capture middleware before the content coding was undone.
        raw: Response = response.meta["undecoded"]
        moment = datetime.fromtimestamp(self._clock(), UTC)
        headers = tuple(
            (name.decode("latin-1"), value.decode("latin-1"))
            for name, values in raw.headers.items()
            for value in values
        )
        visit: Visit | RobotsVisit = response.meta["visit"]
        return Answer(visit.url, raw.status, headers, raw.body, moment), moment.isoformat()

    def parse(self, response: Response) -> None:
        """One page: retried, followed as a redirect, or captured, read and committed."""
        visit: Visit = response.meta["visit"]
        try:
            if response.status in RETRY_STATUSES:
                self._put_off(visit, response)
            else:
                self._commit(visit, response)
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

    def _put_off(self, visit: Visit, response: Response) -> None:
        header = (response.headers.get("Retry-After") or b"").decode("latin-1")
        wait = retry_after(header, self._clock())
        if response.status in PAUSE_STATUSES:
            pause = backoff(visit.attempt) if wait is None else wait
            self.dispatcher.pause(visit.host, pause)
        code = f"http_{response.status}"
        self.dispatcher.retry(visit, code, f"answered {response.status}", wait)

    def _commit(self, visit: Visit, response: Response) -> None:
        answer, fetched_at = self._capture(response)
        reading, outcome, error = PageReading(), f"http_{response.status}", None
        if response.status < 400:
            outcome = "ok" if response.status < 300 else "redirect"
            page = PageInput(visit.url, visit.kind, answer.status, answer.headers, response.body)
            try:
                reading = read_page(page, self.dispatcher.site)
            except UnreadablePage as fault:
                outcome, error = "unreadable", str(fault)
        place = self._captures.write(answer)
        self.dispatcher.frontier.commit_page(
            visit,
            outcome,
            answer.status,
            fetched_at,
            place,
            reading,
            error,
        )

    def parse_robots(self, response: Response) -> None:
        """A host's robots.txt, captured like any page."""
        visit: RobotsVisit = response.meta["visit"]
        try:
            answer, _ = self._capture(response)
            location = (response.headers.get("Location") or b"").decode("latin-1") or None
            place = self._captures.write(answer)
            self.dispatcher.robots_answer(visit, response.status, response.body, location, place)
        except Exception as error:
            self._give_up(error)
        finally:
            self._end(visit)

    def failed(self, failure: Failure) -> None:
        """No answer, or none that could be taken."""
        visit: Visit | RobotsVisit = failure.request.meta["visit"]  # type: ignore[attr-defined]
        kinds = [(o, again) for kind, o, again in _FAILURES if isinstance(failure.value, kind)]
        if not kinds:
            # A defect, not the network: let Scrapy log it, and close the page by name.
            self.logger.error("unforeseen failure of %s", visit.url, exc_info=failure.value)
        outcome, worth_it = kinds[0] if kinds else ("error", False)
        error = f"{outcome}: {failure.getErrorMessage()}"[:300]
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
