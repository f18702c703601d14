"""The product memory made again on demand: what files tell, and what only the memory still knew."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.memory import bring_up_to_date
from crawler.memory_file import STATE_FILE, fault
from crawler.restore import Restored, restore_memory
from runtime.errors import WorkspaceError
from tests.crawler.recorded_runs import START, Crawls, listings
from tests.crawler.test_memory import damage_middle, make_other_version


@pytest.fixture
def crawls(tmp_path: Path) -> Crawls:
    made = Crawls(tmp_path / "workspace")
    made.workspace.prepare()
    return made


def tables(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    with closing(sqlite3.connect(path)) as db:
        return {
            name: db.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall()
            for name in ("products", "folded")
        }


def restored(crawls: Crawls) -> Restored:
    done = restore_memory(crawls.workspace)
    assert sorted(p.name for p in crawls.workspace.folder.iterdir()) == [
        "releases", "runs", STATE_FILE,
    ]  # fmt: skip
    return done


def cut_to(share: float) -> Callable[[Path], None]:
    return lambda path: os.truncate(path, int(path.stat().st_size * share))


def leave_a_log(path: Path) -> None:
    """A damaged file with a log of it, which must not be played into the new one."""
    shutil.copy(path, path.with_name(f"{path.name}-journal"))
    path.write_bytes(b"not a database" * 999)


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda path: None, "intact"),
        (lambda path: path.unlink(), "missing"),
        (cut_to(0), "found none"),
        (cut_to(0.6), "expected an intact file"),
        (damage_middle, "expected an intact file"),
        (leave_a_log, "not a database"),
        (make_other_version, "got 99"),
    ],
    ids=["intact", "missing", "emptied", "cut", "damaged", "foreign with a log", "other version"],
)
def test_whatever_became_of_the_file_it_is_the_same_row_for_row(
    crawls: Crawls, harm: Callable[[Path], None], found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = [crawls.day(*range(1, 60)), crawls.day(*range(2, 60), 70), crawls.day(3)]
    path = crawls.workspace.folder / STATE_FILE
    before = tables(path)
    assert len(before["products"]) == 60
    harm(path)
    done = restored(crawls)
    assert tables(path) == before
    assert found in done.found
    assert (done.runs, done.products) == (tuple(run.run_id for run in runs[:2]), 60)
    assert (done.taken_over, done.missing) == (0, ())
    assert capsys.readouterr().err == ""


def test_what_an_intact_file_has_wrong_is_put_right(crawls: Crawls) -> None:
    crawls.day(1, 2)
    crawls.day(1)
    path = crawls.workspace.folder / STATE_FILE
    before = tables(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("UPDATE products SET first_seen = 0, missed = 7")
        db.execute("INSERT INTO products SELECT 's:9', product_url, 0, 0, last_run, 0,"
                   " NULL, NULL, NULL, NULL, NULL, NULL FROM products LIMIT 1")  # fmt: skip
    restored(crawls)
    assert tables(path) == before


def test_products_of_runs_that_somebody_deleted_are_taken_over(crawls: Crawls) -> None:
    first = crawls.day(1, 2, 3)
    crawls.day(1)
    crawls.day(1)
    path = crawls.workspace.folder / STATE_FILE
    before = tables(path)
    shutil.rmtree(first.folder)
    assert restored(crawls).taken_over == 0, "the second run recorded what it knew of them"
    assert [row[:6] for row in tables(path)["products"]] == [r[:6] for r in before["products"]]
    shutil.rmtree(crawls.workspace.runs()[0].folder)
    shutil.rmtree(crawls.workspace.runs()[0].folder)
    assert restored(crawls).taken_over == 3
    assert [row[:6] for row in tables(path)["products"]] == [r[:6] for r in before["products"]]
    later = listings(crawls.day(1, 2))
    assert [row["first_seen"] for row in later.values()] == [START, START]


def test_what_the_newest_run_recorded_of_deleted_ones_is_kept(crawls: Crawls) -> None:
    deleted = [crawls.day(1, 2), crawls.day(1)]
    crawls.day(1)
    for run in deleted:
        shutil.rmtree(run.folder)
    (crawls.workspace.folder / STATE_FILE).unlink()
    assert restored(crawls).products == 2
    assert [row["first_seen"] for row in listings(crawls.day(1, 2)).values()] == [START, START]


def test_a_part_that_cannot_be_read_is_named(
    crawls: Crawls, capsys: pytest.CaptureFixture[str]
) -> None:
    crawls.day(1)
    second = crawls.day(1, 2)
    crawls.day(1)
    part = second.sightings.path("s")
    intact = part.read_bytes()
    part.write_bytes(intact[:200])
    done = restored(crawls)
    assert done.missing == ((second.run_id, "s"),)
    assert done.products == 1
    assert f"run {second.run_id}, site s: not remembered" in capsys.readouterr().err
    part.write_bytes(intact)
    assert restored(crawls).products == 2


def test_a_folder_in_its_place_is_named_and_kept(crawls: Crawls) -> None:
    (crawls.workspace.folder / STATE_FILE / "mine").mkdir(parents=True)
    with pytest.raises(WorkspaceError, match=r"state\.sqlite: expected a file.*got a folder"):
        restore_memory(crawls.workspace)
    assert (crawls.workspace.folder / STATE_FILE / "mine").is_dir()


def test_a_workspace_without_runs_has_an_empty_memory(crawls: Crawls) -> None:
    done = restored(crawls)
    assert (done.runs, done.products) == ((), 0)


def test_an_index_that_disagrees_with_its_table_costs_the_file_and_nothing_else(
    crawls: Crawls, capsys: pytest.CaptureFixture[str]
) -> None:
    """SQLite's quick check does not see it; folding the next run does."""
    crawls.day(*range(1, 30))
    crawls.day(*range(1, 30))
    path = crawls.workspace.folder / STATE_FILE
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'pages'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    data = bytearray(path.read_bytes())
    # An empty index page in place of the one that held every page's URL.
    empty = bytes([10, 0, 0, 0, 0, size >> 8, size & 255, 0])
    data[(root - 1) * size : root * size] = empty.ljust(size, b"\0")
    path.write_bytes(data)
    with closing(sqlite3.connect(path)) as db:
        assert fault(db, path) is None
    run = crawls.day(*range(1, 30), titles={1: "another"})
    expected = tables_of_a_new_one(crawls)
    bring_up_to_date(crawls.workspace, run)
    assert tables(path) == expected
    assert "making it again" in capsys.readouterr().err


def tables_of_a_new_one(crawls: Crawls) -> dict[str, list[tuple[Any, ...]]]:
    copy = crawls.workspace.folder.parent / "copy"
    shutil.copytree(crawls.workspace.folder, copy)
    (copy / STATE_FILE).unlink()
    restore_memory(Crawls(copy).workspace)
    return tables(copy / STATE_FILE)
