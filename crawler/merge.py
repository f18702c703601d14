"""The merge stage: sightings become listings, and what earlier runs saw is held against them.

A pure function of recorded tables (pages, sightings, links, and `known`, what earlier runs knew),
so `replay` calls it as well. Sightings come sorted by record, so one record is in memory at a
time; of the links only those between listing pages are held.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import pyarrow as pa

from crawler.absence import PageOutcomes, absent_rows
from crawler.categories import Hop, paths_from_links
from crawler.memory import remember
from crawler.rows import Row, rows
from crawler.sightings import merge_sightings
from crawler.sites.sitefile import Site
from runtime import logs
from runtime.config import Config
from runtime.parts import PartFolder, run_key
from runtime.stages import Context, Counts, StageResult
from runtime.storage import read_json, write_json
from runtime.streams import chunks
from runtime.tables import ABSENT, DECISIONS, LISTINGS
from runtime.workspace import Run

VERSION = "3"


@dataclass(frozen=True)
class MergeWork:
    """One site's merge: from `pages`, `sightings`, `links` and `known` into `target`'s tables.

    `run_id` stands in the decisions; `starts` are where category paths begin; `looked` is false
    for a crawl that was none of the shop itself (of an archive).
    """

    site: str
    key: str
    run_id: str
    pages: PartFolder
    sightings: PartFolder
    links: PartFolder
    known: PartFolder
    target: Run
    part_rows: int
    category_from_links: bool
    starts: tuple[str, ...]
    gone_after: int
    looked: bool
    honour_noindex: bool


def merge(context: Context, sites: Sequence[Site]) -> StageResult:
    """Merge every crawled site whose sightings changed since the last merge."""
    run = context.run
    crawled = [site for site in sites if _is_crawled(run, site.key)]
    remember(context.workspace, run, [site.key for site in crawled])
    works = [merge_work(run, site, context.config) for site in crawled]
    stale = [work for work in works if not _is_current(work)]
    for _ in context.pool.map(merge_site, stale):
        pass
    kept = {name for work in works for name in read_json(_marker(work))["parts"]}
    run.listings.prune(kept)
    run.decisions("merge").prune(kept)
    run.absent.prune(work.site for work in works)
    counts: Counts = Counter()
    for work in works:
        counts.update(read_json(_marker(work))["counts"])
    return StageResult(counts, len(stale))


def _is_crawled(run: Run, site: str) -> bool:
    """Whether it was crawled to its end; where it was not, the crawl stage said so."""
    return all(f.seal(site) is not None for f in (run.sightings, run.links, run.pages))


def merge_work(run: Run, site: Site, config: Config, *, source: Run | None = None,
               target: Run | None = None) -> MergeWork:  # fmt: skip
    """What `merge_site` needs to merge a site of `run`.

    `replay` reads pages, sightings and links from another `source` and writes to another
    `target`; what earlier runs knew is the recorded run's in any case. All four parts are sealed.
    """
    source, target = source or run, target or run
    folders = (source.pages, source.sightings, source.links, run.known)
    seals = {folder.table.name: folder.seal(site.key) for folder in folders}
    inputs = {name: seal.sha256 for name, seal in seals.items() if seal is not None}
    looked = run.record.get("from_warc") is None
    honour_noindex = _honours_noindex(config)
    settings = [
        config.part_rows, site.file.category_from_links, list(site.start_urls),
        config.crawl.gone_after, looked, honour_noindex,
    ]  # fmt: skip
    return MergeWork(
        site=site.key,
        key=run_key("merge", VERSION, settings, inputs),
        run_id=run.run_id,
        pages=source.pages,
        sightings=source.sightings,
        links=source.links,
        known=run.known,
        target=target,
        part_rows=config.part_rows,
        category_from_links=site.file.category_from_links,
        starts=tuple(site.start_urls),
        gone_after=config.crawl.gone_after,
        looked=looked,
        honour_noindex=honour_noindex,
    )


def _honours_noindex(config: Config) -> bool:
    return "noindex" in config.crawl.honour


def _marker(work: MergeWork) -> Path:
    return work.target.listings.folder / "sites" / f"{work.site}.json"


def _is_current(work: MergeWork) -> bool:
    marker = _marker(work)
    if not marker.is_file():
        return False
    value = read_json(marker)
    if value["key"] != work.key:
        return False
    target = work.target
    made = [(f, n) for f in (target.listings, target.decisions("merge")) for n in value["parts"]]
    for folder, name in [*made, (target.absent, work.site)]:
        seal = folder.seal(name)
        problem = "expected a seal" if seal is None else folder.damage(name, seal)
        if problem is not None:
            logs.warning(f"part {folder.path(name)}: {problem}; merging site {work.site} again")
            return False
    return True


def merge_site(work: MergeWork) -> Counts:
    """Write the site's listings, merge decisions and absences; returns their counts.

    Listings and decisions are in parts of `part_rows` records. Raises PartError for damaged
    inputs.
    """
    target, counts = work.target, Counts()
    paths: Mapping[str, Sequence[str]] = {}
    if work.category_from_links:
        paths = paths_from_links(work.starts, _hops(work.links, work.site))
    names = []
    with closing(PageOutcomes(work.pages, work.site)) as outcomes:
        merged = _listings(work, paths, outcomes, counts)
        for number, chunk in enumerate(chunks(merged, work.part_rows)):
            name = f"{work.site}-{number:05d}"
            decisions = [row for _, others in chunk for row in others]
            listings = [listing for listing, _ in chunk]
            counts.update(listings=len(listings), merged=len(decisions))
            target.decisions("merge").write(
                name, pa.Table.from_pylist(decisions, DECISIONS.schema), work.key
            )
            target.listings.write(name, pa.Table.from_pylist(listings, LISTINGS.schema), work.key)
            names.append(name)
        # A crawl that saw no product at all failed, and says nothing of those it missed.
        looked = work.looked and counts["listings"] > 0
        absent = _absent(work, outcomes, counts, looked=looked)
        target.absent.write(work.site, absent, work.key)
        if counts["absent"] and not (looked and outcomes.stopped is None):
            counts["crawls_cut_short"] += 1
    counts = +counts
    write_json(_marker(work), {"key": work.key, "parts": names, "counts": dict(counts)})
    return counts


def _hops(links: PartFolder, site: str) -> Iterator[Hop]:
    columns = ["page_url", "position", "target_url", "kind", "anchor_text", "trail"]
    for row in rows(links, site, columns):
        if row["kind"] in ("category", "next", "redirect"):
            names = (*row["trail"], row["anchor_text"])
            yield Hop(
                row["page_url"], row["position"], row["target_url"], row["kind"],
                tuple(name for name in names if name),
            )  # fmt: skip


def _listings(
    work: MergeWork, paths: Mapping[str, Sequence[str]], outcomes: PageOutcomes, counts: Counts
) -> Iterator[tuple[Row, list[Row]]]:
    """(listing, decisions of the sightings merged into it) per record, in record order."""
    known = _known(work)
    before = next(known, None)
    for record_id, group in groupby(
        rows(work.sightings, work.site), key=lambda row: row["record_id"]
    ):
        shown = list(group)
        while before is not None and before["record_id"] < record_id:
            before = next(known, None)
        met = before if before is not None and before["record_id"] == record_id else None
        if work.looked and met is not None and met["missed"] >= work.gone_after:
            counts["returned"] += 1
        refused = any(outcomes.of(url) == "robots" for url in {s["product_url"] for s in shown})
        yield merge_sightings(
            shown, paths, refused, work.run_id, met, honour_noindex=work.honour_noindex
        )


def _known(work: MergeWork) -> Iterator[Row]:
    """What earlier runs knew; nothing in runs of before that was recorded."""
    if work.known.seal(work.site) is not None:
        yield from rows(work.known, work.site)


def _absent(
    work: MergeWork, outcomes: PageOutcomes, counts: Counts, *, looked: bool
) -> Iterator[pa.RecordBatch]:
    seen = (row["record_id"] for row in rows(work.sightings, work.site, ["record_id"]))
    found = absent_rows(
        _known(work), seen, outcomes,
        gone_after=work.gone_after, looked=looked,
    )  # fmt: skip
    for chunk in chunks(found, 4096):
        counts.update(absent=len(chunk), gone=sum(row["gone"] for row in chunk))
        yield pa.RecordBatch.from_pylist(chunk, schema=ABSENT.schema)
