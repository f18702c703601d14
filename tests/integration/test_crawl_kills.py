"""`kill -9` in the crawl, again and again: the listings are those of an undisturbed crawl."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pandas
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from tests.crawler.shop import SITE_FILE
from tests.integration.commands import mep3m, pages_done, signal_when, start
from tests.integration.wide_shop import WideShop, is_missing, running_wide_shop

CONCURRENCY = 8
CONFIG = """
[crawl]
delay = 0.0
concurrency_per_host = {concurrency}
warc_max_mib = 1

[[site]]
key = "wide"
program = "own.toml"
base_url = "http://{host}"
allow_private = ["{host}"]
"""
# A killed crawl fetches some pages later, and so into other places of other files.
TIMES_AND_PLACES = ["fetched_at", "first_seen", "last_seen", "capture_file", "capture_offset"]


@dataclass(frozen=True)
class Crawl:
    """A workspace that crawls the shop."""

    folder: Path
    shop: WideShop

    @property
    def config(self) -> Path:
        return self.folder / "mep3m.toml"

    def prepare(self) -> Crawl:
        self.folder.mkdir()
        (self.folder / "own.toml").write_text(SITE_FILE)
        text = CONFIG.format(host=self.shop.host, concurrency=CONCURRENCY)
        self.config.write_text(text)
        self.shop.forget()
        return self

    def finish(self) -> None:
        for stage in ("crawl", "merge"):
            said = mep3m(stage, "--config", self.config)
            assert said.status == 0, said.err

    def table(self, name: str, order: Sequence[str]) -> pandas.DataFrame:
        """A table of the run without times and places, in a fixed order."""
        parts = sorted(self.folder.glob(f"runs/*/{name}/*.parquet"))
        frame = pandas.concat([pandas.read_parquet(part) for part in parts])
        frame = frame.drop(columns=[c for c in TIMES_AND_PLACES if c in frame])
        if "category_paths" in frame:
            frame["category_paths"] = frame["category_paths"].map(
                lambda paths: sorted(tuple(path) for path in paths)
            )
        return frame.sort_values(list(order)).reset_index(drop=True)

    def kill_tree(self, stage: str, when: int | float) -> None:
        """Start a stage and kill all of its processes at a count of pages, or after a time."""
        process = start(stage, "--config", self.config)
        try:
            if isinstance(when, int):
                signal_when(process, lambda: pages_done(self.folder) >= when, signal.SIGSTOP)
            else:
                time.sleep(when)
            # Workers have sessions of their own: each is killed by its number, the first one first.
            for pid in (process.pid, *descendants(process.pid)):
                os.kill(pid, signal.SIGKILL)
        finally:
            process.kill()
            process.communicate()

    def kill_parent(self, when: int) -> None:
        """Kill the main process alone; its worker notices within half a second."""
        process = start("crawl", "--config", self.config)
        try:
            signal_when(process, lambda: pages_done(self.folder) >= when, signal.SIGKILL)
        finally:
            process.communicate()
        assert process.returncode == -signal.SIGKILL


def descendants(pid: int) -> list[int]:
    """Processes below `pid`, as Linux lists them now."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it ended meanwhile
        children.setdefault(int(fields[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    todo = [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found


def the_same(ours: Crawl, undisturbed: Crawl) -> None:
    """Equal in all but times and places, every row once."""
    for name, order, key in (
        ("listings", ["record_id"], ["record_id"]),
        ("pages", ["url"], ["url"]),
        ("sightings", ["page_url", "position"], ["page_url", "position"]),
        ("links", ["page_url", "kind", "position"], ["page_url", "position"]),
    ):
        found, expected = ours.table(name, order), undisturbed.table(name, order)
        assert not found.duplicated(key).any()
        if name == "pages":  # what was in flight at a kill is asked again
            found, expected = (frame.drop(columns="attempts") for frame in (found, expected))
        pandas.testing.assert_frame_equal(found, expected)


def captures_are_valid(crawl: Crawl) -> None:
    """FastWARC reads every record, digests agree, and each page's place holds its answer."""
    assert not list(crawl.folder.rglob("*.open"))
    assert not list(crawl.folder.rglob(".*.tmp"))
    places = {}
    files = sorted(crawl.folder.glob("runs/*/captures/*.warc.gz"))
    for path in files:
        with path.open("rb") as stream:
            for record in ArchiveIterator(
                BytesIO(stream.read()), record_types=WarcRecordType.any_type, parse_http=False
            ):
                if record.record_type == WarcRecordType.response:
                    if "WARC-Block-Digest" in record.headers:
                        assert record.verify_block_digest(consume=False)
                    record.parse_http()
                    assert record.verify_payload_digest()
                    url = record.headers["WARC-Target-URI"]
                    places[path.name, record.stream_pos] = url
                else:
                    assert record.record_type == WarcRecordType.warcinfo
    [part] = crawl.folder.glob("runs/*/pages/*.parquet")
    pages = pandas.read_parquet(part)
    answered = pages[pages["capture_file"].notna()]
    assert len(answered) > crawl.shop.products
    for page in answered.itertuples():
        assert places[page.capture_file, page.capture_offset] == page.url
    for part in crawl.folder.glob("runs/*/listings/*.parquet"):
        for row in pandas.read_parquet(part).itertuples():
            assert places[row.capture_file, row.capture_offset] == row.page_url


def nothing_asked_in_vain(crawl: Crawl, undisturbed: dict[str, int], kills: int) -> None:
    """Only what was in flight at a kill, or started while a worker noticed, is asked twice."""
    asked = crawl.shop.asked()
    pages = {path: count for path, count in asked.items() if path != "/robots.txt"}
    again = {path: count - undisturbed.get(path, 0) for path, count in pages.items()}
    assert min(again.values()) >= 0
    assert sum(again.values()) <= kills * CONCURRENCY
    assert set(pages) == set(undisturbed) - {"/robots.txt"}


def killed_and_finished(crawl: Crawl, points: Iterable[int]) -> int:
    """Kill at each point, the whole tree and the main process by turns; returns how many."""
    kills = 0
    for kills, point in enumerate(points, start=1):
        if kills % 2:
            crawl.kill_tree("crawl", point)
        else:
            crawl.kill_parent(point)
        assert pages_done(crawl.folder) >= point
    crawl.finish()
    return kills


def compare(tmp_path: Path, products: int, points: Sequence[int], merges: Sequence[float]) -> None:
    with running_wide_shop(products) as shop:
        undisturbed = Crawl(tmp_path / "undisturbed", shop).prepare()
        undisturbed.finish()
        asked = shop.asked()
        listed = undisturbed.table("listings", ["record_id"])
        assert len(listed) == products
        pages = undisturbed.table("pages", ["url"])
        assert (pages["outcome"] == "http_404").sum() == sum(map(is_missing, range(products)))
        assert max(points) < len(pages)
        crawl = Crawl(tmp_path / "killed", shop).prepare()
        kills = killed_and_finished(crawl, points)
        nothing_asked_in_vain(crawl, asked, kills)
        for seconds in merges:
            for listings in crawl.folder.glob("runs/*/listings"):
                shutil.rmtree(listings)
            crawl.kill_tree("merge", seconds)
        crawl.finish()
        the_same(crawl, undisturbed)
        captures_are_valid(crawl)


def test_kills_at_numbered_commits_change_nothing(tmp_path: Path) -> None:
    """The first commit, in the grids, the same point again (while it starts), in the products."""
    compare(tmp_path, 160, (1, 20, 20, 120), ())


@pytest.mark.soak
def test_thirty_kills_of_a_crawl_of_two_thousand_products(tmp_path: Path, soak_seed: int) -> None:
    draw = random.Random(soak_seed)
    points = sorted(draw.sample(range(1, 2_000), 26))
    merges = [draw.uniform(0.5, 3.0) for _ in range(4)]
    compare(tmp_path, 2_000, points, merges)
