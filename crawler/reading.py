"""From an answer to what its page gave: the same for a live answer, a capture and a WARC file."""

from __future__ import annotations

from dataclasses import dataclass

from crawler.bodies import BodyFault, decoded
from crawler.captures import Answer
from crawler.sites.pages import PageInput, PageReading, UnreadablePage, read_page
from crawler.sites.sitefile import Site


@dataclass(frozen=True)
class Judged:
    """A page's recorded outcome, what is wrong with it, and what it says."""

    outcome: str
    error: str | None
    reading: PageReading


def judge(answer: Answer, kind: str, site: Site, max_bytes: int) -> Judged:
    """Read the answer to a request of `kind`; `max_bytes` bounds the body without its coding.

    Pure, and never raises for what the answer holds.
    """
    if answer.status >= 400:
        return Judged(f"http_{answer.status}", None, PageReading())
    try:
        body = decoded(answer.headers, answer.body, max_bytes)
        page = PageInput(answer.url, kind, answer.status, answer.headers, body)
        reading = read_page(page, site)
    except BodyFault as fault:
        return Judged(fault.outcome, str(fault), PageReading())
    except UnreadablePage as fault:
        return Judged("unreadable", str(fault), PageReading())
    return Judged("ok" if answer.status < 300 else "redirect", None, reading)
