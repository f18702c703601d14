"""The ledger of a release: one file for each, with the decisions that changed."""

from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from provenance.verify import verify
from release.ledger_files import decisions_on, ledger_files
from release.manifest import read_manifest
from runtime.workspace import Workspace
from tests.release.finished_run import START, Product, RunWriter, changed, products, publish_run

ITEMS = changed(
    changed(products("shop-a", 15), "shop-a:000003", fate="rejected"), "shop-a:000004", fate="held"
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(ITEMS))
    return made


def release(workspace: Workspace, items: list[Product], hours: int) -> Path:
    run = RunWriter(workspace, START + timedelta(hours=hours)).write(items)
    folder = publish_run(workspace, run).folder
    assert folder is not None
    assert verify(folder, workspace, quiet=True) == []
    return folder


def told(folder: Path, record_id: str) -> list[list[str]]:
    """By file, the rules that judged a record."""
    found = decisions_on(folder, read_manifest(folder), record_id)
    return [[row["rule"] for row in rows] for rows in found]


def test_a_first_release_tells_all_decisions_sorted_by_record(workspace: Workspace) -> None:
    folder = workspace.releases / "1.0.0"
    (entry,) = ledger_files(read_manifest(folder))
    rows = pq.read_table(folder / entry.path)
    ids = rows["record_id"].to_pylist()
    assert ids == sorted(ids) and set(ids) == {item.record_id for item in ITEMS}
    assert entry.ledger is not None and entry.ledger.records == len(ITEMS)
    assert sum(rule.count for rule in entry.ledger.rules) == rows.num_rows == entry.rows
    assert told(folder, "shop-a:000003") == [["title_too_short_v1"]]
    assert told(folder, "shop-a:000005") == [["clean_passed_v1", "published_v1"]]
    assert told(folder, "shop-a:nobody") == []


def test_only_changed_verdicts_are_written_and_older_files_are_linked(workspace: Workspace) -> None:
    first = workspace.releases / "1.0.0"
    items = changed(ITEMS, "shop-a:000004", fate="kept") + products("shop-b", 2)
    second = release(workspace, items, hours=1)
    older, newer = ledger_files(read_manifest(second))
    assert (second / older.path).samefile(first / older.path)
    new_ids = pq.read_table(second / newer.path)["record_id"].to_pylist()
    assert set(new_ids) == {"shop-a:000004", "shop-b:000000", "shop-b:000001"}
    assert [rules[-1] for rules in told(second, "shop-a:000004")] == [
        "no_category_v1", "published_v1"
    ]  # fmt: skip
    assert told(second, "shop-a:000005") == told(first, "shop-a:000005")


def test_a_third_release_compares_with_the_newest_word_on_each_record(workspace: Workspace) -> None:
    items = changed(ITEMS, "shop-a:000003", fate="held")
    release(workspace, items + products("shop-b", 1), hours=1)
    third = release(workspace, items + products("shop-b", 2), hours=2)
    *_, newest = ledger_files(read_manifest(third))
    assert set(pq.read_table(third / newest.path)["record_id"].to_pylist()) == {"shop-b:000001"}
    fourth = release(workspace, ITEMS + products("shop-b", 3), hours=3)
    *_, newest = ledger_files(read_manifest(fourth))
    ids = set(pq.read_table(fourth / newest.path)["record_id"].to_pylist())
    assert ids == {"shop-a:000003", "shop-b:000002"}  # rejected again, and new
