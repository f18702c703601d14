"""A shop program from PyPI, django-oscar, filled with its own goods and crawled while it runs."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import imagehash
import pandas
import pytest
from PIL import Image

from tests.integration.commands import REPOSITORY, mep3m
from tests.integration.oscar_shop.goods import GOODS, WITHHELD, draw

NEEDED = ("oscar", "sorl", "waitress", "whoosh")
pytestmark = pytest.mark.skipif(
    not all(importlib.util.find_spec(name) for name in NEEDED),
    reason="needs the extra `integration`: pip install -e '.[integration]'",
)

FORBIDDEN = ("/basket/", "/accounts/", "/search/", f"/catalogue/{WITHHELD}")
MAPPING = """path,level,id,by,when,note
*,sub_class,3,tests,2026-11-22,
"""
# The site file starts below a language prefix, as Oscar's sandbox has it; this shop has none.
CONFIG = """
workspace = "workspace"

[crawl]
delay = 0.0
concurrency_per_host = 4

[fetch]
delay = 0.0

[clean]
languages = ["en", "zh"]

[[site]]
key = "oscar"
program = "django-oscar"
base_url = "http://{host}"
start = ["/catalogue/"]
allow_private = ["{host}"]
mapping = "mapping.csv"
"""


@dataclass(frozen=True)
class LiveShop:
    """The running shop: its host, its folder, and what it sells."""

    host: str
    folder: Path
    process: subprocess.Popen[str]

    @property
    def sold(self) -> pandas.DataFrame:
        rows = json.loads((self.folder / "shop.json").read_text())
        return pandas.DataFrame(rows).set_index("id")

    @property
    def log(self) -> list[dict[str, Any]]:
        lines = (self.folder / "access.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines]


def python(module: str, folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-m", f"tests.integration.oscar_shop.{module}"],
        cwd=REPOSITORY, env={**os.environ, "SHOP_FOLDER": str(folder)},
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveShop]:
    """The shop on a free port, stopped when the module is done."""
    folder = tmp_path_factory.mktemp("oscar-shop")
    with python("fill", folder) as filling:
        filling.communicate(timeout=120)
    assert filling.returncode == 0
    with python("serve", folder) as process:
        try:
            assert process.stdout is not None
            port = process.stdout.readline().strip()
            assert port, "the shop did not start"
            yield LiveShop(f"127.0.0.1:{port}", folder, process)
        finally:
            process.kill()


@pytest.fixture(scope="module")
def folder(shop: LiveShop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a published release of the shop."""
    folder = tmp_path_factory.mktemp("oscar-live")
    (folder / "mapping.csv").write_text(MAPPING)
    (folder / "mep3m.toml").write_text(CONFIG.format(host=shop.host))
    said = mep3m("run", "--config", folder / "mep3m.toml", "--json")
    assert said.status == 0, said.err
    fates = said.json["fates"]
    assert said.json["sightings"] == sum(fates.values())
    return folder


@pytest.fixture(scope="module")
def listings(folder: Path) -> pandas.DataFrame:
    parts = sorted(folder.glob("workspace/runs/*/listings/*.parquet"))
    return pandas.concat(map(pandas.read_parquet, parts)).set_index("product_id")


@pytest.fixture(scope="module")
def published(folder: Path) -> pandas.DataFrame:
    release = folder / "workspace" / "releases" / "1.0.0"
    return pandas.read_parquet(release / "data").set_index("product_id")


def visited(sold: pandas.DataFrame) -> pandas.DataFrame:
    """What is on sale and has a page that robots may read."""
    return sold[sold["public"] & ~sold["path"].str.contains(WITHHELD)]


def test_every_product_on_sale_is_listed_once_with_its_title_and_category(
    shop: LiveShop, listings: pandas.DataFrame
) -> None:
    on_sale = shop.sold[shop.sold["public"]]
    assert len(on_sale) == sum(1 + len(goods.variants) for goods in GOODS if goods.public)
    assert sorted(listings.index) == sorted(on_sale.index)
    for product_id, goods in on_sale.iterrows():
        found = listings.loc[product_id]
        assert found["title"] == goods["title"]
        assert found["product_url"] == f"http://{shop.host}{goods['path']}"
    # A product page says its path; a variant's says none of its own: its parent has the category.
    for product_id, goods in visited(shop.sold).iterrows():
        paths = [list(path) for path in listings.loc[product_id]["category_paths"]]
        assert [part for part in paths[0] if part != "Home"] == list(goods["category"])


def test_pictures_are_those_of_their_products(shop: LiveShop, published: pandas.DataFrame) -> None:
    """Oscar serves them scaled down, so they are compared by what they show."""
    scenes = {
        goods.scene: imagehash.phash(draw(goods.scene, *goods.size)) for goods in GOODS
    }  # fmt: skip
    expected = visited(shop.sold)
    parents = expected[~expected["scene"].duplicated()]
    assert set(parents.index) <= set(published.index)
    for product_id, row in published.iterrows():
        with Image.open(io.BytesIO(row["image"]["bytes"])) as image:
            assert image.format == "JPEG"
            assert (image.width > 200) and (image.height > 200)  # not the tile's thumbnail
            taken = imagehash.phash(image)
        nearest = min(scenes, key=lambda scene: taken - scenes[scene])
        assert nearest == shop.sold.loc[product_id]["scene"]
        assert taken - scenes[nearest] <= 6


def test_robots_txt_is_asked_for_first_and_kept(shop: LiveShop, folder: Path) -> None:
    asked = shop.log
    assert asked[0]["path"] == "/robots.txt"
    assert not [row["path"] for row in asked if row["path"].startswith(FORBIDDEN)]
    assert not [row["path"] for row in asked if "/reviews/" in row["path"]]
    assert {row["agent"].partition("/")[0] for row in asked} == {"mep3m"}
    assert {row["status"] for row in asked} <= {200, 301, 302}
    pages = pandas.read_parquet(next(folder.glob("workspace/runs/*/pages/oscar.parquet")))
    assert "robots" in set(pages[pages["url"].str.contains(WITHHELD)]["outcome"])


def test_the_release_verifies_and_its_records_are_auditable(
    folder: Path, published: pandas.DataFrame
) -> None:
    config = folder / "mep3m.toml"
    said = mep3m("verify", "--config", config)
    assert said.status == 0, said.err
    told = mep3m("audit", published["record_id"].iloc[0], "--config", config)
    assert told.status == 0, told.err
    assert published["title"].iloc[0] in told.out
    left = chain(folder.rglob("*.open"), folder.rglob(".*.tmp"))
    assert list(left) == []


def test_the_shop_stops_cleanly(shop: LiveShop, folder: Path) -> None:
    """The last test of the module: the crawl left no connection that would hold it."""
    shop.process.send_signal(signal.SIGTERM)
    assert shop.process.wait(10) == 0
    with socket.socket() as probe, pytest.raises(ConnectionRefusedError):
        probe.connect(("127.0.0.1", int(shop.host.partition(":")[2])))
