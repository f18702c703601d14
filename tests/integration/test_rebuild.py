"""Rebuild: releases are made again, byte for byte, from what was recorded and nothing else."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from provenance.rebuild.comparison import COMPARED
from runtime.storage import sha256_file
from runtime.workspace import Run
from tests.crawler.shop import Shop, running_shop
from tests.integration.commands import DemoRun, mep3m
from tests.integration.test_second_runs import MAPPING, Stall, open_stall, picture
from tests.provenance.rebuild.dropped import drop_bytes


def digests(folder: Path) -> dict[str, str]:
    """Every file of a folder but what a command that reads leaves: the lock."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {
        path.relative_to(folder).as_posix(): sha256_file(path)
        for path in files
        if path.name != ".lock"
    }


def compared(folder: Path) -> dict[str, str]:
    return {path: sha for path, sha in digests(folder).items() if path.startswith(COMPARED)}


def test_the_demo_is_made_again_in_a_new_process_by_other_workers_in_another_folder(
    demo: DemoRun, tmp_path: Path
) -> None:
    before = digests(demo.folder)
    said = mep3m(
        "rebuild", "1.0.0", "--config", demo.config, "--workers", "1", "--output", tmp_path / "out",
        "--json",
    )  # fmt: skip
    assert said.status == 0, said.err
    (release,) = said.json["releases"]
    assert (release["same"], release["by_rows"]) == (True, False)
    made = compared(tmp_path / "out" / "1.0.0")
    assert made == compared(demo.release)
    assert any(path.startswith("data/test-") for path in made)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["1.0.0"]
    assert digests(demo.folder) == before


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


@dataclass(frozen=True)
class Grown:
    """A workspace of four releases: first, grown, shrunk, and one that adopts changes."""

    folder: Path
    shop: Shop


@pytest.fixture(scope="module")
def grown(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Grown:
    stall = open_stall(shop, tmp_path_factory.mktemp("grown") / "workspace")
    stall.run()
    stall.sell(4, "实木餐桌椅组合 四人位", picture(4))
    stall.sell(5, "实木餐桌椅组合 四人位 送货", picture(4, quality=55))
    stall.show(1, 2, 3, 4, 5)
    stall.run()
    stall.sell(2, "不锈钢保温壶大容量 1.5L", picture(2), **{"X-Robots-Tag": "noai"})
    stall.run()
    stall.sell(1, "青瓷茶杯手工釉下彩 新款 250ml", picture(1))
    said = stall.say("run", "--adopt", "--json")
    assert said.status == 0, said.err
    versions = sorted(path.name for path in stall.workspace.releases.iterdir() if path.is_dir())
    assert len(versions) == 4 and versions[0] == "1.0.0" and versions[-1] == "2.0.0", versions
    # What comes later must not matter to releases that were made before.
    (stall.folder / "mapping.csv").write_text(MAPPING.replace(",3,", ",5,"))
    (stall.folder / "own.toml").unlink()
    return Grown(stall.folder, shop)


@pytest.fixture
def stall(grown: Grown, tmp_path: Path) -> Stall:
    """A copy of that workspace, for a test that damages it."""
    shutil.copytree(grown.folder, tmp_path / "workspace")
    return Stall(grown.shop, tmp_path / "workspace")


def newest(stall: Stall) -> Run:
    return stall.workspace.runs()[-1]


def versions_of(stall: Stall) -> list[str]:
    return sorted(path.name for path in stall.workspace.releases.iterdir() if path.is_dir())


def test_grown_and_adopting_releases_are_made_again_with_the_settings_of_its_time(
    grown: Grown, tmp_path: Path
) -> None:
    stall, before = Stall(grown.shop, grown.folder), digests(grown.folder)
    for version in ("1.1.0", "2.0.0"):  # one that grew, and one that adopts
        # In a process of its own, and by two workers where one made it.
        said = mep3m(
            "rebuild", version, "--output", tmp_path, "--workers", "2",
            "--config", stall.folder / "mep3m.toml",
        )  # fmt: skip
        assert said.status == 0, said.err
        assert compared(tmp_path / version) == compared(stall.workspace.releases / version)
    assert digests(grown.folder) == before


def test_deep_goes_back_to_the_first_release(grown: Grown) -> None:
    stall = Stall(grown.shop, grown.folder)
    said = stall.say("rebuild", "1.1.0", "--deep", "--json")
    assert said.status == 0, said.err
    assert [made["version"] for made in said.json["releases"]] == versions_of(stall)[:2]
    assert all(made["same"] for made in said.json["releases"])


def test_pictures_come_from_shards_once_their_bytes_were_dropped(stall: Stall) -> None:
    images = newest(stall).images
    dropped = sum(drop_bytes(images, name) for name in images.names())
    assert dropped
    said = stall.say("rebuild", "2.0.0")
    assert said.status == 0, said.err


def test_pictures_come_from_shards_where_image_parts_are_gone_or_damaged(stall: Stall) -> None:
    images = newest(stall).images
    first, *others = (images.path(name) for name in images.names())
    first.write_bytes(first.read_bytes()[:-100])
    for path in others:
        path.unlink()
    said = stall.say("rebuild", "2.0.0")
    assert said.status == 0, said.err


def test_an_image_part_of_which_nothing_is_known_is_named(stall: Stall) -> None:
    run = newest(stall)
    path = run.images.path(run.images.names()[0])
    path.unlink()
    for leftover in run.folder.glob("image-index.sqlite*"):
        leftover.unlink()
    said = stall.say("rebuild", "2.0.0")
    assert said.status == 2
    assert str(path) in said.err and said.err.count("\n") == 1


def test_a_damaged_capture_is_named(stall: Stall) -> None:
    for path in newest(stall).captures.glob("*.warc.gz"):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    said = stall.say("rebuild", "2.0.0")
    assert said.status == 2
    assert ".warc.gz" in said.err and said.err.count("\n") == 1


def test_a_changed_recorded_mapping_is_named(stall: Stall) -> None:
    for path in (stall.folder / "recipes" / "files").iterdir():
        path.write_text(path.read_text().replace("sub_class,3", "sub_class,5"))
    said = stall.say("rebuild", "1.0.0")
    assert said.status == 2
    assert "recipes" in said.err and said.err.count("\n") == 1


def test_a_release_that_was_altered_differs_by_file_row_and_column(stall: Stall) -> None:
    release = stall.workspace.releases / "1.0.0"
    (shard,) = sorted((release / "data").glob("train-*.parquet"))[:1]
    rows = pq.read_table(shard)
    place = rows.schema.get_field_index("title")
    titles = [*rows["title"].to_pylist()[:-1], "改过的标题"]
    pq.write_table(rows.set_column(place, "title", pa.array(titles)), shard)
    manifest = json.loads((release / "manifest.json").read_text())
    for entry in manifest["files"]:
        if entry["path"] == f"data/{shard.name}":
            entry["sha256"] = hashlib.sha256(shard.read_bytes()).hexdigest()
    (release / "manifest.json").write_text(json.dumps(manifest))
    said = stall.say("rebuild", "1.0.0", "--json")
    assert said.status == 40
    ((found,),) = [made["differences"] for made in said.json["releases"]]
    assert found["path"] == f"data/{shard.name}"
    assert f"row {len(rows) - 1}, column `title`" in found["what"]


def test_other_libraries_may_write_other_bytes_but_not_other_rows(stall: Stall) -> None:
    release = stall.workspace.releases / "1.0.0"
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["libraries"]["pyarrow"] = "1.2.3"
    for entry in manifest["files"]:
        if entry["path"].startswith("data/"):
            path = release / entry["path"]
            pq.write_table(pq.read_table(path), path)
            entry["sha256"] = sha256_file(path)
    (release / "manifest.json").write_text(json.dumps(manifest))
    said = stall.say("rebuild", "1.0.0")
    assert said.status == 0, said.err
    assert "row for row" in said.out


@pytest.mark.parametrize("deep", [False, True])
def test_what_grew_from_a_withdrawn_release_says_so(stall: Stall, deep: bool) -> None:
    release = stall.workspace.releases / "1.0.0"
    manifest = json.loads((release / "manifest.json").read_text())
    manifest["withdrawn"] = {"at": "2026-11-22", "reason": "asked for"}
    shutil.rmtree(release)
    release.mkdir()
    (release / "manifest.json").write_text(json.dumps(manifest))
    said = stall.say("rebuild", "1.1.0", *(["--deep"] if deep else []))
    assert said.status == 2
    assert "1.1.0 grew from 1.0.0" in said.err and "withdrawn on 2026-11-22" in said.err


def test_an_unknown_release_and_a_full_output_folder_are_refused(stall: Stall) -> None:
    said = stall.say("rebuild", "9.9.9")
    assert said.status == 2
    assert "1.0.0" in said.err
    (stall.folder / "out" / "1.0.0").mkdir(parents=True)
    said = stall.say("rebuild", "1.0.0", "--output", str(stall.folder / "out"))
    assert said.status == 2
    assert "--output" in said.err


OWN_PAGE = """
from crawler.sites.pages import ProductPage
from web_poet import field


class Signed(ProductPage):
    @field
    def title(self):
        return self.response.css("h1").xpath("string()").get() + " 专柜正品"
"""


@pytest.mark.soak
def test_a_list_of_products_and_a_shops_own_page_class_are_recorded(
    shop: Shop, tmp_path: Path
) -> None:
    stall = open_stall(shop, tmp_path / "workspace")
    config = stall.folder / "mep3m.toml"
    for folder in ("shops", "pages"):
        (tmp_path / folder).mkdir()
    site_file = (stall.folder / "own.toml").read_text()
    own = 'product_page = "../pages/signed.py:Signed"\n' + site_file
    (tmp_path / "shops" / "own.toml").write_text(own)
    (tmp_path / "pages" / "signed.py").write_text(OWN_PAGE)
    (tmp_path / "list.txt").write_text("/p/1.html\n/p/2.html\n/p/77.html\n")
    listed = 'program = "../shops/own.toml"\ndiscovery = ["products"]\nproducts = "../list.txt"'
    config.write_text(config.read_text().replace('program = "own.toml"', listed))
    stall.run()
    assert all(title.endswith("专柜正品") for title in stall.published().values())
    for folder in ("shops", "pages"):
        shutil.rmtree(tmp_path / folder)
    (tmp_path / "list.txt").unlink()
    said = stall.say("rebuild", "1.0.0")
    assert (said.status, said.err) == (0, "")
