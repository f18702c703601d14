"""What an unattended workspace meets: files that are damaged or gone, folders nobody may write.

Each fault is put right by a run or a command that says so in one line; nothing is lost, and what
comes after is what it would have been without.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from runtime.sqlite_files import remove_database
from tests.crawler.shop import Shop, running_shop
from tests.integration.commands import pages_done, signal_when, start
from tests.integration.test_crawl_kills import descendants
from tests.integration.test_second_runs import Stall, open_stall, picture

Harm = Callable[[Path], None]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def set_up(shop: Shop, folder: Path) -> Stall:
    """The stall of three products, whose pages are carried over for a week."""
    stall = open_stall(shop, folder)
    config = folder / "mep3m.toml"
    config.write_text(config.read_text().replace("[crawl]\n", "[crawl]\nrefresh_after = 7.0\n"))
    return stall


@pytest.fixture(scope="module")
def two_runs(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two finished runs."""
    stall = set_up(shop, tmp_path_factory.mktemp("two") / "workspace")
    stall.run()
    later(stall)
    stall.run()
    return stall.folder


def later(stall: Stall) -> None:
    """The shop of the second day: one product more."""
    stall.sell(4, "竹编收纳篮家用加厚 38cm", picture(4))
    stall.show(1, 2, 3, 4)


@pytest.fixture
def crawled(shop: Shop, two_runs: Path, tmp_path: Path) -> Stall:
    """A copy of the workspace with two runs, and the shop as it was at the second."""
    folder = tmp_path / "workspace"
    shutil.copytree(two_runs, folder)
    stall = set_up(shop, folder)
    later(stall)
    shop.asked.clear()
    return stall


def garbage_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = os.urandom(third)
    path.write_bytes(data)


def garbage_at_the_start(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"no database, by far" + data[19:])


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


def rows_of(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of a database, in order."""
    with closing(sqlite3.connect(database)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names.fetchall()
        }


def no_traceback(said: str) -> None:
    assert "Traceback" not in said
    assert "unforeseen" not in said


# --------------------------------------------------------------------------- the product memory


def third_run(stall: Stall) -> tuple[list[str], dict[str, list[tuple[Any, ...]]], str]:
    """A third run: what was asked for, the memory behind it, and what was said."""
    stall.shop.asked.clear()
    said = stall.say("run")
    assert said.status == 10, said.err
    no_traceback(said.err)
    return sorted(stall.shop.paths()), rows_of(stall.folder / "state.sqlite"), said.err


def test_a_lost_memory_is_restored_row_for_row_and_the_next_run_asks_for_nothing_more(
    crawled: Stall, tmp_path: Path
) -> None:
    state = crawled.folder / "state.sqlite"
    before = rows_of(state)
    assert len(before["products"]) == 3 and len(before["folded"]) == 1
    for harm in (Path.unlink, cut, garbage_at_the_start, garbage_in_the_middle):
        harm(state)
        said = crawled.say("restore", "--json")
        assert said.status == 0, said.err
        assert (said.json["products"], len(said.json["runs"])) == (3, 1)
        assert said.json["found"] != "intact" and said.err == ""
        assert rows_of(state) == before
    # A run that meets the damage itself does the same, and says so.
    shutil.copytree(crawled.folder, tmp_path / "other")
    other = Stall(crawled.shop, tmp_path / "other")
    asked, after, _ = third_run(crawled)
    assert asked == ["/", "/robots.txt"], "pages and pictures are known"
    garbage_in_the_middle(other.folder / "state.sqlite")
    asked_again, after_again, err = third_run(other)
    assert asked_again == asked
    assert after_again["products"] == after["products"]
    assert "state.sqlite" in err and "making it again" in err


def test_restore_tells_what_an_intact_memory_holds_and_leaves_it_as_it_was(crawled: Stall) -> None:
    before = rows_of(crawled.folder / "state.sqlite")
    said = crawled.say("restore")
    assert said.status == 0, said.err
    assert "state.sqlite (intact) was made again from the files: 1 runs, 3 products" in said.out
    assert rows_of(crawled.folder / "state.sqlite") == before
    assert not list(crawled.folder.glob(".state*"))


# --------------------------------------------------------------------------- the frontier

TWO_SITES = """
[[site]]
key = "t"
program = "own.toml"
base_url = "http://{host}"
allow_private = ["{host}"]
mapping = "mapping.csv"
"""
PRODUCTS = range(10, 30)


@dataclass(frozen=True)
class Street:
    """Two shops and the folder that crawls both; the first one answers slowly."""

    stall: Stall
    other: Shop

    @property
    def config(self) -> Path:
        return self.stall.folder / "mep3m.toml"

    @property
    def frontier(self) -> Path:
        (path,) = self.stall.folder.glob("runs/*/frontier/s.sqlite")
        return path

    def copy(self, folder: Path) -> Street:
        shutil.copytree(self.stall.folder, folder)
        return Street(Stall(self.stall.shop, folder), self.other)

    def crawl_until(self, pages: int) -> None:
        """Crawl until the other shop is exported and so many pages of this one are done; kill."""
        process = start("run", "--config", self.config)

        def reached() -> bool:
            done = list(self.stall.folder.glob("runs/*/pages/t.json"))
            return bool(done) and pages_done(self.stall.folder) >= pages + 4

        signal_when(process, reached, signal.SIGSTOP)
        for pid in (process.pid, *descendants(process.pid)):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)

    def table(self, name: str, order: list[str]) -> pandas.DataFrame:
        """A table of both sites without times and places."""
        parts = sorted(self.stall.folder.glob(f"runs/*/{name}/*.parquet"))
        frame = pandas.concat([pandas.read_parquet(part) for part in parts])
        frame = frame.drop(columns=[c for c in NOT_COMPARED if c in frame])
        assert not frame.duplicated(order).any()
        return frame.sort_values(order).reset_index(drop=True)

    def released(self) -> pandas.DataFrame:
        frame = self.stall.rows().drop(columns=[c for c in NOT_COMPARED if c != "attempts"])
        return frame.drop(columns=["run_id"])


# A crawl that begins anew asks later, and so into other places of its files.
NOT_COMPARED = ["fetched_at", "first_seen", "capture_file", "capture_offset", "attempts"]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Nothing crawled yet."""
    with running_shop() as shop, running_shop() as other:
        stall = open_stall(shop, tmp_path_factory.mktemp("street") / "workspace")
        for number in PRODUCTS:
            stall.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
        stall.show(*PRODUCTS)
        second = Stall(other, stall.folder)
        for number in (50, 51):
            second.sell(number, f"实木书架落地简约 {number}cm", picture(number))
        second.show(50, 51)
        config = stall.folder / "mep3m.toml"
        text = config.read_text() + TWO_SITES.format(host=other.host)
        config.write_text(text.replace("[crawl]\ndelay = 0.0", "[crawl]\ndelay = 0.1"))
        yield Street(stall, other)


@pytest.fixture(scope="module")
def undisturbed(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Street:
    """Both shops crawled to the release, without any damage."""
    town = street.copy(tmp_path_factory.mktemp("undisturbed") / "workspace")
    said = town.stall.say("run")
    assert said.status == 0, said.err
    return town


@pytest.fixture(scope="module")
def killed(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Street:
    """A crawl that was killed: one site exported, the other one half done."""
    town = street.copy(tmp_path_factory.mktemp("killed") / "workspace")
    town.crawl_until(8)
    assert not list(town.stall.folder.glob("runs/*/pages/s.json"))
    return town


def forgotten(path: Path) -> None:
    """The file is gone, with its log."""
    remove_database(path)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def folded(path: Path) -> None:
    """Not damage: what a worker that ended well leaves, its log folded in."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(forgotten, marks=pytest.mark.soak),
        cut,
        garbage_at_the_start,
        pytest.param(garbage_in_the_middle, marks=pytest.mark.soak),
        emptied,
    ],
)
def test_a_site_whose_frontier_is_lost_is_crawled_again_and_no_other(
    killed: Street, undisturbed: Street, tmp_path: Path, harm: Harm
) -> None:
    town = killed.copy(tmp_path / "workspace")
    folded(town.frontier)
    before = {path.name for path in town.frontier.parents[1].glob("captures/s-*")}
    assert before, "captures of pages that a lost frontier named"
    harm(town.frontier)
    for shop in (town.stall.shop, town.other):
        shop.asked.clear()
    said = town.stall.say("crawl")
    assert said.status == 0, said.err
    logged = (town.stall.folder / "logs" / "mep3m.jsonl").read_text().splitlines()
    told = [e for e in map(json.loads, logged) if "crawling the site again" in e["message"]]
    assert [(event["level"], event["site"]) for event in told] == [("warning", "s")]
    assert told[0]["message"].startswith("site s: expected ")
    assert "s.sqlite" in told[0]["message"]
    assert said.err.count(told[0]["message"]) == 1
    assert not town.other.asked
    asked = town.stall.shop.paths()
    assert sorted(asked) == ["/", *(f"/p/{n}.html" for n in PRODUCTS), "/robots.txt"]
    for name, order in TABLES:
        pandas.testing.assert_frame_equal(town.table(name, order), undisturbed.table(name, order))
    # Every capture that lies there is of the crawl that counts.
    pages = pandas.read_parquet(town.frontier.parents[1] / "pages" / "s.parquet")
    captures = town.frontier.parents[1] / "captures"
    assert {path.name for path in captures.glob("s-*")} == set(pages["capture_file"].dropna())
    with (next(captures.glob("s-*"))).open("rb") as stream:
        urls = [r.headers["WARC-Target-URI"] for r in ArchiveIterator(BytesIO(stream.read()))
                if r.record_type == WarcRecordType.response]  # fmt: skip
    assert len(urls) == len(set(urls)) == len(PRODUCTS) + 2


TABLES = (
    ("pages", ["url"]),
    ("sightings", ["page_url", "position"]),
    ("links", ["page_url", "position"]),
)


def test_a_lost_frontier_changes_nothing_in_the_release(
    killed: Street, undisturbed: Street, tmp_path: Path
) -> None:
    town = killed.copy(tmp_path / "workspace")
    folded(town.frontier)
    garbage_in_the_middle(town.frontier)
    said = town.stall.say("run", "--json")
    assert said.status == 0, said.err
    no_traceback(said.err)
    assert said.json["sightings"] == sum(said.json["fates"].values()) == 2 * (len(PRODUCTS) + 2)
    town.stall.check()
    pandas.testing.assert_frame_equal(town.released(), undisturbed.released())


def test_damage_that_comes_while_the_site_is_crawled_is_met_the_same_way(
    killed: Street, undisturbed: Street, tmp_path: Path
) -> None:
    """An index that lost its entries after the frontier was opened: SQLite says so at a write."""
    town = killed.copy(tmp_path / "workspace")
    process = start("crawl", "--config", town.config)
    done = pages_done(town.stall.folder)
    signal_when(
        process, lambda: pages_done(town.stall.folder) >= done + 2, signal.Signals(signal.SIGCONT)
    )
    with closing(sqlite3.connect(town.frontier, timeout=20)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = 'CREATE nonsense' WHERE name = 'links'")
        db.execute("PRAGMA schema_version = 999")
        db.commit()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "crawling the site again from its start" in err
    no_traceback(err)
    for name, order in TABLES:
        pandas.testing.assert_frame_equal(town.table(name, order), undisturbed.table(name, order))
