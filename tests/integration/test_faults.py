"""What an unattended workspace meets: files that are damaged or gone, folders nobody may write.

Each fault is put right by a run or a command that says so in one line; nothing is lost, and what
comes after is what it would have been without.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.crawler.shop import Shop, running_shop
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
