"""The product memory: what earlier runs saw, a cache that agrees with their files or is remade."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crawler.memory import bring_up_to_date
from crawler.merge import merge_site
from release.schema import RELEASE_SCHEMA
from runtime.storage import write_json
from runtime.workspace import Run
from tests.crawler.recorded_runs import (
    START,
    Crawls,
    absent,
    bytes_of,
    listings,
    merge_work,
    page_of,
)

DAY = timedelta(days=1)


@pytest.fixture
def crawls(tmp_path: Path) -> Crawls:
    made = Crawls(tmp_path / "workspace")
    made.workspace.prepare()
    return made


def state(crawls: Crawls) -> Path:
    return crawls.workspace.folder / "state.sqlite"


def remembered(crawls: Crawls) -> list[tuple[Any, ...]]:
    """The whole memory, brought up to date for a run of tomorrow."""
    bring_up_to_date(crawls.workspace, Run(crawls.workspace.folder / "runs" / "20990101T000000Z"))
    with closing(sqlite3.connect(state(crawls))) as db:
        return [
            row
            for table in ("products", "folded")
            for row in db.execute(f"SELECT * FROM {table} ORDER BY 1, 2")
        ]


def first_seen(run: Run) -> dict[str, datetime]:
    return {number: row["first_seen"] for number, row in listings(run).items()}


def test_first_seen_stays_and_last_seen_follows_the_captures(crawls: Crawls) -> None:
    crawls.day(1, 2)
    crawls.day(2)
    run = crawls.day(1, 2, 3)
    rows = listings(run)
    assert [row["first_seen"] for row in rows.values()] == [START, START, START + 2 * DAY]
    assert rows["0003"]["last_seen"] == START + 2 * DAY + timedelta(seconds=12)
    assert rows["0001"]["fetched_at"] == START + 2 * DAY + timedelta(seconds=10)


def test_merging_again_without_the_memory_gives_the_same_bytes(crawls: Crawls) -> None:
    crawls.day(1, 2, 3)
    crawls.day(2, 3)
    run = crawls.day(1, 3, 4)
    before = bytes_of(run)
    state(crawls).unlink()
    crawls.merge(run)
    assert bytes_of(run) == before
    # Without what the run recorded of it, too: the earlier runs tell the same.
    state(crawls).unlink(missing_ok=True)
    shutil.rmtree(run.known.folder)
    crawls.merge(run)
    assert bytes_of(run) == before


def test_a_recorded_run_needs_neither_memory_nor_earlier_runs(
    crawls: Crawls, tmp_path: Path
) -> None:
    first = crawls.day(1, 2)
    run = crawls.day(2, 3)
    before = bytes_of(run)
    state(crawls).unlink()
    shutil.rmtree(first.folder)
    again = Run(tmp_path / "replayed" / run.run_id)
    merge_site(merge_work(run, target=again))
    assert bytes_of(again) == {k: v for k, v in before.items() if not k.startswith("known")}


def damage_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : 2 * len(data) // 3] = bytes(len(data) // 3)
    path.write_bytes(data)


def make_other_version(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.unlink(), "found none"),
        (lambda path: path.write_bytes(b"not a database, by far" * 99), "not a database"),
        (damage_middle, "state.sqlite: expected"),
        (make_other_version, "expected version 1, got 99"),
    ],
    ids=["missing", "foreign", "damaged", "another version"],
)
def test_a_memory_that_cannot_be_used_is_made_again_with_one_line(
    crawls: Crawls, harm: Callable[[Path], None], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    crawls.day(*range(1, 40))
    crawls.day(*range(2, 40), 50)
    before = remembered(crawls)
    assert capsys.readouterr().err == ""
    harm(state(crawls))
    assert remembered(crawls) == before
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line and "making it again" in line


def test_folding_run_by_run_and_all_at_once_remember_the_same(crawls: Crawls) -> None:
    crawls.day(1, 2, 3)
    crawls.day(1, 3, titles={1: "another"})
    crawls.day(3, outcomes={page_of(1): "http_503"})
    crawls.day(2, 3, grid=False)
    before = remembered(crawls)
    state(crawls).unlink()
    assert remembered(crawls) == before


def test_an_earlier_run_that_changed_is_read_again(crawls: Crawls) -> None:
    first = crawls.day(1, 2)
    crawls.day(1, 2)
    remembered(crawls)
    table = first.sightings.read("s")
    earlier = pa.compute.subtract(table["fetched_at"], pa.scalar(DAY))
    repaired = table.set_column(table.schema.get_field_index("fetched_at"),
                                table.schema.field("fetched_at"), earlier)  # fmt: skip
    first.sightings.write("s", repaired, "recorded")
    crawls.merge(first)
    assert first_seen(crawls.day(1, 2)) == {"0001": START - DAY, "0002": START - DAY}


def test_an_earlier_run_that_cannot_be_read_is_left_out_until_it_can(
    crawls: Crawls, capsys: pytest.CaptureFixture[str]
) -> None:
    crawls.day(1)
    second = crawls.day(1, 2)
    path = second.sightings.path("s")
    intact = path.read_bytes()
    path.write_bytes(intact[:200])
    run = crawls.day(1, 2)
    assert f"run {second.run_id}, site s: not remembered" in capsys.readouterr().err
    assert first_seen(run) == {"0001": START, "0002": START + 2 * DAY}
    remembered(crawls)
    assert capsys.readouterr().err == ""
    path.write_bytes(intact)
    assert first_seen(crawls.day(1, 2))["0002"] == START + DAY


def test_runs_that_were_deleted_are_remembered_by_those_after_them(crawls: Crawls) -> None:
    first, second = crawls.day(1, 2), crawls.day(1)
    crawls.day(1)
    shutil.rmtree(first.folder)
    shutil.rmtree(second.folder)
    assert first_seen(crawls.day(1))["0001"] == START  # by the memory
    state(crawls).unlink()
    run = crawls.day(1, 2)  # by what the third run recorded
    assert first_seen(run) == {"0001": START, "0002": START}


def test_runs_deleted_at_any_place_stay_in_the_memory(
    crawls: Crawls, capsys: pytest.CaptureFixture[str]
) -> None:
    crawls.day(1)
    for _ in range(2):
        run = crawls.day(1, 2)
    remembered(crawls)
    shutil.rmtree(run.folder)
    assert first_seen(crawls.day(1, 2)) == {"0001": START, "0002": START + DAY}
    for left in crawls.workspace.runs():
        shutil.rmtree(left.folder)
    assert first_seen(crawls.day(1, 2)) == {"0001": START, "0002": START + DAY}
    assert capsys.readouterr().err == ""


def test_an_archive_can_show_a_record_earlier_and_says_nothing_of_today(crawls: Crawls) -> None:
    crawls.day(1, 2)
    crawls.day(1)
    archived = crawls.day(2, 3, age=100 * DAY)
    assert listings(archived)["0002"]["first_seen"] == START - 98 * DAY
    assert absent(archived) == {"0001": (0, False)}
    run = crawls.day(1, 3)
    assert first_seen(run) == {"0001": START, "0003": START - 98 * DAY}
    assert absent(run) == {"0002": (2, False)}
    (row,) = run.absent.read("s").to_pylist()
    assert (row["first_seen"], row["last_seen"].day) == (START - 98 * DAY, 1)


def test_without_any_run_the_release_tells_when_its_records_were_first_seen(
    crawls: Crawls,
) -> None:
    run = crawls.day(1, 2)
    row = dict.fromkeys(RELEASE_SCHEMA.names)
    row |= {"record_id": "s:0001", "site": "s", "product_url": page_of(1), "run_id": run.run_id,
            "first_seen": START, "fetched_at": START + timedelta(seconds=10)}  # fmt: skip
    imported = dict.fromkeys(RELEASE_SCHEMA.names) | {"record_id": "mep3m:1/2", "run_id": "x"}
    data = crawls.workspace.releases / "1.0.0" / "data"
    data.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([row, imported], RELEASE_SCHEMA), data / "train.parquet")
    write_json(crawls.workspace.releases / "LATEST.json", {"version": "1.0.0"})
    shutil.rmtree(run.folder)
    state(crawls).unlink(missing_ok=True)
    assert first_seen(crawls.day(1, 2)) == {"0001": START, "0002": START + DAY}


def test_other_sites_records_stay_out(crawls: Crawls) -> None:
    run = crawls.day(1)
    remembered(crawls)
    with closing(sqlite3.connect(state(crawls))) as db:
        for other in ("s-2:1", "t:1", "r:1"):
            db.execute(
                "INSERT INTO products(record_id, product_url, first_seen, last_seen, last_run,"
                " missed) VALUES (?, 'u', 0, 0, 'r', 0)",
                (other,),
            )
        db.commit()
    del run
    after = crawls.day(1)
    assert after.known.read("s")["record_id"].to_pylist() == ["s:0001"]
