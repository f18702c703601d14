"""Fourteen days of cron over four shops that change, one of which is down and one redesigned."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas
import pytest

from provenance.audit import audit
from provenance.story_text import story_text
from provenance.verify import verify
from runtime.exits import Exit
from tests.crawler.shop import running_shop
from tests.integration.commands import Said
from tests.integration.market import Market, MarketShop

FIRST_DAY = datetime(2027, 3, 1, 3, 0, tzinfo=UTC)
DAYS = 14
DOWN = (5, 6)
REDESIGNED = (9, 10)
OPTED_OUT = 8
SLOW_SHOP_EVERY = 3
# The crawl of day 10 was kept back with everything else of that run, so day 11 makes up for it.
SLOW_SHOP_DAYS = (1, 4, 7, 10, 11, 14)


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    with ExitStack() as stack:
        shops = {
            key: MarketShop(key, stack.enter_context(running_shop()), seed, every)
            for seed, (key, every) in enumerate(
                {"alpha": 1, "bravo": 1, "carol": 1, "delta": SLOW_SHOP_EVERY}.items(), start=1
            )
        }
        market = Market(shops, tmp_path)
        market.configure()
        yield market


@dataclass
class Day:
    """What a day's run said, and what each shop was asked by it."""

    number: int
    said: Said
    asked: dict[str, list[str]]
    record: dict[str, object]


def live(market: Market, number: int) -> Day:
    """Open the shops as they are on a day, and let cron call."""
    for shop in market:
        shop.open()
    at = FIRST_DAY + timedelta(days=number - 1, seconds=number % 3)
    said = market.say("run --json", "--now", at.isoformat())
    record = market.workspace.runs()[-1].record
    return Day(number, said, {shop.key: shop.asked() for shop in market}, record)


def version(market: Market) -> str | None:
    release = market.workspace.latest_release()
    return release.name if release else None


def rows(market: Market) -> pandas.DataFrame:
    release = market.workspace.latest_release()
    assert release is not None
    return pandas.read_parquet(release / "data").set_index("record_id").sort_index()


@pytest.mark.soak
def test_two_weeks(market: Market) -> None:
    """Every day is predicted from what the shops did, and held against what the run did."""
    alpha, bravo, carol, _ = market.shops.values()
    waiting = {shop.key: shop.stock(26) for shop in market}
    published: set[str] = set()
    pictures: Counter[tuple[str, str]] = Counter()
    retitled: dict[str, str] = {}
    for number in range(1, DAYS + 1):
        if number > 1:
            change(market, number, waiting, retitled)
        bravo.down = number in DOWN
        if number == REDESIGNED[0]:
            carol.redesigned = True
        if number == REDESIGNED[-1] + 1:
            market.follow_redesign("carol")
        before, earlier = version(market), rows(market) if published else None
        day = live(market, number)
        for key, paths in day.asked.items():
            pictures.update((key, path) for path in paths if path.startswith("/i/"))

        # What is due is done, and nothing else.
        assert bool(day.asked["delta"]) == (number in SLOW_SHOP_DAYS), (number, day.asked["delta"])
        for shop in (alpha, bravo, carol):
            assert day.asked[shop.key], (number, shop.key)

        if number in REDESIGNED:
            assert day.said.status == Exit.GATE_FAILED, day.said.err
            assert "gate listings.carol: 0 listings" in day.said.err
            assert version(market) == before
            told = json.loads((market.folder / "last_run.json").read_text())
            assert (told["exit_status"], told["status"]) == (20, "gate_failed")
            continue

        crawled = {key for key, paths in day.asked.items() if paths} - ({"bravo"} & down(number))
        added = set().union(*(waiting.pop(key, set()) for key in crawled))
        removed = {f"alpha:{n}" for n in alpha.wishes} & published
        assert day.said.status == (Exit.DEGRADED if number in DOWN else Exit.DONE), day.said.err
        assert set(day.record["failed_sites"]) == down(number)
        published = (published | added) - removed

        # The release grew by what is new, and what was published is as it was.
        now = rows(market)
        assert set(now.index) == published, number
        if earlier is None:
            continue
        kept = earlier.index.intersection(now.index)
        pandas.testing.assert_frame_equal(now.loc[kept], earlier.loc[kept])
        explain(market, before, added, removed)

    assert max(pictures.values()) == 1, "a picture that did not change was fetched again"
    assert {f"{key}:{path[3:-4]}" for key, path in pictures} >= published
    release = market.workspace.latest_release()
    assert release is not None
    assert verify(release, market.workspace, quiet=True) == []
    for record_id, title in retitled.items():
        told = story_text(audit(market.workspace, record_id))
        assert f"title_changed_v1 (its title was published as {title})" in told
    assert audit(market.workspace, "alpha:1").gone
    assert "alpha:1" in published, "what a shop sells no more stays published"


def down(number: int) -> set[str]:
    return {"bravo"} if number in DOWN else set()


def change(
    market: Market, number: int, waiting: dict[str, set[str]], retitled: dict[str, str]
) -> None:
    """What the shops do in a night: new, gone, retitled and repriced products, and an opt-out."""
    for shop in market:
        new = shop.stock(2 if shop.key == "alpha" else 1)
        waiting.setdefault(shop.key, set()).update(new)
    alpha = market.shops["alpha"]
    del alpha.goods[number - 1]  # of those that were published on the first day
    retitled[f"alpha:{number + 12}"] = alpha.goods[number + 12]
    alpha.goods[number + 12] = f"春季新品 {alpha.goods[number + 12]}"
    for shop in market:
        for product in list(shop.goods)[:5]:
            shop.prices[product] += 1
    if number == OPTED_OUT:
        alpha.wishes.add(27)


def explain(market: Market, before: str | None, added: set[str], removed: set[str]) -> None:
    """`diff` names every record that came and went, with the rule that made it."""
    now = version(market)
    assert before is not None and now is not None and now != before
    said = market.say(f"diff {before} {now} --json").json
    assert {entry["record_id"] for entry in said["added"]} == added
    assert {entry["record_id"] for entry in said["removed"]} == removed
    assert said["counts"] == {"added": len(added), "removed": len(removed), "changed": 0}
    rules = {(rule["kind"], rule["rule"]): rule["count"] for rule in said["rules"]}
    expected = {("added", "published_v1"): len(added), ("removed", "opted_out_v1"): len(removed)}
    assert rules == {rule: count for rule, count in expected.items() if count}
