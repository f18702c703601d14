"""The worker of one host in the fetch stage: what is wanted of it goes out, parts come back.

A host keeps the limits, the robots.txt and the last-request time that the crawl left behind.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass

from crawler.archive import INDEX_FILE, Archive
from crawler.http import HttpClient
from crawler.image_answers import AGAIN_OUTCOMES, NO_CONTACT_OUTCOMES, Attempt
from crawler.image_parts import ImagePartWriter
from crawler.image_requests import ImageClient
from crawler.image_turns import HostRules, HostTurns
from crawler.politeness import HostGate, user_agent
from runtime import clock
from runtime.config import Config
from runtime.image_index import ImageIndex, WantedImage
from runtime.tombstones import load_tombstones
from runtime.workspace import Run

GIVE_UP_AFTER = 25  # connection failures in a row that end a host's turn


@dataclass(frozen=True)
class HostWork:
    """What the worker of one host needs; `robots` and `last_request` are what the crawl left.

    `oldest` is when pictures must have been confirmed, in seconds since the epoch; a later round
    of a stage takes only what is `untried`.
    """

    run: Run
    host: str
    config: Config
    allow_private: tuple[str, ...]
    robots: str | None = None
    last_request: float | None = None
    oldest: float = float("-inf")
    untried: bool = False
    from_archive: bool = False


def wanted_of(index: ImageIndex, work: HostWork) -> Iterator[WantedImage]:
    """What is to be asked of the host, in listing order."""
    again = AGAIN_OUTCOMES if not work.config.contact else AGAIN_OUTCOMES + NO_CONTACT_OUTCOMES
    most = work.config.fetch.max_attempts
    return index.to_fetch(work.host, again, most, oldest=work.oldest, untried=work.untried)


def has_work(index: ImageIndex, work: HostWork) -> bool:
    """Whether the host has to be asked, or has rules that what was carried must be held to."""
    if next(wanted_of(index, work), None) is not None:
        return True
    rules = work.robots or ""
    held = work.config.crawl.robots_txt and not work.untried and "disallow" in rules.lower()
    return held and next(index.carried(work.host), None) is not None


@dataclass(frozen=True)
class HostLeft:
    """What a worker leaves for the host's next one."""

    host: str
    robots: str | None
    last_request: float | None


def fetch_host(work: HostWork) -> HostLeft:
    """Fetch one host's pictures into parts of their own."""
    return asyncio.run(_fetch(work))


async def _fetch(work: HostWork) -> HostLeft:
    fetch = work.config.fetch
    gate = HostGate(fetch.delay, fetch.concurrency_per_host, work.last_request or float("-inf"))
    barred = load_tombstones(work.run.workspace)
    rules = HostRules(work.host, work.config, frozenset(work.allow_private), barred)
    with ExitStack() as stack:
        index = stack.enter_context(closing(ImageIndex(work.run, read_only=True)))
        archive = None
        if work.from_archive:
            archive = stack.enter_context(closing(Archive(work.run.folder / INDEX_FILE)))
        crawl = work.config.crawl
        async with HttpClient(
            user_agent(work.config.contact), work.allow_private, fetch.concurrency_per_host,
            proxy=crawl.proxy, allow_private_proxy=crawl.allow_private_proxy,
        ) as http:  # fmt: skip
            client = ImageClient(http, HostTurns(gate), rules, archive)
            client.learn_robots(work.robots)
            writer = ImagePartWriter(work.run, work.host, fetch.part_mib * 1024 * 1024)
            try:
                turn = _Turn(client, writer, wanted_of(index, work))
                await asyncio.gather(*(turn.ask() for _ in range(fetch.concurrency_per_host)))
                if work.config.crawl.robots_txt:
                    for url in index.carried(work.host):
                        forbidden = client.robots_forbid(url)
                        if forbidden is not None:
                            await writer.add([forbidden])
            finally:
                await writer.close()
            asked = gate.last_request if gate.last_request > 0 else None
            return HostLeft(work.host, client.robots_text, asked)


@dataclass
class _Turn:
    """One pass over a host's pictures, shared by as many tasks as it may have requests at once."""

    client: ImageClient
    writer: ImagePartWriter
    wanted: Iterator[WantedImage]
    lost_in_a_row: int = 0

    async def ask(self) -> None:
        """Take one picture after the other until none is left."""
        for wanted in self.wanted:
            if self.lost_in_a_row >= GIVE_UP_AFTER:
                words = f"{self.lost_in_a_row} requests in a row had no answer"
                number = wanted.attempts + 1
                given_up = Attempt(wanted.url, number, "host_unreachable", clock.now(), error=words)
                await self.writer.add([given_up])
                continue
            attempts = await self.client.fetch(wanted)
            for attempt in attempts:
                self.lost_in_a_row = self.lost_in_a_row + 1 if attempt.is_lost else 0
            await self.writer.add(attempts)
