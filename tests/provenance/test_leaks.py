"""Near pictures over two splits or under two names, and copies that were left: all are told."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provenance.leak_checks import check_leaks
from release.lineage import FINGERPRINTS_FILE, LINEAGE_FILE
from release.manifest import read_manifest
from runtime.tables import FINGERPRINTS, LINEAGE
from runtime.workspace import Workspace
from tests.provenance.test_verify import Rows, edit
from tests.release.finished_run import RunWriter, products, publish_run

ONE, OTHER = "shop-a:000002", "shop-a:000005"
Change = Callable[[dict[str, Any], dict[str, Any]], object]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = Workspace(tmp_path_factory.mktemp("leaks") / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(products("shop-a", 9)))
    return made.releases / "1.0.0"


@pytest.fixture
def release(published: Path, tmp_path: Path) -> Path:
    shutil.copytree(published, tmp_path / "1.0.0")
    return tmp_path / "1.0.0"


def alike(release: Path, change: Change) -> None:
    """Give ONE's fingerprints to OTHER, but for what `change` does to OTHER's row."""

    def of_index(rows: Rows) -> None:
        found = {row["record_id"]: row for row in rows}
        for name in ("phash", "phash_trim", "colour", "colour_trim", "sketch"):
            found[OTHER][name] = found[ONE][name]
        found[OTHER].update(split=found[ONE]["split"], leak_group=found[ONE]["leak_group"])
        change(found[ONE], found[OTHER])

    edit(release / FINGERPRINTS_FILE, FINGERPRINTS.schema, of_index)


def told(release: Path) -> list[str]:
    return [str(failure) for failure in check_leaks(release, read_manifest(release))]


def turned(row: dict[str, Any]) -> bytes:
    """Colours far from the row's own."""
    return bytes(255 - value for value in row["colour"])


def test_a_sound_release_has_no_leaks(release: Path) -> None:
    assert told(release) == []


def test_near_pictures_in_two_splits_are_told_whatever_their_colours(release: Path) -> None:
    def change(one: dict[str, Any], other: dict[str, Any]) -> None:
        other["split"] = "test" if one["split"] == "train" else "train"
        other["colour"] = other["colour_trim"] = turned(one)

    alike(release, change)
    (found,) = told(release)
    assert f"record {OTHER} is near record {ONE}" in found and "another split" in found


def test_a_chain_of_near_pictures_is_one_group(release: Path) -> None:
    def change(one: dict[str, Any], other: dict[str, Any]) -> None:
        # Twelve bits apart, and a third record six bits from each.
        for name in ("phash", "phash_trim"):
            other[name] = one[name] ^ 0xFFF
        other["split"] = "test" if one["split"] == "train" else "train"

    def between(rows: Rows) -> None:
        found = {row["record_id"]: row for row in rows}
        third = found["shop-a:000007"]
        for name in ("phash", "phash_trim"):
            third[name] = found[ONE][name] ^ 0x03F
        third.update(split=found[ONE]["split"], leak_group=found[ONE]["leak_group"])
        third["colour"] = third["colour_trim"] = turned(found[ONE])

    alike(release, change)
    assert told(release) == []
    edit(release / FINGERPRINTS_FILE, FINGERPRINTS.schema, between)
    assert "another split" in told(release)[0]


def test_two_names_of_one_group_are_told(release: Path) -> None:
    def change(one: dict[str, Any], other: dict[str, Any]) -> None:
        other["leak_group"] = "shop-a:else"
        other["colour"] = other["colour_trim"] = turned(one)

    alike(release, change)
    (found,) = told(release)
    assert f"record {OTHER}: expected the leak group of record {ONE}" in found


def test_a_copy_that_was_left_is_told(release: Path) -> None:
    alike(release, lambda one, other: None)
    (found,) = told(release)
    assert "is a copy of record" in found and ONE in found and OTHER in found


def test_the_same_bytes_are_told_where_fingerprints_differ(release: Path) -> None:
    def change(rows: Rows) -> None:
        found = {row["record_id"]: row for row in rows}
        found[OTHER]["sha256"] = found[ONE]["sha256"]

    edit(release / FINGERPRINTS_FILE, FINGERPRINTS.schema, change)
    (found,) = told(release)
    assert "the same bytes" in found


def test_records_of_an_earlier_major_release_are_warnings(release: Path) -> None:
    alike(release, lambda one, other: None)
    manifest = replace(read_manifest(release), version="2.0.0")
    assert [failure.is_warning for failure in check_leaks(release, manifest)] == [True]

    def change(rows: Rows) -> None:
        next(row for row in rows if row["record_id"] == OTHER)["first_release"] = "2.0.0"

    edit(release / LINEAGE_FILE, LINEAGE.schema, change)
    assert [failure.is_warning for failure in check_leaks(release, manifest)] == [False]
