"""A run that fails a gate publishes nothing, says why, and waits for a person or a better day."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance.audit import audit
from runtime.exits import Exit
from tests.crawler.shop import HTML, running_shop
from tests.integration.test_second_runs import Stall, open_stall, picture

BOUNDS = "[gates]\nmin_history = 1\nmin_count = 3\ngrowth = 1.0\n"
PRODUCTS = range(10, 18)


@pytest.fixture
def stall(tmp_path: Path) -> Iterator[Stall]:
    """A stall of eight products with one release, held against it."""
    with running_shop() as shop:
        stall = open_stall(shop, tmp_path)
        for number in PRODUCTS:
            stall.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
        stall.show(*PRODUCTS)
        config = stall.folder / "mep3m.toml"
        config.write_text(config.read_text() + BOUNDS)
        assert stall.run()["published"] == len(PRODUCTS)
        yield stall


def current(stall: Stall) -> str:
    return str(json.loads((stall.workspace.releases / "LATEST.json").read_text())["version"])


def record(stall: Stall) -> dict[str, Any]:
    return stall.workspace.runs()[-1].record


def last_run(stall: Stall) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((stall.folder / "last_run.json").read_text())
    return found


def test_a_collapse_publishes_nothing_until_it_is_over(stall: Stall) -> None:
    stall.sell(20, "青瓷花瓶手工釉下彩 20cm", picture(20))
    stall.show(10, 11, 20)
    said = stall.say("run")
    assert said.status == Exit.GATE_FAILED
    assert said.err.count("\n") == 1 or "gate listings.s" in said.err.splitlines()[-1]
    for told in (
        "gate listings.s: 3 listings",
        "expected at least 4",
        "last 1 runs: 8",
        "--accept",
    ):
        assert told in said.err
    assert current(stall) == "1.0.0"
    assert [path.name for path in stall.workspace.releases.iterdir() if path.is_dir()] == ["1.0.0"]
    assert (last_run(stall)["exit_status"], last_run(stall)["status"]) == (20, "gate_failed")
    found = record(stall)["gates"]["listings.s"]
    assert (found["state"], found["figure"], found["bound"], found["history"]) == (
        "failed", 3, 4.0, [8],
    )  # fmt: skip
    assert record(stall)["gates"]["pages.s"]["state"] == "failed"
    # A day later the shop is whole: a new run, which is not held against the failed one.
    stall.show(*PRODUCTS, 20)
    assert stall.say("run").status == 0
    assert record(stall)["gates"]["listings.s"]["history"] == [8]
    assert set(stall.published()) == {f"s:{number}" for number in (*PRODUCTS, 20)}
    stall.check()


def test_what_a_person_accepts_is_published_and_recorded(stall: Stall) -> None:
    stall.sell(20, "青瓷花瓶手工釉下彩 20cm", picture(20))
    stall.show(10, 11, 20)
    assert stall.say("run").status == Exit.GATE_FAILED
    asked = len(stall.shop.asked)
    assert stall.say("publish", "--accept", "listings").status == Exit.GATE_FAILED, "pages too"
    said = stall.say("publish", "--accept", "pages.s")
    assert said.status == 0, said.err
    assert len(stall.shop.asked) == asked, "no shop was asked again"
    run = record(stall)
    assert run["accepted"] == ["listings", "pages.s"]
    assert {run["gates"][gate]["state"] for gate in ("listings.s", "pages.s")} == {"accepted"}
    assert current(stall) == run["release"] == "1.1.0"
    assert "s:20" in stall.published()
    stall.check()
    # What was accepted is the history of the next one.
    assert stall.say("run").status == Exit.NOTHING_NEW
    assert record(stall)["gates"]["listings.s"]["history"] == [3, 8]


def test_a_redesign_that_empties_its_pages_trips_the_gate(stall: Stall) -> None:
    for number in PRODUCTS:
        stall.shop.page(f"/p/{number}.html", "<p>everything is elsewhere now</p>")
    stall.shop.page("/", "<div>welcome</div>")
    said = stall.say("run")
    assert said.status == Exit.GATE_FAILED, said.err
    assert "gate listings.s: 0 listings" in said.err
    assert current(stall) == "1.0.0"
    assert last_run(stall)["exit_status"] == 20
    stall.check()


def test_a_field_that_vanished_names_its_column(stall: Stall) -> None:
    for number in PRODUCTS:
        stall.shop.page(f"/p/{number}.html", f"<h1>竹编收纳篮家用加厚 {number}cm</h1>")
    said = stall.say("run")
    assert said.status == Exit.GATE_FAILED
    assert "gate fields.s.image: 0.0% of the listings have `image_url`" in said.err


def test_leaving_records_are_bounded(stall: Stall) -> None:
    for number in (10, 11):
        title = f"竹编收纳篮家用加厚 {number}cm"
        stall.sell(number, title, picture(number), X_Robots_Tag="noai")
    said = stall.say("run")
    assert said.status == Exit.GATE_FAILED
    assert "gate removals: 2 of the 8 published records would leave (25.0%)" in said.err
    # The shop's wish is no mistake: a person looks once, and lets it be.
    said = stall.say("run", "--accept", "removals", "--accept", "rejections")
    assert said.status == 0, said.err
    assert len(stall.published()) == 6
    assert audit(stall.workspace, "s:10") is not None


def test_a_shop_that_is_down_is_not_judged(stall: Stall) -> None:
    stall.shop.answers.clear()
    stall.shop.answers["/"] = (503, HTML, b"")
    assert stall.say("run").status == Exit.DEGRADED
    assert not [name for name in record(stall)["gates"] if name.endswith(".s")]


def test_gates_that_are_off_are_not_asked(stall: Stall) -> None:
    config = stall.folder / "mep3m.toml"
    config.write_text(config.read_text() + 'off = ["listings", "pages"]\n')
    stall.sell(20, "青瓷花瓶手工釉下彩 20cm", picture(20))
    stall.show(10, 11, 20)
    assert stall.say("run").status == 0
    assert "listings.s" not in record(stall)["gates"]


def test_a_name_that_no_gate_has_is_refused_before_anything(stall: Stall) -> None:
    asked = len(stall.shop.asked)
    said = stall.say("run", "--accept", "listing")
    assert said.status == Exit.USAGE
    assert "--accept listing: expected a gate (pages, listings," in said.err
    assert len(stall.shop.asked) == asked
