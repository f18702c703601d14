"""Held records, an answer, and the next run: published without being asked for again."""

from __future__ import annotations

import csv
import os
import pty
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path

import pytest

from tests.crawler.shop import Shop, running_shop
from tests.integration.commands import REPOSITORY
from tests.integration.test_second_runs import Stall, open_stall, picture

ODD = {10: "竹编收纳篮家用加厚", 11: "藤编果篮客厅摆放", 12: "手编麦秆杯垫六片"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def sell(stall: Stall, number: int, title: str, image: int, *crumbs: str) -> None:
    """A product whose page says its categories."""
    stall.sell(number, title, picture(image, quality=92 - number))
    steps = "".join(f"<li>{name}</li>" for name in ("首页", *crumbs))
    head = f'<h1>{title}</h1><img class="main" src="/i/{number}.jpg">'
    stall.shop.page(f"/p/{number}.html", f'<ul class="crumbs">{steps}</ul>{head}')


@pytest.fixture(scope="module")
def crawled(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run: two products are published, three wait, two of them under one path."""
    stall = open_stall(shop, tmp_path_factory.mktemp("review") / "workspace")
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text().replace('mapping = "mapping.csv"\n', ""))
    for number, title in ODD.items():
        sell(stall, number, title, number, "手作杂货", "草编篮" if number < 12 else "草编垫")
    sell(stall, 1, "青瓷茶杯手工釉下彩 200ml", 1, "厨具", "茶杯")
    sell(stall, 2, "不锈钢保温壶大容量 1.5L", 2, "厨具", "保温壶")
    sell(stall, 3, "不锈钢保温壶大容量 1.5L 包邮", 2, "厨具", "保温壶")
    stall.show(1, 2, 3, *ODD)
    assert stall.run()["held"] == 3
    return stall.folder


@pytest.fixture
def stall(shop: Shop, crawled: Path, tmp_path: Path) -> Stall:
    shutil.copytree(crawled, tmp_path / "workspace")
    shop.asked.clear()
    return Stall(shop, tmp_path / "workspace")


def answered(stall: Stall, **answers: str) -> Path:
    """The exported list with answers filled in, by the last step of the path."""
    sheet = stall.folder / "waiting.csv"
    assert stall.say("review", "--export", str(sheet)).status == 0
    with sheet.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        row["answer"] = answers.get(row["path"].rpartition(" > ")[2], "")
    with sheet.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return sheet


def test_the_list_shows_the_most_records_first_with_examples(stall: Stall) -> None:
    said = stall.say("review", "--json")
    assert said.status == 0
    waiting = said.json["waiting"]
    assert [(entry["path"], entry["records"]) for entry in waiting] == [
        ("手作杂货 > 草编篮", 2),
        ("手作杂货 > 草编垫", 1),
    ]
    assert waiting[0]["examples"] == [ODD[10], ODD[11]]
    assert said.json["records"] == 3
    assert "手作杂货 > 草编篮" in stall.say("review").out


def test_answered_records_are_published_and_say_who_answered(stall: Stall) -> None:
    sheet = answered(stall, 草编篮="sub_class 401 生活日用", 草编垫="none")
    said = stall.say("review", "--apply", str(sheet), "--by", "librarian")
    assert said.status == 0, said.err
    assert stall.say("review", "--json").json["waiting"] == []
    for stage in ("map", "dedupe", "publish"):
        assert stall.say(stage).status == 0
    stall.check()
    assert stall.shop.paths() == []
    release = stall.workspace.latest_release()
    assert release is not None and release.name == "1.1.0"
    rows = stall.rows()
    assert set(rows.index) == {"s:1", "s:2", "s:10", "s:11"}
    assert rows.loc["s:10", "sub_class_id"] == 401
    assert rows.loc["s:10", "label_rule"] == "curated_path_v1"
    story = stall.say("audit", "s:10").out
    assert "手作杂货 > 草编篮 (s.csv row 2, by librarian, " in story
    assert "mapping_no_counterpart_v1" in stall.say("audit", "s:12").out


def test_the_next_run_takes_them_in_and_asks_no_shop(stall: Stall) -> None:
    sheet = answered(stall, 草编篮="401", 草编垫="401")
    assert stall.say("review", "--apply", str(sheet)).status == 0
    said = stall.say("run", "--json")
    assert said.status == 0, said.err
    stall.check()
    assert said.json["answered"] and said.json["release"] == "1.1.0"
    assert not said.json["fates"].get("held")
    assert {"s:10", "s:11", "s:12"} <= set(stall.rows().index)
    assert stall.shop.paths() == []
    assert len(stall.workspace.runs()) == 1
    assert stall.say("run").status == 10
    assert stall.shop.paths() != [], "the run after it crawls"


def test_answers_that_publish_nothing_stand_in_no_crawls_way(stall: Stall) -> None:
    sheet = answered(stall, 草编篮="none")
    assert stall.say("review", "--apply", str(sheet)).status == 0
    said = stall.say("run", "--refresh-after", "30", "--json")
    assert said.status == 10, said.err
    asked = set(stall.shop.paths())
    assert asked, "it crawled"
    assert not {path for path in asked if path.startswith(("/p/", "/i/"))}, asked


def test_answers_typed_in_a_terminal_are_kept_at_once(stall: Stall) -> None:
    shown = typed(stall, "146", "生活日用", "1", "w", "n", "q")
    assert "手作杂货 > 草编篮" in shown and ODD[10] in shown
    lines = (stall.folder / "mappings" / "s.csv").read_text("utf-8").splitlines()
    today = date.today().isoformat()
    assert lines[1:] == [
        f"手作杂货 > 草编篮,sub_class,401,librarian,{today},",
        f"手作杂货 > *,none,,librarian,{today},",
    ]
    said = stall.say("review")
    assert "no category waits" in said.out
    assert "answered: 2; take the records in" in said.out
    assert "without a counterpart in the tree: 1" in said.out


def typed(stall: Stall, *lines: str) -> str:
    """What `mep3m review` shows in a terminal where these lines are typed."""
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + '\n[map]\nreviewer = "librarian"\n')
    main, side = pty.openpty()
    command = [sys.executable, str(REPOSITORY / "pipeline.py"), "review", "--config", str(config)]
    process = subprocess.Popen(command, stdin=side, stdout=side, stderr=side)
    os.close(side)
    os.write(main, "".join(f"{line}\n" for line in lines).encode())
    shown = b""
    with suppress(OSError):  # raised once the other side is closed: that is how a terminal ends
        while chunk := os.read(main, 65_536):
            shown += chunk
    os.close(main)
    assert process.wait(timeout=60) == 0, shown.decode()
    return shown.decode()


def test_a_sheet_with_a_fault_changes_nothing_and_names_the_row(stall: Stall) -> None:
    for wrong in ("sub_class 9999", "class 4", "没有的类目"):
        sheet = answered(stall, 草编篮="none", 草编垫=wrong)
        said = stall.say("review", "--apply", str(sheet))
        assert said.status == 2
        assert "waiting.csv, row 3: expected" in said.err, said.err
    sheet = answered(stall, 草编篮="none", 草编垫="none")
    sheet.write_text(sheet.read_text("utf-8-sig").replace("> 草编垫", "> 草编点"), "utf-8")
    said = stall.say("review", "--apply", str(sheet))
    assert said.status == 2
    assert "waiting.csv, row 3: expected the path of a record of site s" in said.err
    assert not (stall.folder / "mappings").exists()


def test_answers_given_twice_are_kept_once_and_other_ones_refused(stall: Stall) -> None:
    sheet = answered(stall, 草编篮="401")
    assert stall.say("review", "--apply", str(sheet), "--json").json["written"] == 1
    file = stall.folder / "mappings" / "s.csv"
    before = file.read_bytes()
    assert stall.say("review", "--apply", str(sheet), "--json").json["written"] == 0
    sheet.write_text(sheet.read_text("utf-8-sig").replace(",401,", ",none,"), "utf-8")
    said = stall.say("review", "--apply", str(sheet))
    assert said.status == 2
    assert "s.csv, row 2" in said.err
    assert file.read_bytes() == before


def test_coverage_counts_sites_levels_and_small_leaves(stall: Stall) -> None:
    values = stall.say("review", "--coverage", "--json").json
    assert values["sites"]["s"]["held"] == 3
    assert values["levels"]["sub_class"][1] == 599
    assert values["levels"]["class"] == [1, 14]
    assert {"leaf": "sub_class 146 茶杯", "records": 1} in values["few"]
    told = stall.say("review", "--coverage").out
    assert re.search(r"^s +6 +3 +3 +0.500$", told, re.M)
    assert re.search(r"^s: no_category_match_v1 +3$", told, re.M)
    assert re.search(r"^ +1  sub_class 146 茶杯$", told, re.M)


def test_coverage_counts_what_may_join_the_release_beside_it_and_nothing_twice(
    stall: Stall,
) -> None:
    assert stall.say("review", "--coverage", "--json").json["source"] == "release 1.0.0"
    sheet = answered(stall, 草编篮="401")
    assert stall.say("review", "--apply", str(sheet)).status == 0
    assert stall.say("map").status == 0
    values = stall.say("review", "--coverage", "--json").json
    assert values["source"].startswith("release 1.0.0 and the mapped records of run ")
    few = {entry["leaf"]: entry["records"] for entry in values["few"]}
    assert few["sub_class 146 茶杯"] == 1
    assert few["sub_class 401 生活日用"] == 2
