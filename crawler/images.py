"""The fetch stage: origin bytes of every picture, outside Scrapy, one worker per host.

Every attempt becomes a row of an image part, failures too; bytes are stored as received. A host
keeps the limits, the robots.txt and the last-request time that the crawl left behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pyarrow as pa

from crawler.addresses import AiohttpResolver, host_of
from crawler.export import KnownHost, known_hosts
from crawler.image_requests import FINAL_OUTCOMES, Attempt, ImageClient
from crawler.politeness import HostGate, user_agent
from crawler.sites.sitefile import Site
from runtime.config import Config
from runtime.image_index import ImageIndex
from runtime.parts import PartFolder
from runtime.progress import progress
from runtime.stages import Context, Counts, StageResult, warn
from runtime.tables import IMAGES
from runtime.workspace import Run, file_key

RECORDED = "recorded"
ROW_GROUP_ROWS = 64  # a reader that wants one picture reads about a megabyte
PART_SECONDS = 60.0  # a kill costs at most so much of a host's work
GIVE_UP_AFTER = 25  # connection failures in a row that end a host's turn


@dataclass(frozen=True)
class _HostWork:
    """What the worker of one host needs; `known` is what the crawl left of it."""

    run: Run
    host: str
    config: Config
    allow_private: tuple[str, ...]
    known: KnownHost


def fetch(context: Context, sites: Sequence[Site]) -> StageResult:
    """Fetch every picture that the run's listings name and that has no final outcome yet."""
    run, honour = context.run, context.config.crawl.honour_opt_outs
    _check_parts(run.images)
    index = ImageIndex(run)
    try:
        index.refresh(wanted_images(run, honour), f"honour_opt_outs={honour}")
        known = known_hosts(run)
        private = tuple(sorted({host for site in sites for host in site.config.allow_private}))
        works = [
            _HostWork(run, host, context.config, private, known.get(host, KnownHost(None, None)))
            for host in index.hosts()
            if next(index.to_fetch(host, FINAL_OUTCOMES, context.config.fetch.max_attempts), None)
        ]
        with progress("fetch: hosts", len(works), quiet=context.quiet) as tick:
            for done, _ in enumerate(context.pool.map(fetch_host, works), start=1):
                tick(done)
        index.refresh(wanted_images(run, honour), f"honour_opt_outs={honour}")
        counts = Counts({f"images.{name}": count for name, count in index.outcomes().items()})
    finally:
        index.close()
    return StageResult(counts, len(works))


def wanted_images(
    run: Run, honour_opt_outs: bool
) -> Iterator[tuple[str, Iterator[tuple[str, str]]]]:
    """Per listings part: the (url, host) of every picture that may be asked for."""
    for name in run.listings.names():
        yield name, _wanted_of_part(run, name, honour_opt_outs)


def _wanted_of_part(run: Run, name: str, honour: bool) -> Iterator[tuple[str, str]]:
    for batch in run.listings.stream(name, ["image_url", "opt_out"]):
        for row in batch.to_pylist():
            if row["image_url"] and not (honour and row["opt_out"]):
                yield row["image_url"], host_of(row["image_url"])


def _check_parts(images: PartFolder) -> None:
    """A damaged image part is named and forgotten; its pictures are fetched again."""
    for name, seal in images.seals().items():
        problem = images.damage(name, seal)
        if problem is not None:
            warn(f"part {images.path(name)}: {problem}; fetching its images again")
            images.discard(name)


def fetch_host(work: _HostWork) -> None:
    """Fetch one host's pictures into parts of their own."""
    asyncio.run(_HostFetch(work).run())


@dataclass
class _HostFetch:
    work: _HostWork
    rows: list[dict[str, Any]] = field(default_factory=list)
    buffered: int = 0
    since: float = field(default_factory=time.monotonic)
    lost_in_a_row: int = 0

    async def run(self) -> None:
        settings = self.work.config.fetch
        index = ImageIndex(self.work.run, read_only=True)
        connector = aiohttp.TCPConnector(
            limit=settings.concurrency_per_host, resolver=AiohttpResolver(self.work.allow_private)
        )
        gate = HostGate(
            settings.delay,
            settings.concurrency_per_host,
            self.work.known.last_request or float("-inf"),
        )
        try:
            async with aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=settings.timeout),
                headers={
                    "User-Agent": user_agent(self.work.config.contact),
                    "Accept-Encoding": "identity",
                },
                auto_decompress=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
            ) as session:
                client = ImageClient(
                    session, gate, self.work.config, self.work.host, self.work.allow_private
                )
                client.learn_robots(self.work.known.robots)
                await self._fetch_all(client, index)
        finally:
            index.close()
        await self._write()

    async def _fetch_all(self, client: ImageClient, index: ImageIndex) -> None:
        """Bounded: as many tasks as the host may have requests in flight."""
        max_attempts = self.work.config.fetch.max_attempts
        tasks: set[asyncio.Task[list[Attempt]]] = set()
        for url, attempts in index.to_fetch(self.work.host, FINAL_OUTCOMES, max_attempts):
            if self.lost_in_a_row >= GIVE_UP_AFTER:
                self._add([Attempt(url, attempts + 1, "host_unreachable")])
                continue
            tasks.add(asyncio.create_task(client.fetch(url, attempts)))
            if len(tasks) >= self.work.config.fetch.concurrency_per_host:
                tasks = await self._collect(tasks)
        while tasks:
            tasks = await self._collect(tasks)

    async def _collect(
        self, tasks: set[asyncio.Task[list[Attempt]]]
    ) -> set[asyncio.Task[list[Attempt]]]:
        done, waiting = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            self._add(task.result())
        part_bytes = self.work.config.fetch.part_mib * 1024 * 1024
        if self.buffered >= part_bytes or time.monotonic() - self.since > PART_SECONDS:
            await self._write()
        return waiting

    def _add(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            self.rows.append(attempt.row())
            self.buffered += len(attempt.body or b"") + 200
            self.lost_in_a_row = self.lost_in_a_row + 1 if attempt.is_lost else 0

    async def _write(self) -> None:
        rows, self.rows, self.buffered = self.rows, [], 0
        self.since = time.monotonic()
        if rows:
            await asyncio.to_thread(_write_part, self.work, rows)


def _write_part(work: _HostWork, rows: list[dict[str, Any]]) -> None:
    images = work.run.images
    prefix = file_key(work.host)
    # The last hyphen: another host's name may begin with this one's ("cdn" and "cdn-eu").
    split = [name.rpartition("-") for name in images.names()]
    taken = [int(number) for host, _, number in split if host == prefix]
    name = f"{prefix}-{max(taken, default=-1) + 1:05d}"
    table = pa.Table.from_pylist(rows, IMAGES.schema)
    images.write(name, table, RECORDED, row_group_rows=ROW_GROUP_ROWS)
