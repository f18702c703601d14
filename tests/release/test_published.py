"""What a run saw otherwise than it was published: one change for each thing that differs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from release.manifest import read_manifest
from release.published import COLUMNS, changes, read_published, write_published
from runtime.errors import WorkspaceError
from runtime.workspace import Workspace
from tests.release.finished_run import RunWriter, products, publish_run

BEFORE: dict[str, Any] = {
    "title": "茶杯", "title_raw": "【包邮】茶杯", "image_url": "http://i/1", "sha256": "aa",
}  # fmt: skip


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ({}, []),
        ({"title": "壶", "title_raw": "壶"}, [("title_changed_v1", "茶杯", "壶")]),
        ({"title_raw": "茶杯"}, [("raw_title_changed_v1", "【包邮】茶杯", "茶杯")]),
        (
            {"image_url": "http://i/2", "sha256": "bb"},
            [
                ("image_url_changed_v1", "http://i/1", "http://i/2"),
                ("image_changed_v1", "aa", "bb"),
            ],
        ),
        ({"image_url": "http://i/2"}, [("image_url_changed_v1", "http://i/1", "http://i/2")]),
        ({"title": None, "image_url": None, "sha256": None}, []),
    ],
    ids=["nothing", "title", "promotion only", "picture", "picture moved", "nothing known"],
)
def test_each_difference_is_told_with_both_values(
    now: dict[str, Any], expected: list[tuple[str, str, str]]
) -> None:
    found = changes(BEFORE, {**BEFORE, **now})
    assert [(change.rule, change.published, change.now) for change in found] == expected


def test_an_imported_record_without_an_address_has_no_other_address() -> None:
    assert changes({**BEFORE, "image_url": None}, {**BEFORE, "image_url": "http://i/2"}) == []


def test_published_values_are_read_by_range_and_site(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.prepare()
    publish_run(workspace, RunWriter(workspace).write(products("a", 9) + products("b", 2)))
    release = workspace.releases / "1.0.0"
    manifest = read_manifest(release)
    write_published(tmp_path / "all.sqlite", release, manifest, {"a", "b"})
    found = read_published(tmp_path / "all.sqlite", "a:000007", "b:000000")
    assert list(found) == ["a:000007", "a:000008", "b:000000"]
    assert found["a:000008"]["title"] == "淡水珍珠项链 8 毫米"
    assert all(set(row) == set(COLUMNS) and None not in row.values() for row in found.values())
    write_published(tmp_path / "none.sqlite", release, manifest, {"c"})
    assert read_published(tmp_path / "none.sqlite", "a", "z") == {}
    next(iter((release / "data").iterdir())).write_bytes(b"PAR1")
    with pytest.raises(WorkspaceError, match="run `mep3m verify`"):
        write_published(tmp_path / "damaged.sqlite", release, manifest, {"a", "b"})
