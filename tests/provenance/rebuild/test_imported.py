"""Releases of imported copies are made again from the rows and pictures that were taken in."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from provenance.rebuild.rebuild import rebuild
from runtime.errors import WorkspaceError
from runtime.workspace import Workspace
from tests.provenance.rebuild.dropped import drop_bytes
from tests.release.finished_run import START, RunWriter, picture, products, publish_run, shared_pool
from tests.release.imported_run import take_in, titles, write_copy


@pytest.fixture
def mixed(tmp_path: Path) -> Workspace:
    """Crawled records, then a copy with pictures, then one of titles alone; the copies are gone."""
    made = Workspace(tmp_path / "workspace")
    made.prepare()
    publish_run(made, RunWriter(made).write(products("shop-a", 6)))
    made.runs()[-1].update(status="done")
    pictures = {n: picture(product) for n, product in enumerate(products("copy", 5))}
    for number, (names, shown) in enumerate(((range(5), pictures), (range(20, 26), {})), start=1):
        copy = write_copy(tmp_path / f"copy-{number}", titles(*names), shown)
        take_in(made, copy, START + timedelta(days=number))
        shutil.rmtree(copy.parent)
    return made


@pytest.mark.parametrize("version", ["1.1.0", "1.2.0"])
def test_imports_are_made_again_without_the_copy(mixed: Workspace, version: str) -> None:
    (made,) = rebuild(mixed, version, shared_pool(), quiet=True)
    assert made.differences == ()
    assert not made.by_rows


def test_an_imports_dropped_pictures_come_from_shards(mixed: Workspace) -> None:
    images = mixed.runs()[1].images
    (name,) = images.names()
    drop_bytes(images, name)
    (made,) = rebuild(mixed, "1.1.0", shared_pool(), quiet=True)
    assert made.differences == ()


def test_an_imports_image_part_that_is_gone_is_named(mixed: Workspace) -> None:
    images = mixed.runs()[1].images
    (name,) = images.names()
    images.path(name).unlink()
    with pytest.raises(WorkspaceError, match="image part of run"):
        rebuild(mixed, "1.1.0", shared_pool(), quiet=True)
