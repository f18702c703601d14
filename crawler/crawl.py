"""The crawl stage: one worker process per group of sites that share a host.

Workers record pages in their frontiers and captures and export parts when a site is done. A site
that fails is named and the others go on.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from crawler.from_warc import ArchiveWork, archive_index, crawl_archive
from crawler.frontier_file import pages_done
from crawler.lost_frontier import FRONTIER_LOST
from crawler.memory import bring_up_to_date
from crawler.sites.sitefile import Site
from crawler.sources import require_contact
from runtime import logs
from runtime.errors import SiteError, StopRequested, WorkerFailedError
from runtime.executor import MAX_DEATHS
from runtime.exits import Exit
from runtime.progress import progress
from runtime.stages import Context, Counts, StageResult
from runtime.storage import write_json
from runtime.tombstones import REMOVED

POLL_SECONDS = 0.1
COUNT_SECONDS = 1.0
STOP_PATIENCE_SECONDS = 20.0


def host_groups(sites: Sequence[Site]) -> list[list[Site]]:
    """Sites that share a host, directly or through others, belong to one worker."""
    groups: list[list[Site]] = []
    for site in sites:
        touching = [g for g in groups if any(site.hosts & other.hosts for other in g)]
        merged = [member for group in touching for member in group] + [site]
        groups = [g for g in groups if g not in touching] + [merged]
    return groups


def crawl(context: Context, sites: Sequence[Site]) -> StageResult:
    """Crawl every site of the run that is not done. Raises StopRequested when a worker was told
    to stop, and whatever keeps every site from being stored (a full disk, say)."""
    todo = [site for site in sites if not _is_done(context, site)]
    if context.run.record.get("from_warc") is None:
        require_contact(context.config, todo)
        if context.config.crawl.refresh_after > 0:
            bring_up_to_date(context.workspace, context.run)
        failed = _crawl_live(context, todo)
    else:
        failed = _crawl_archives(context, todo)
    counts: Counts = Counter()
    for site in sites:
        counts.update(_counts_of(context, site))
        if site.key not in failed and not counts_ok(context, site):
            failed[site.key] = _nothing_came(context, site)
    for key, problem in sorted(failed.items()):
        logs.warning(f"site {key} failed: {problem}", site=key)
    context.run.update(
        site_digests={**context.run.record.get("site_digests", {}), **_digests(todo)}
    )
    return StageResult(counts, len(todo), failed)


def _digests(sites: Sequence[Site]) -> dict[str, str]:
    """What extraction was made with, so that `replay` can say whether it changed."""
    return {site.key: site.digest for site in sites}


def _crawl_live(context: Context, todo: Sequence[Site]) -> dict[str, str]:
    workers = _Workers(context)
    failed: dict[str, str] = {}
    with progress("crawl: pages", quiet=context.quiet) as tick:
        with ThreadPoolExecutor(context.config.crawl.sites_at_once) as threads:
            futures = [threads.submit(workers.crawl_group, group) for group in host_groups(todo)]
            try:
                while not all(future.done() for future in futures):
                    time.sleep(POLL_SECONDS)
                    tick(workers.pages())
            except BaseException:
                workers.stop()
                raise
        for future in futures:
            failed.update(future.result())
    return failed


def _crawl_archives(context: Context, todo: Sequence[Site]) -> dict[str, str]:
    archive_index(context.run)
    works = [
        ArchiveWork(context.run, site.config, context.config, context.config_folder)
        for site in todo
    ]
    with progress("crawl: sites of the archive", len(works), quiet=context.quiet) as tick:
        for done, told in enumerate(context.pool.map(crawl_archive, works), start=1):
            if told is not None:
                logs.warning(told)
            tick(done)
    return {}


def _is_done(context: Context, site: Site) -> bool:
    """Exported and undamaged; a damaged part is named and exported again from the frontier."""
    run = context.run
    for folder in (run.sightings, run.links, run.pages):
        seal = folder.seal(site.key)
        if seal is None:
            return False
        problem = folder.damage(site.key, seal)
        if problem is not None:
            logs.warning(f"part {folder.path(site.key)}: {problem}; exporting it again")
            return False
    return True


def _counts_of(context: Context, site: Site) -> Counts:
    seals = {f.table.name: f.seal(site.key) for f in (context.run.pages, context.run.sightings)}
    counts: Counts = Counts()
    if (pages := seals["pages"]) is not None:
        counts.update(pages.counts)
    if (sightings := seals["sightings"]) is not None:
        counts["sightings"] += sightings.rows + sightings.counts.get(REMOVED, 0)
    return counts


def counts_ok(context: Context, site: Site) -> bool:
    """Whether the site was read and any product seen."""
    counts = _counts_of(context, site)
    return counts["pages.ok"] + counts["pages.carried"] > 0 and counts["sightings"] > 0


def _nothing_came(context: Context, site: Site) -> str:
    errors = [
        f"{row['url']}: {row['error'] or row['outcome']}"
        for batch in context.run.pages.stream(site.key, ["url", "outcome", "error"])
        for row in batch.slice(0, 1).to_pylist()
    ]
    counts = _counts_of(context, site)
    if counts["pages.ok"] + counts["pages.carried"]:
        return (
            f"expected products on the pages of {site.config.base_url}, found none; "
            f"check the selectors of its site file ({site.config.program})"
        )
    return (
        f"expected pages from {site.config.base_url}, got none "
        f"({errors[0] if errors else 'nothing was queued'}); check that the shop is reachable"
    )


def _python_path() -> list[str]:
    inherited = os.environ.get("PYTHONPATH")
    return [str(Path(__file__).resolve().parents[1]), *([inherited] if inherited else [])]


class _Workers:
    """The site processes of this stage."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._running: list[subprocess.Popen[bytes]] = []
        self._stopping = threading.Event()
        self._pages = 0
        self._counted_at = float("-inf")

    def crawl_group(self, group: Sequence[Site]) -> dict[str, str]:
        """Crawl the sites of one group one after the other; returns those that failed."""
        failed = {}
        for site in group:
            if self._stopping.is_set():
                break
            try:
                self._crawl_site(site)
            except SiteError as error:
                failed[site.key] = str(error)
        return failed

    def _crawl_site(self, site: Site) -> None:
        context = self._context
        job = context.run.frontiers / f"{site.key}.job.json"
        write_json(
            job,
            {
                "site": site.key,
                "run": str(context.run.folder.resolve()),
                "config_folder": str(context.config_folder.resolve()),
                "config": context.config.model_dump(mode="json"),
            },
        )
        for _ in range(MAX_DEATHS):
            status, said = self._run_worker(job)
            if status == FRONTIER_LOST and said:
                logs.warning(said[-1], site=site.key)
                continue
            if status >= 0 or self._stopping.is_set():
                break
            words = f"site {site.key}: its worker was ended by signal {-status}; going on"
            logs.warning(words, site=site.key)
        if status == Exit.STOPPED_EARLY or self._stopping.is_set():
            raise StopRequested(f"site {site.key}: stopped before its end; run again to go on")
        problem = said[-1].removeprefix("mep3m: ") if said else f"its worker ended with {status}"
        if status < 0 or status in (Exit.DEGRADED, FRONTIER_LOST):
            raise SiteError(problem)
        if status != Exit.DONE:
            raise WorkerFailedError(problem, Exit(status))
        for line in said:
            logs.warning(f"site {site.key}: {line}", site=site.key)

    def _run_worker(self, job: Path) -> tuple[int, list[str]]:
        # Its own session: Ctrl-C reaches this process alone, which then stops the workers once.
        process = subprocess.Popen(
            # -P and the path: a folder `crawler` where the user stands must not be taken for ours.
            [sys.executable, "-P", "-m", "crawler.worker", str(job), str(os.getpid())],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(_python_path())},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self._running.append(process)
        if self._stopping.is_set():
            process.terminate()  # `stop` came before it could see this one
        _, errors = process.communicate()
        return process.returncode, errors.decode("utf-8", "replace").strip().splitlines()

    def stop(self) -> None:
        """Ask every worker to finish what is in flight, and end those that do not."""
        self._stopping.set()
        for process in self._running:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_PATIENCE_SECONDS
        for process in self._running:
            try:
                process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()

    def pages(self) -> int:
        """Pages that are done, by the frontiers; asked seldom, since counting is not free."""
        now = time.monotonic()
        if now - self._counted_at >= COUNT_SECONDS:
            self._counted_at = now
            self._pages = sum(map(pages_done, self._context.run.frontiers.glob("*.sqlite")))
        return self._pages
