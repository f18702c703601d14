"""Replay: a run's listings again from its captures, without the network.

Discovery, extraction and merge run as they did, on recorded answers. With the code and the site
files of the run the listings come out byte for byte; with changed ones the difference is what
the change would do.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from crawler.addresses import host_of
from crawler.capture_reader import read_answer
from crawler.captures import CapturePlace
from crawler.export import export_site, known_hosts
from crawler.frontier import Frontier, Visit
from crawler.merge import merge_site, merge_work
from crawler.politeness import RobotsRules
from crawler.reading import judge
from crawler.seeding import seed_frontier, sitemap_seeds
from crawler.sites.sitefile import Site, load_site
from crawler.waves import bounds_of
from runtime.config import Config, SiteConfig
from runtime.console import table
from runtime.errors import WorkspaceError
from runtime.parts import PartFolder
from runtime.progress import progress
from runtime.pruned import pruned_of
from runtime.stages import Context
from runtime.tombstones import Tombstones, load_tombstones
from runtime.workspace import Run

EXAMPLES = 50
Row = dict[str, Any]


@dataclass(frozen=True)
class Difference:
    """One field of one record that a replay reads otherwise; None stands for no such record."""

    record_id: str
    column: str
    recorded: str | None
    replayed: str | None


@dataclass
class Comparison:
    """What a replay found: `same_bytes` is about every part of the listings."""

    run_id: str
    same_bytes: bool = True
    same_extraction: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    examples: list[Difference] = field(default_factory=list)

    def to_text(self) -> str:
        """For people: the verdict, the counts, the first differences."""
        if self.same_bytes:
            return f"run {self.run_id}: {self.counts['same']} listings, the same byte for byte"
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.counts.items()))
        why = (
            "although the site files are those of the run"
            if self.same_extraction
            else "by the changed site files"
        )
        lines = [f"run {self.run_id}: the listings differ {why}: {told}"]
        rows = [
            (d.record_id, d.column, _short(d.recorded), _short(d.replayed)) for d in self.examples
        ]
        if rows:
            lines.append(table(rows, ("record", "column", "recorded", "replayed")))
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        """The same as values."""
        return {
            "run_id": self.run_id,
            "same_bytes": self.same_bytes,
            "same_extraction": self.same_extraction,
            "counts": dict(self.counts),
            "examples": [asdict(difference) for difference in self.examples],
        }


def _short(text: str | None) -> str:
    return "-" if text is None else text if len(text) <= 60 else text[:59] + "…"


@dataclass(frozen=True)
class ReplayWork:
    """One site to read again: from the captures of `run`, into the tables of `target`."""

    run: Run
    site: SiteConfig
    config: Config
    config_folder: Path
    target: Run
    tombstones: Tombstones


def replay(context: Context, sites: Sequence[Site]) -> Comparison:
    """Compare the run's listings with those that its captures give now.

    Raises WorkspaceError when the run has no listings yet or lacks a capture.
    """
    run = context.run
    sites = [site for site in sites if run.pages.seal(site.key) is not None]
    run.require_before("fetch")
    require_recorded(run)
    found = Comparison(run.run_id)
    digests = run.record.get("site_digests", {})
    found.same_extraction = all(digests.get(site.key) == site.digest for site in sites)
    with TemporaryDirectory(prefix="mep3m-replay-") as folder:
        # Under the run's own name: it stands in the rows.
        target = Run(Path(folder) / run.run_id)
        known = load_tombstones(context.workspace.folder)
        works = [
            ReplayWork(run, site.config, context.config, context.config_folder, target, known)
            for site in sites
        ]
        with progress("replay: sites", len(works), quiet=context.quiet) as tick:
            for done, _ in enumerate(context.pool.map(replay_site, works), start=1):
                tick(done)
        for site in sites:
            _compare(found, site.key, run.listings, target.listings)
    return found


def require_recorded(run: Run) -> None:
    """Raise WorkspaceError where `mep3m gc` removed what the run's listings were made from."""
    pruned = pruned_of(run)
    if pruned is not None:
        what = "its tables" if pruned.tables else f"{len(pruned.captures)} of its capture files"
        raise WorkspaceError(
            f"run {run.run_id}: expected its captures and tables, found that `mep3m gc` removed "
            f"{what} on {pruned.at}; restore the folder of the run from a copy, or name another run"
        )


def replay_site(work: ReplayWork) -> None:
    """Crawl one site again from its captures, export and merge it into the target."""
    run, site = work.run, load_site(work.site, work.config_folder)
    bounds = replace(bounds_of(work.config.crawl, work.site), max_hours=None)
    frontier = Frontier(
        work.target.frontiers / f"{site.key}.sqlite", run.captures, site.key, bounds,
        work.tombstones,
    )  # fmt: skip
    max_bytes = work.config.crawl.max_body_mib * 1024 * 1024
    try:
        with closing(_Recorded(run.pages, site.key)) as recorded:
            archived = "from_warc" in run.record
            if archived:
                frontier.seed(recorded.in_capture_order(site))
            else:
                _seed(frontier, run, site, work.config_folder)
            while frontier.has_pending():
                for host in frontier.waiting_hosts():
                    while (visit := frontier.next_visit(host, float("inf"), ())) is not None:
                        _visit(frontier, visit, recorded, run, site, max_bytes, not archived)
        export_site(frontier, work.target, site.key)
    finally:
        frontier.close()
    merge_site(merge_work(run, site, work.config, source=work.target, target=work.target))


def _seed(frontier: Frontier, run: Run, site: Site, config_folder: Path) -> None:
    seed_frontier(frontier, site, config_folder)
    if "sitemap" not in site.discovery:
        return
    for host, known in sorted(known_hosts(run).items()):
        if known.robots is not None and host in site.hosts:
            named = RobotsRules(known.robots).parsed().sitemaps
            scheme = site.config.base_url.partition(":")[0]
            frontier.seed(sitemap_seeds(site, f"{scheme}://{host}/robots.txt", named))


def _visit(
    frontier: Frontier, visit: Visit, recorded: _Recorded, run: Run, site: Site, max_bytes: int,
    follow: bool,
) -> None:  # fmt: skip
    page = recorded.find(visit.url)
    if page is None:
        frontier.finish(visit, "not_captured", "the run never asked for it", attempted=False)
        return
    visit = replace(visit, attempt=page["attempts"])
    if page["capture_file"] is None:
        frontier.finish(visit, page["outcome"], page["error"])
        return
    path = run.captures / page["capture_file"]
    try:
        answer = replace(read_answer(path, page["capture_offset"]), url=visit.url)
    except (OSError, ValueError) as error:
        raise WorkspaceError(
            f"{path}: expected the capture of {visit.url} at {page['capture_offset']}, got {error};"
            " restore the file"
        ) from error
    judged = judge(answer, visit.kind, site, max_bytes)
    outcome = "carried" if page["outcome"] == "carried" else judged.outcome
    frontier.commit_page(
        visit, outcome, answer.status, answer.received_at.isoformat(),
        CapturePlace(page["capture_file"], page["capture_offset"], 0),
        judged.reading, judged.error, follow=follow,
    )  # fmt: skip


class _Recorded:
    """The run's pages by URL, on disk."""

    _COLUMNS = ("url", "kind", "outcome", "attempts", "capture_file", "capture_offset", "error")

    def __init__(self, pages: PartFolder, site: str) -> None:
        self._db = sqlite3.connect("", isolation_level=None)  # a file, gone when closed
        self._db.row_factory = sqlite3.Row
        names = ", ".join(self._COLUMNS)
        self._db.execute(f"CREATE TABLE pages({names}, PRIMARY KEY(url))")
        marks = ", ".join("?" * len(self._COLUMNS))
        self._db.execute("BEGIN")
        for batch in pages.stream(site, list(self._COLUMNS)):
            self._db.executemany(
                f"INSERT INTO pages VALUES ({marks})",
                zip(*(batch.column(name).to_pylist() for name in self._COLUMNS), strict=True),
            )
        self._db.execute("COMMIT")

    def close(self) -> None:
        """Forget them."""
        self._db.close()

    def find(self, url: str) -> Row | None:
        """What became of a URL."""
        row = self._db.execute("SELECT * FROM pages WHERE url = ?", (url,)).fetchone()
        return None if row is None else dict(row)

    def in_capture_order(self, site: Site) -> Iterator[tuple[str, str, str]]:
        """(URL, kind, host) of the pages of an archive, as its crawl took them."""
        for url, kind in self._db.execute(
            "SELECT url, kind FROM pages ORDER BY capture_file IS NULL, capture_file,"
            " capture_offset, url"
        ):
            yield url, kind, host_of(url)


def _compare(found: Comparison, site: str, recorded: PartFolder, replayed: PartFolder) -> None:
    ours, theirs = (
        {name: seal.sha256 for name, seal in folder.seals().items() if name[:-6] == site}
        for folder in (recorded, replayed)
    )
    if ours == theirs:
        found.counts["same"] += sum(
            seal.rows for name, seal in recorded.seals().items() if name in ours
        )
        return
    found.same_bytes = False
    for before, after in _side_by_side(_rows(recorded, ours), _rows(replayed, theirs)):
        _count(found, before, after)


def _rows(folder: PartFolder, names: Sequence[str] | dict[str, str]) -> Iterator[Row]:
    for name in sorted(names):
        for batch in folder.stream(name):
            yield from batch.to_pylist()


def _side_by_side(
    ours: Iterator[Row], theirs: Iterator[Row]
) -> Iterator[tuple[Row | None, Row | None]]:
    """Rows of equal record_id together; both streams are sorted by it."""
    left, right = next(ours, None), next(theirs, None)
    while left is not None or right is not None:
        if right is None or (left is not None and left["record_id"] < right["record_id"]):
            yield left, None
            left = next(ours, None)
        elif left is None or right["record_id"] < left["record_id"]:
            yield None, right
            right = next(theirs, None)
        else:
            yield left, right
            left, right = next(ours, None), next(theirs, None)


def _count(found: Comparison, before: Row | None, after: Row | None) -> None:
    if before is None or after is None:
        kind, row = ("added", after) if before is None else ("removed", before)
        assert row is not None
        found.counts[kind] += 1
        texts = (None, str(row["title"])) if before is None else (str(row["title"]), None)
        _example(found, Difference(str(row["record_id"]), "record", *texts))
        return
    columns = [name for name in before if before[name] != after[name]]
    found.counts["changed" if columns else "same"] += 1
    for name in columns:
        found.counts[f"changed {name}"] += 1
        _example(
            found,
            Difference(str(before["record_id"]), name, str(before[name]), str(after[name])),
        )


def _example(found: Comparison, difference: Difference) -> None:
    if len(found.examples) < EXAMPLES:
        found.examples.append(difference)
