"""Carrying pages forward: a product page that an earlier run captured is read instead of asked for.

Only where it is young enough, and where the product's tiles look as they did then. The earlier
capture file is linked beside this run's own, so that the run needs no other one later.
"""

from __future__ import annotations

from crawler.capture_reader import read_answer
from crawler.captures import CapturePlace
from crawler.frontier import Frontier, Visit
from crawler.memory import CarriedPage, ProductMemory, tile_look
from crawler.reading import judge
from crawler.sites.sitefile import Site
from runtime.config import CrawlConfig
from runtime.storage import link_or_copy
from runtime.workspace import Run


class Carrier:
    """Commits pages from earlier captures; the dispatcher asks it before each product page."""

    def __init__(self, run: Run, site: Site, frontier: Frontier, settings: CrawlConfig) -> None:
        self._run, self._site, self._frontier = run, site, frontier
        self._max_bytes = settings.max_body_mib * 1024 * 1024
        self._memory = ProductMemory(run, settings.refresh_after)
        if settings.refresh_after > 0:
            frontier.index_tiles()

    def close(self) -> None:
        """Release the memory."""
        self._memory.close()

    def carry(self, visit: Visit) -> bool:
        """Whether the page was committed without a request."""
        if visit.kind != "product" or visit.attempt > 1:
            return False
        looks = {tile_look(title, image) for title, image in self._frontier.tiles(visit.url)}
        page = self._memory.carried(visit.url, looks)
        return page is not None and self._commit(visit, page)

    def _commit(self, visit: Visit, page: CarriedPage) -> bool:
        try:
            answer = read_answer(page.path, page.capture_offset)
        except (OSError, ValueError):
            return False  # the earlier file is damaged: the shop has the page
        judged = judge(answer, visit.kind, self._site, self._max_bytes)
        if judged.outcome != "ok":
            return False
        self._run.captures.mkdir(parents=True, exist_ok=True)
        linked = self._run.captures / page.capture_file
        if not linked.exists():
            link_or_copy(page.path, linked)
        self._frontier.commit_page(
            visit, "carried", answer.status, answer.received_at.isoformat(),
            CapturePlace(page.capture_file, page.capture_offset, 0),
            judged.reading, judged.error,
        )  # fmt: skip
        return True
