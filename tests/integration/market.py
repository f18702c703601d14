"""A market of shops on loopback that change from day to day, and the workspace that crawls them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from click.testing import CliRunner

import pipeline
from runtime.workspace import Workspace
from tests.crawler.shop import HTML, SITE_FILE, Shop
from tests.integration.commands import Said
from tests.integration.test_second_runs import MAPPING, picture

CONFIG = """
workers = 2

[crawl]
delay = 0.0
max_attempts = 2
gone_after = 2

[fetch]
delay = 0.0
max_attempts = 1
"""
SITE = """
[[site]]
key = "{key}"
program = "{key}.toml"
base_url = "http://{host}"
allow_private = ["{host}"]
mapping = "mapping.csv"
every = {every}
"""
_MADE_OF = ("青瓷", "竹编", "不锈钢", "亚麻", "玻璃", "胡桃木", "纯棉", "铸铁", "羊毛", "搪瓷")
_THING = ("茶杯", "收纳篮", "保温壶", "桌布", "花瓶", "餐椅", "枕套", "炖锅", "披肩", "托盘")
_FOR = ("家用加厚", "北欧简约", "复古手工", "户外便携", "礼盒装")


@dataclass
class MarketShop:
    """A shop that shows what `goods` holds, as long as it is up and looks as it used to."""

    key: str
    shop: Shop
    seed: int
    every: float = 1.0
    goods: dict[int, str] = field(default_factory=dict)
    prices: dict[int, int] = field(default_factory=dict)
    wishes: set[int] = field(default_factory=set)
    """Products whose pages ask not to be used for training."""
    down: bool = False
    redesigned: bool = False

    def stock(self, count: int) -> set[str]:
        """Take in products that were never shown; their record ids."""
        first = max(self.prices, default=0) + 1
        for number in range(first, first + count):
            chance = random.Random(self.seed * 1000 + number)
            title = "".join(map(chance.choice, (_MADE_OF, _THING, _FOR)))
            self.goods[number] = f"{title} {number}号"
            self.prices[number] = chance.randrange(20, 900)
        return {f"{self.key}:{number}" for number in range(first, first + count)}

    def open(self) -> None:
        """Serve today's pages."""
        answers = self.shop.answers
        answers.clear()
        if self.down:
            answers["/"] = (503, HTML, b"")
            return
        card = 'div class="card"' if self.redesigned else 'li class="t"'
        self.shop.page("/", "".join(f'<{card}><a href="/p/{n}.html">x</a>' for n in self.goods))
        heading, image = ("h2", "photo") if self.redesigned else ("h1", "main")
        for number, title in self.goods.items():
            asks = {"X_Robots_Tag": "noai"} if number in self.wishes else {}
            shown = f'<{heading}>{title}</{heading}><img class="{image}" src="/i/{number}.jpg">'
            self.shop.page(f"/p/{number}.html", f"{shown}<b>¥{self.prices[number]}</b>", **asks)
            jpeg = picture(self.seed * 1000 + number)
            answers[f"/i/{number}.jpg"] = (200, {"Content-Type": "image/jpeg"}, jpeg)

    def asked(self) -> list[str]:
        """What it was asked since the last time, and forget it."""
        paths = self.shop.paths()
        self.shop.asked.clear()
        return paths


@dataclass
class Market:
    """Shops, and the folder that crawls them."""

    shops: dict[str, MarketShop]
    folder: Path

    def configure(self) -> None:
        """Write the configuration and a site file for each shop."""
        for shop in self:
            (self.folder / f"{shop.key}.toml").write_text(SITE_FILE)
        (self.folder / "mapping.csv").write_text(MAPPING)
        sites = (SITE.format(key=s.key, host=s.shop.host, every=s.every) for s in self)
        (self.folder / "mep3m.toml").write_text(CONFIG + "".join(sites))

    def __iter__(self) -> Iterator[MarketShop]:
        return iter(self.shops.values())

    def say(self, command: str, *options: str) -> Said:
        """A command in this process, which has everything imported; its workers have their own."""
        arguments = [*command.split(), "--config", str(self.folder / "mep3m.toml"), *options]
        said = CliRunner().invoke(pipeline.main, arguments)
        return Said(said.exit_code, said.stdout, said.stderr)

    def follow_redesign(self, key: str) -> None:
        """What a person does to a site file whose selectors find nothing any more."""
        text = SITE_FILE.replace('".t', '".card').replace('"h1"', '"h2"')
        (self.folder / f"{key}.toml").write_text(text.replace("img.main", "img.photo"))

    @property
    def workspace(self) -> Workspace:
        return Workspace(self.folder)
