"""A title model in a run: it labels what the paths leave open, flags contradictions, says so."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from taxonomy.title_model.labelled import labelled_titles
from taxonomy.title_model.model import save_model
from taxonomy.title_model.training import train
from taxonomy.tree import load_tree
from tests.crawler.shop import Shop, running_shop
from tests.integration.commands import DemoRun, mep3m
from tests.integration.test_second_runs import open_stall, picture
from tests.taxonomy.title_model.made_titles import make_shards


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tree = load_tree()
    records = labelled_titles(make_shards(folder, tree), tree.leaves(), tree)
    save_model(train(records, tree.leaves(), {}, lambda _: None), folder / "titles.npz", tree)
    return folder / "titles.npz"


def test_a_model_labels_what_paths_leave_open(shop: Shop, model: Path, tmp_path: Path) -> None:
    stall = open_stall(shop, tmp_path / "workspace")
    config = stall.folder / "mep3m.toml"
    text = config.read_text().replace('mapping = "mapping.csv"\n', "")
    config.write_text(f'{text}\n[map]\nmodel = "{model}"\n')
    titles = {1: "夏季新款简约连衣裙", 2: "家用咖啡机便携小号", 3: "不锈钢保温壶大容量 1.5L"}
    for number, title in titles.items():
        stall.sell(number, title, picture(number))
    crumbs = '<ul class="crumbs"><li>女装</li><li>连衣裙</li></ul>'
    head = f'<h1>{titles[2]}</h1><img class="main" src="/i/2.jpg">'
    stall.shop.page("/p/2.html", crumbs + head)
    assert stall.run() == {"published": 2, "held": 1, "merged": 3}
    rows = stall.rows()
    assert rows["label_rule"].to_dict() == {"s:1": "title_model_v1", "s:2": "path_name_v2"}
    assert rows["sub_class_id"].to_dict() == {"s:1": 178, "s:2": 178}
    assert '"title": "sub_class 178 连衣裙"' in stall.say("audit", "s:1").out
    (run,) = stall.workspace.runs()
    flagged = [
        row
        for part in run.decisions("map").names()
        for row in run.decisions("map").read(part).to_pylist()
        if row["verdict"] == "flagged"
    ]
    assert [(row["record_id"], row["rule"]) for row in flagged] == [
        ("s:2", "title_contradicts_path_v1")
    ]
    assert "连衣裙" in flagged[0]["reason"] and "咖啡机" in flagged[0]["reason"]
    waiting = stall.say("review", "--json").json["waiting"]
    assert waiting[0]["guesses"][0]["by"] == "title_model_v1"


def test_a_missing_model_is_told_in_a_line(shop: Shop, tmp_path: Path) -> None:
    stall = open_stall(shop, tmp_path / "workspace")
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + '\n[map]\nmodel = "absent.npz"\n')
    said = stall.say("run")
    assert said.status == 2
    assert "absent.npz: expected a file made by `mep3m taxonomy train`, got none" in said.err


def test_the_baseline_of_a_release_is_trained_and_measured(demo: DemoRun, tmp_path: Path) -> None:
    out = tmp_path / "titles.npz"
    said = mep3m("taxonomy", "train", "--config", demo.config, "--out", out, "--json")
    assert said.status == 0, said.err
    tests = sum(pq.read_metadata(p).num_rows for p in (demo.release / "data").glob("test-*"))
    assert said.json["records"] == tests > 0
    assert set(said.json["accuracy"]) == {"class", "sub_class", "leaf"}
    again = mep3m("taxonomy", "evaluate", out, "--config", demo.config, "--json")
    assert {**again.json, "exit_status": 0} == {**said.json, "exit_status": 0}
    assert out.with_suffix(".json").is_file()
    assert (demo.folder / "attachments" / "1.0.0" / "titles.json").is_file()
