"""An old dataset and new crawls in one workspace: what the old one shows is not taken in again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crawler.shop import Shop, running_shop
from tests.integration.test_review import ODD, answered, sell
from tests.integration.test_second_runs import open_stall, picture


@pytest.fixture
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def old_row(number: int, title: str, folder: Path, image: bytes) -> dict[str, object]:
    """A row of an old copy, its picture laid beside it."""
    path = f"Images/401/{number}.jpg"
    (folder / path).parent.mkdir(parents=True, exist_ok=True)
    (folder / path).write_bytes(image)
    return {
        "class_id": "4", "class_name": "家居/家具/家装/家纺/厨具", "sub_class_id": "401",
        "sub_class_name": "生活日用", "subsub_class_id": "FALSE", "subsub_class_name": "FALSE",
        "img_path": path, "img_resolution": [96, 96, 3], "title": title, "OCR": "",
    }  # fmt: skip


def test_crawls_are_deduplicated_against_an_imported_copy(shop: Shop, tmp_path: Path) -> None:
    stall = open_stall(shop, tmp_path / "workspace")
    stall.sell(1, "青瓷茶杯手工釉下彩 200ml", picture(1))
    stall.sell(2, "不锈钢保温壶大容量 1.5L", picture(2))
    stall.sell(3, "竹编收纳篮家用加厚", picture(3))
    stall.show(1, 2, 3)
    copy = tmp_path / "copy"
    rows = [
        old_row(1, "青瓷茶杯手工釉下彩 200ml", copy, picture(1)),
        old_row(2, "不锈钢保温壶大容量 1.5L", copy, picture(2, quality=80)),
        old_row(3, "不锈钢保温壶大容量 1.5L 两只", copy, picture(2, quality=80)),
    ]
    (copy / "annotations.json").write_text(json.dumps(rows, ensure_ascii=False, indent=0))
    taken = stall.say("import mep3m", str(copy), "--json")
    assert taken.status == 0, taken.err
    assert taken.json["fates"] == {"published": 3}
    stall.check()
    shutil.rmtree(copy)
    fates = stall.run()
    assert (fates["duplicate"], fates["published"]) == (2, 1)
    rows_now = stall.rows()
    assert set(rows_now.index) == {"mep3m:401/1", "mep3m:401/2", "mep3m:401/3", "s:3"}
    assert dict(rows_now["provenance"])["s:3"] == "crawled"
    story = stall.say("audit", "s:2").out
    assert "duplicate by" in story and "of mep3m:401/2" in story
    flagged = stall.say("audit", "mep3m:401/3").out
    assert "dedupe: flagged by same_bytes_v1" in flagged


def test_answers_to_a_crawl_are_taken_in_after_an_import(shop: Shop, tmp_path: Path) -> None:
    stall = open_stall(shop, tmp_path / "workspace")
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text().replace('mapping = "mapping.csv"\n', ""))
    for number in (10, 11):
        sell(stall, number, ODD[number], number, "手作杂货", "草编篮")
    stall.show(10, 11)
    assert stall.say("run").status == 10
    copy = tmp_path / "copy"
    rows = [old_row(8, ODD[11], copy, picture(11))]
    (copy / "annotations.json").write_text(json.dumps(rows, ensure_ascii=False))
    assert stall.say("import mep3m", str(copy)).status == 0
    sheet = answered(stall, 草编篮="401")
    assert stall.say("review", "--apply", str(sheet)).status == 0
    shop.asked.clear()
    said = stall.say("run", "--json")
    assert said.status == 0, said.err
    stall.check()
    assert shop.paths() == []
    assert set(stall.rows().index) == {"mep3m:401/8", "s:10"}
    assert "of mep3m:401/8" in stall.say("audit", "s:11").out
