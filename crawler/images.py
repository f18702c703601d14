"""The fetch stage: origin bytes of every picture, outside Scrapy, one worker per host.

Every attempt becomes a row of an image part, failures too; bytes are stored as received. What an
earlier run has is carried forward, and a redirect to another host is followed in a next round, by
the worker of that host.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from crawler.addresses import RefusedAddressError, host_of
from crawler.export import KnownHost, known_hosts
from crawler.from_warc import archive_index
from crawler.image_carry import carry_forward
from crawler.image_host import HostWork, fetch_host, has_work
from runtime import logs
from runtime.config import CrawlConfig
from runtime.image_bytes import PublishedPictures, prepare_published
from runtime.image_index import ImageIndex, RedirectRules
from runtime.optouts import forbids
from runtime.parts import PartFolder
from runtime.progress import progress
from runtime.run_ids import start_of
from runtime.stages import Context, Counts, StageResult
from runtime.workspace import Run

if TYPE_CHECKING:
    from crawler.sites.sitefile import Site

NO_HOST = "-"  # stands for the host of what is no http(s) URL; no host has this name


def fetch(context: Context, sites: Sequence[Site]) -> StageResult:
    """Fetch every picture that the run's listings name and that is not at hand."""
    run = context.run
    if run.record.get("from_warc") is not None:
        archive_index(run)
    _check_parts(run.images)
    made = 0
    with ExitStack() as opened:
        published = _Published(run, opened)
        index = opened.enter_context(closing(ImageIndex(run, is_published=published.has)))
        stage = _Stage(context, index, sites, known_hosts(run))
        stage.refresh()
        earlier = [
            old
            for old in context.workspace.runs()
            if old.run_id < run.run_id and not old.is_imported  # those pictures have no URLs
        ]
        if carry_forward(run, earlier, index):
            stage.refresh()
        works = stage.works(untried=False)
        with context.pool.at_least(context.config.fetch.hosts_at_once) as pool:
            while works:
                made += len(works)
                with progress("fetch: hosts", len(works), quiet=context.quiet) as tick:
                    for done, left in enumerate(pool.map(fetch_host, works), start=1):
                        stage.known[left.host] = KnownHost(left.robots, left.last_request)
                        tick(done)
                stage.refresh()
                works = stage.works(untried=True)
        counts = Counts({f"images.{name}": count for name, count in index.outcomes().items()})
    return StageResult(counts, made)


class _Published:
    """Whether a release has a picture; nothing is looked up before a part is met that lacks one."""

    def __init__(self, run: Run, opened: ExitStack) -> None:
        self._run, self._opened = run, opened
        self._pictures: PublishedPictures | None = None

    def has(self, sha256: str) -> bool:
        if self._pictures is None:
            prepare_published(self._run)
            self._pictures = self._opened.enter_context(PublishedPictures(self._run.workspace))
        return sha256 in self._pictures


@dataclass(frozen=True)
class _Stage:
    """The stage's index and what its hosts' workers are told."""

    context: Context
    index: ImageIndex
    sites: Sequence[Site]
    known: dict[str, KnownHost]  # what crawl, and then every round, left of a host

    def refresh(self) -> None:
        """Fold in new parts, and want what their redirects lead to."""
        refresh_index(self.index, self.context.config.crawl)

    def works(self, *, untried: bool) -> list[HostWork]:
        """One for every host that has something to do."""
        run, config = self.context.run, self.context.config
        private = tuple(sorted({h for site in self.sites for h in site.config.allow_private}))
        archived = run.record.get("from_warc") is not None
        works = []
        for host in self.index.hosts():
            left = self.known.get(host, KnownHost(None, None))
            works.append(
                HostWork(
                    run, host, config, private, left.robots, left.last_request,
                    self._oldest(), untried, archived,
                )
            )  # fmt: skip
        return [work for work in works if has_work(self.index, work)]

    def _oldest(self) -> float:
        """When a picture must have been confirmed to be good for this run."""
        started = start_of(self.context.run.run_id)
        if started is None:
            return float("-inf")
        return (started - timedelta(days=self.context.config.fetch.refresh_after)).timestamp()


def refresh_index(index: ImageIndex, crawl: CrawlConfig) -> None:
    """Fold a run's new listings and image parts into its index."""
    index.refresh(
        wanted_images(index.run, crawl.honour),
        f"honour={sorted(set(crawl.honour))}",
        RedirectRules(image_host, crawl.max_redirects),
    )


def image_host(url: str) -> str:
    """The host whose worker answers for the URL; NO_HOST's refuses it."""
    try:
        return host_of(url)
    except RefusedAddressError:
        return NO_HOST


def wanted_images(
    run: Run, honour: Collection[str]
) -> Iterator[tuple[str, Iterator[tuple[str, str]]]]:
    """Per listings part: the (url, host) of every picture that may be asked for."""
    for name in run.listings.names():
        yield name, _wanted_of_part(run, name, honour)


def _wanted_of_part(run: Run, name: str, honour: Collection[str]) -> Iterator[tuple[str, str]]:
    for batch in run.listings.stream(name, ["image_url", "opt_out"]):
        for row in batch.to_pylist():
            if row["image_url"] and not forbids(row["opt_out"], honour):
                yield row["image_url"], image_host(row["image_url"])


def _check_parts(images: PartFolder) -> None:
    """A damaged image part is named and forgotten; its pictures are fetched again."""
    for name, seal in images.seals().items():
        problem = images.damage(name, seal)
        if problem is not None:
            logs.warning(f"part {images.path(name)}: {problem}; fetching its images again")
            images.discard(name)
