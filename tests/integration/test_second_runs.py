"""Later runs: published records stay as they are, newcomers join, opt-outs leave.

The first run is made once; tests that go on from there get a copy of its workspace.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pandas
import pytest
from click.testing import CliRunner

import pipeline
from demo.scenes import render
from provenance.audit import audit
from provenance.story_text import story_text
from provenance.verify import verify
from runtime.workspace import Workspace
from tests.crawler.shop import SITE_FILE, Shop, running_shop
from tests.integration.commands import Said

MAPPING = "path,level,id,by,when,note\n*,sub_class,3,tests,2026-11-22,\n"
CONFIG = """
workers = 1

[crawl]
delay = 0.0
max_attempts = 2
gone_after = 1

[fetch]
delay = 0.0
max_attempts = 1

[[site]]
key = "s"
program = "own.toml"
base_url = "http://{host}"
allow_private = ["{host}"]
mapping = "mapping.csv"
"""


@cache
def picture(seed: int, quality: int = 92) -> bytes:
    buffer = io.BytesIO()
    render(seed, 200, 200).save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


@dataclass
class Stall:
    """A shop and the folder that crawls it."""

    shop: Shop
    folder: Path

    def sell(self, number: int, title: str, image: bytes, **headers: str) -> None:
        """Put a product on its page; `show` puts it on the grid."""
        link = f'<h1>{title}</h1><img class="main" src="/i/{number}.jpg">'
        self.shop.page(f"/p/{number}.html", link, **headers)
        self.shop.answers[f"/i/{number}.jpg"] = (200, {"Content-Type": "image/jpeg"}, image)

    def show(self, *numbers: int) -> None:
        tiles = "".join(f'<li class="t"><a href="/p/{n}.html">x</a></li>' for n in numbers)
        self.shop.page("/", tiles)

    def say(self, command: str, *options: str) -> Said:
        """A command in this process, which has everything imported; its workers have their own."""
        arguments = [*command.split(), "--config", str(self.folder / "mep3m.toml"), *options]
        said = CliRunner().invoke(pipeline.main, arguments)
        return Said(said.exit_code, said.stdout, said.stderr)

    def run(self) -> dict[str, int]:
        said = self.say("run", "--json")
        assert said.status == 0, said.err
        self.check()
        fates: dict[str, int] = said.json["fates"]
        assert sum(fates.values()) == said.json["sightings"]
        return fates

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder)

    def check(self) -> None:
        """The current release is sound."""
        release = self.workspace.latest_release()
        assert release is not None
        assert verify(release, self.workspace, quiet=True) == []

    def rows(self) -> pandas.DataFrame:
        release = self.workspace.latest_release()
        assert release is not None
        return pandas.read_parquet(release / "data").set_index("record_id").sort_index()

    def published(self) -> dict[str, str]:
        titles: dict[str, str] = self.rows()["title"].to_dict()
        return titles


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def open_stall(shop: Shop, folder: Path) -> Stall:
    """The stall as it is on the first day."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "own.toml").write_text(SITE_FILE)
    (folder / "mapping.csv").write_text(MAPPING)
    (folder / "mep3m.toml").write_text(CONFIG.format(host=shop.host))
    shop.answers.clear()
    stall = Stall(shop, folder)
    stall.sell(1, "青瓷茶杯手工釉下彩 200ml", picture(1))
    stall.sell(2, "不锈钢保温壶大容量 1.5L", picture(2))
    stall.sell(3, "不锈钢保温壶大容量 1.5L 包邮", picture(2, quality=60))
    stall.show(1, 2, 3)
    return stall


@pytest.fixture(scope="module")
def first_run(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace whose first run published s:1 and s:2; s:3 is a duplicate."""
    stall = open_stall(shop, tmp_path_factory.mktemp("first") / "workspace")
    fates = stall.run()
    assert (fates["published"], fates["duplicate"]) == (2, 1)
    return stall.folder


@pytest.fixture
def stall(shop: Shop, tmp_path: Path) -> Stall:
    """A stall that nobody crawled yet."""
    return open_stall(shop, tmp_path)


@pytest.fixture
def crawled(shop: Shop, first_run: Path, tmp_path: Path) -> Stall:
    """A stall with its first run behind it."""
    shutil.copytree(first_run, tmp_path / "workspace")
    return open_stall(shop, tmp_path / "workspace")


def test_records_join_stay_and_leave(crawled: Stall) -> None:
    stall = crawled
    first, before = stall.published(), stall.rows()
    assert set(first) == {"s:1", "s:2"}
    # Another title, a copy of a published record, a newcomer, and an opt-out with a copy of it.
    stall.sell(1, "新标题青瓷茶杯", picture(1))
    stall.sell(2, "不锈钢保温壶大容量 1.5L", picture(2), X_Robots_Tag="noai")
    stall.sell(4, "青瓷茶杯手工釉下彩 200ml 特惠", picture(1, quality=70))
    stall.sell(5, "竹编收纳篮家用加厚 38cm", picture(5))
    stall.show(1, 2, 3, 4, 5)
    fates = stall.run()
    # The duplicate of the record that opted out takes its place; nothing points to what is gone.
    assert stall.published() == {
        "s:1": first["s:1"],
        "s:3": "不锈钢保温壶大容量 1.5L 包邮",
        "s:5": "竹编收纳篮家用加厚 38cm",
    }
    assert (fates["published"], fates["duplicate"], fates["removed"]) == (3, 1, 1)
    told = stall.say("audit", "s:4")
    assert "duplicate" in told.out
    assert "s:1" in told.out
    # The duplicate was seen in the first run already, and what was published then is as it was.
    after = stall.rows()
    pandas.testing.assert_series_equal(after.loc["s:1"], before.loc["s:1"])
    assert after.loc["s:3", "first_seen"] < before["fetched_at"].max()
    assert after.loc["s:3", "fetched_at"] > before["fetched_at"].max()
    story = story_text(audit(stall.workspace, "s:1"))
    assert "title_changed_v1 (its title was published as 青瓷茶杯手工釉下彩 200ml)" in story
    # Nothing new on the third day, and one product is gone from the shop but not from the release.
    stall.show(1, 2, 3, 4)
    said = stall.say("run", "--json")
    assert said.status == 10
    assert said.json["stages"]["merge"] | {"absent": 1, "gone": 1} == said.json["stages"]["merge"]
    assert set(stall.published()) == {"s:1", "s:3", "s:5"}
    assert audit(stall.workspace, "s:5").gone
    assert not audit(stall.workspace, "s:2").gone  # it left by its own wish, and is still there


def test_stages_repeated_on_a_finished_run_agree_on_what_is_published(crawled: Stall) -> None:
    stall = crawled
    config = stall.folder / "mep3m.toml"
    # Stricter titles would drop s:2; its duplicate must not be published beside it.
    config.write_text(config.read_text() + "\n[clean]\nmin_title_chars = 17\n")
    for stage in ("clean", "map", "dedupe"):
        assert stall.say(stage).status == 0
    assert set(stall.published()) == {"s:1", "s:2"}
    (run,) = (stall.folder / "runs").iterdir()
    assert json.loads((run / "run.json").read_text())["status"] == "published"


def test_stages_out_of_order_are_refused_and_lose_nothing(stall: Stall) -> None:
    assert stall.say("crawl").status == 0
    for stage, missing in (("publish", "merge"), ("clean", "merge"), ("fetch", "merge")):
        said = stall.say(stage)
        assert said.status == 2
        assert f"mep3m {missing}" in said.err
    asked = len(stall.shop.asked)
    assert stall.run()["published"] == 2
    assert not [path for path in stall.shop.paths()[asked:] if path.startswith("/p/")]


def test_a_run_that_published_before_it_could_say_so_is_done(crawled: Stall) -> None:
    stall = crawled
    (run,) = (stall.folder / "runs").iterdir()
    record = json.loads((run / "run.json").read_text())
    del record["release"]
    (run / "run.json").write_text(json.dumps({**record, "status": "running"}))
    asked = len(stall.shop.asked)
    said = stall.say("run", "--json")
    assert (said.status, said.json["release"]) == (0, "1.0.0")
    assert len(stall.shop.asked) == asked


def test_a_site_taken_out_of_an_unfinished_run_is_named(stall: Stall) -> None:
    assert stall.say("crawl").status == 0
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text().replace('key = "s"', 'key = "other"'))
    said = stall.say("run")
    assert said.status == 2
    assert "[[site]] s:" in said.err


def test_a_site_file_that_finds_no_product_fails_the_site(stall: Stall) -> None:
    text = SITE_FILE.replace('tile = ".t"', 'tile = ".gone"').replace('".t a"', '".gone a"')
    (stall.folder / "own.toml").write_text(text)
    said = stall.say("run")
    assert said.status == 30
    assert "own.toml" in said.err


def test_long_host_names_and_a_users_own_files_do_no_harm(stall: Stall) -> None:
    mine = stall.folder / "mine"
    mine.mkdir()
    (mine / ".notes.tmp").write_text("mine")
    (mine / ".notes.7.tmp").write_text("mine")
    host = ".".join(["a" * 60] * 4) + ".invalid"
    stall.shop.page("/p/9.html", f'<h1>玻璃花瓶北欧风</h1><img class="main" src="http://{host}/x">')
    stall.show(1, 9)
    assert stall.run()["rejected"] == 1
    assert len(list(mine.iterdir())) == 2


def test_changed_terms_of_a_site_make_a_patch_release(crawled: Stall) -> None:
    stall, config = crawled, crawled.folder / "mep3m.toml"
    config.write_text(config.read_text() + 'terms_url = "http://s.example/terms"\n')
    assert stall.say("publish").status == 0
    stall.check()
    release = stall.workspace.latest_release()
    assert release is not None and release.name == "1.0.1"
    stated = json.loads((release / "manifest.json").read_text())["sites"]["s"]
    assert stated["terms_url"] == "http://s.example/terms"
    for shard in (stall.workspace.releases / "1.0.0" / "data").iterdir():
        assert shard.samefile(release / "data" / shard.name)
