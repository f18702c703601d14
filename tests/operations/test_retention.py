"""`mep3m gc`: what goes goes for good, and nobody who needs something misses it.

Five days of a shop are lived once; each test lets go of a copy, with its hard links.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from provenance.verify import examine
from runtime.exits import Exit
from runtime.pruned import pruned_of
from taxonomy.tree import load_tree
from tests.crawler.shop import Shop, running_shop
from tests.integration.test_second_runs import Stall, open_stall, picture

ALL = "keep_runs = 1\nkeep_captures_days = 0.0\nkeep_pictures_days = 0.0\nkeep_releases = 1\n"
LATE = "2026-12-20T03:00:00Z"
TITLES = {4: "陶瓷花瓶摆件客厅装饰", 5: "实木书架落地多层收纳", 6: "纯棉毛巾洗脸家用吸水"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def day(stall: Stall, number: int) -> dict[str, Any]:
    said = stall.say("run", "--json", "--now", f"2026-11-{number:02d}T03:00:00Z")
    assert said.status in (Exit.DONE, Exit.NOTHING_NEW), said.err
    values: dict[str, Any] = said.json
    return values


def sell_until(stall: Stall, last: int) -> None:
    for number in range(4, last + 1):
        stall.sell(number, TITLES[number], picture(number))
    stall.show(*range(1, last + 1))


@pytest.fixture(scope="module")
def lived(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Releases 1.0.0 to 1.3.0 of five days; on the fourth there was nothing new."""
    stall = open_stall(shop, tmp_path_factory.mktemp("lived") / "workspace")
    for number, last in enumerate((3, 4, 5, 5, 6), start=1):
        sell_until(stall, last)
        day(stall, number)
    assert [folder.name for folder in sorted(stall.workspace.releases.glob("*.*.0"))] == [
        "1.0.0", "1.1.0", "1.2.0", "1.3.0",
    ]  # fmt: skip
    return stall.folder


@pytest.fixture
def stall(shop: Shop, lived: Path, tmp_path: Path) -> Stall:
    subprocess.run(["cp", "-a", str(lived), str(tmp_path / "workspace")], check=True)
    stall = open_stall(shop, tmp_path / "workspace")
    sell_until(stall, 6)
    shop.asked.clear()
    return stall


def configure(stall: Stall, rules: str) -> None:
    config = stall.folder / "mep3m.toml"
    config.write_text(f"{config.read_text()}\n[retention]\n{rules}")


def gc(stall: Stall, *options: str) -> dict[str, Any]:
    said = stall.say("gc", "--json", *options)
    assert said.status == Exit.DONE, said.err
    values: dict[str, Any] = said.json
    return values


def contents(folder: Path) -> dict[str, tuple[int, float]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (s.st_size, s.st_mtime) for path in files
            for s in [path.stat()]}  # fmt: skip


def allocated(folder: Path) -> int:
    facts = [path.lstat() for path in folder.rglob("*") if path.is_file()]
    return sum({(f.st_dev, f.st_ino): f.st_blocks * 512 for f in facts}.values())


def is_sound(stall: Stall) -> None:
    """Every release that stands verifies without a warning, and what it tells resolves."""
    workspace = stall.workspace
    for manifest in sorted(workspace.releases.glob("*/manifest.json")):
        if "withdrawn" in json.loads(manifest.read_text()):
            assert [path.name for path in manifest.parent.iterdir()] == ["manifest.json"]
            continue
        found = examine(manifest.parent, workspace, lambda *_: None, load_tree())
        assert (found.failures, found.warnings) == ([], []), manifest


def makes_again(stall: Stall, version: str) -> None:
    said = stall.say(f"rebuild {version}")
    assert (said.status, "byte for byte" in said.out) == (Exit.DONE, True), said.out + said.err


def goes_on(stall: Stall) -> None:
    """The next run asks for no picture, and publishes what is new."""
    stall.shop.asked.clear()
    before = set(stall.published())
    stall.sell(7, "不锈钢汤勺长柄厨房", picture(7))
    stall.show(*range(1, 8))
    values = day(stall, 28)
    assert values["fates"]["published"] == len(before) + 1, values
    assert set(stall.published()) == before | {"s:7"}
    assert [path for path in stall.shop.paths() if path.startswith("/i/")] == ["/i/7.jpg"]
    is_sound(stall)


def test_a_dry_run_changes_nothing_and_says_what_would_go(stall: Stall) -> None:
    configure(stall, ALL)
    before = contents(stall.folder)
    told = gc(stall)
    assert contents(stall.folder) == before
    assert not told["applied"] and told["bytes"] > 0
    kinds = {item["kind"] for item in told["going"]}
    assert kinds == {"release", "recipes", "tables", "images", "captures", "pictures"}
    why = {item["path"]: item["why"] for item in told["staying"]}
    assert why["releases/1.3.0"] == "the current release"
    assert why["releases/1.2.0"] == "1.3.0 grew from it"
    text = stall.say("gc").out
    assert "`mep3m gc --apply` removes it" in text and "releases/1.0.0" in text


def test_by_default_young_runs_stay(stall: Stall) -> None:
    assert gc(stall, "--apply")["going"] == []


@pytest.mark.parametrize(
    ("rules", "standing"),
    [
        (ALL, {"1.2.0", "1.3.0"}),
        (ALL.replace("keep_releases = 1", "keep_releases = 2"), {"1.1.0", "1.2.0", "1.3.0"}),
    ],
)
def test_what_stays_is_whole_and_the_next_run_fetches_nothing_again(
    stall: Stall, rules: str, standing: set[str]
) -> None:
    configure(stall, rules)
    before = allocated(stall.folder)
    told = gc(stall, "--apply")
    freed = before - allocated(stall.folder)
    assert 0.5 < freed / told["bytes"] < 1.5, "what is told is about what becomes free"
    releases = stall.workspace.releases
    assert {p.parent.name for p in releases.glob("*/croissant.json")} == standing
    is_sound(stall)
    assert gc(stall, "--apply")["going"] == [], "all that can go went"
    makes_again(stall, "1.3.0")
    goes_on(stall)


def test_bytes_go_where_a_release_has_them_and_rows_stay(stall: Stall) -> None:
    configure(stall, ALL)
    gc(stall, "--apply")
    newest = stall.workspace.runs()[-1]
    rows = [row for name in newest.images.names() for row in
            newest.images.read(name).to_pylist()]  # fmt: skip
    held = {row["image_url"].rpartition("/")[2] for row in rows if row["image"] is not None}
    assert held == {"3.jpg"}, "the copy is in no release"
    assert all(row["sha256"] and row["outcome"] == "ok" for row in rows)


def test_pruned_runs_keep_what_gates_and_verify_read(stall: Stall) -> None:
    configure(stall, ALL)
    gc(stall, "--apply")
    first, second = stall.workspace.runs()[:2]
    pruned = pruned_of(first)
    assert pruned is not None and pruned.tables and pruned.sites == ("s",)
    assert {path.name for path in first.folder.iterdir()} == {"run.json", "listings", "captures"}
    assert first.record["stages"]["publish"]
    said = stall.say(f"replay {second.run_id}")
    assert said.status == Exit.USAGE and "`mep3m gc` removed its tables" in said.err


def test_a_release_that_is_named_stays(stall: Stall) -> None:
    configure(stall, ALL)
    gc(stall, "--apply", "--keep", "1.1.0")
    is_sound(stall)
    makes_again(stall, "1.1.0")
    said = stall.say("gc", "--keep", "9.0.0")
    assert said.status == Exit.USAGE and "--keep 9.0.0: expected a release" in said.err


def test_audit_tells_a_capture_that_went_and_verify_takes_it_for_no_damage(stall: Stall) -> None:
    configure(stall, ALL.replace("keep_runs = 1", "keep_runs = 14"))
    gc(stall, "--apply")
    fourth = stall.workspace.runs()[3]
    assert not fourth.captures.exists(), "no release names its pages"
    said = stall.say("audit", "s:1")
    assert "capture_pruned on " in said.out and said.status == Exit.DONE
    assert said.out.count("intact") > 0, "the published page is there"
    said = stall.say(f"replay {fourth.run_id}")
    assert said.status == Exit.USAGE and "of its capture files" in said.err


def test_a_release_put_back_verifies_with_warnings(stall: Stall, tmp_path: Path) -> None:
    kept = tmp_path / "1.0.0"
    subprocess.run(["cp", "-a", str(stall.workspace.releases / "1.0.0"), str(kept)], check=True)
    configure(stall, ALL)
    first = stall.workspace.runs()[0]
    gc(stall, "--apply")
    for path in first.folder.rglob("*"):
        if path.is_file() and path.name != "run.json":
            path.unlink()
    pruned = pruned_of(first)
    assert pruned is not None
    found = examine(kept, stall.workspace, lambda *_: None, load_tree())
    assert [str(w) for w in found.warnings if "removed its tables" in str(w)]
    assert not [str(f) for f in found.failures if "capture" in str(f)]


def test_the_memory_made_again_after_gc_knows_what_it_knew(stall: Stall) -> None:
    """Records that are gone from the shop and from every release are known by a later run."""
    configure(stall, ALL)
    gc(stall, "--apply")
    (stall.folder / "state.sqlite").unlink()
    day(stall, 28)
    listings = [row for run in stall.workspace.runs()[-1:] for name in run.listings.names()
                for row in run.listings.read(name).to_pylist()]  # fmt: skip
    first_seen = {row["record_id"]: row["first_seen"].day for row in listings}
    assert first_seen["s:1"] == 1 and first_seen["s:5"] == 3, first_seen


def test_a_picture_that_is_nowhere_any_more_is_fetched_again(stall: Stall) -> None:
    configure(stall, ALL)
    gc(stall, "--apply")
    stall.sell(1, "青瓷茶杯手工釉下彩 200ml", picture(1), X_Robots_Tag="noai")
    day(stall, 10)
    assert "s:1" not in stall.published()
    day(stall, 11)
    stall.sell(7, "不锈钢汤勺长柄厨房", picture(7))
    stall.show(*range(1, 8))
    day(stall, 12)
    gc(stall, "--apply")
    stall.sell(1, "青瓷茶杯手工釉下彩 200ml", picture(1))
    stall.shop.asked.clear()
    day(stall, 13)
    asked = [path for path in stall.shop.paths() if path.startswith("/i/")]
    newest = stall.workspace.runs()[-1]
    assert asked == ["/i/1.jpg"], "it alone, and without validators"
    assert "If-None-Match" not in stall.shop.heard["/i/1.jpg"]
    assert newest.record["stages"]["fetch"]["images.ok"] == 7
    assert "s:1" in stall.published()
    is_sound(stall)


KILLED = """
import os, sys
from pathlib import Path
from runtime import clock
from runtime.config import load_config
from runtime.workspace import Workspace
from operations.retention.applying import apply
from operations.retention.plan import make_plan

folder, moment = Path(sys.argv[1]), int(sys.argv[2])
config, workspace, steps = load_config(folder / "mep3m.toml"), Workspace(folder), []

def step(name):
    steps.append(name)
    if len(steps) == moment:
        os.kill(os.getpid(), 9)

now = clock.now()
apply(workspace, config, make_plan(workspace, config, now, ()), now, (), step)
print(len(steps))
"""


def killed(stall: Stall, moment: int) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    return subprocess.run(
        [sys.executable, "-c", KILLED, str(stall.folder), str(moment)], text=True,
        capture_output=True, check=False, env={**os.environ, "PYTHONPATH": root},
    )  # fmt: skip


@pytest.mark.soak
def test_a_kill_at_any_step(shop: Shop, lived: Path, tmp_path: Path) -> None:
    moment = 0
    while True:
        moment += 1
        folder = tmp_path / str(moment)
        subprocess.run(["cp", "-a", str(lived), str(folder)], check=True)
        stall = Stall(shop, folder)
        configure(stall, ALL)
        if killed(stall, moment).returncode == 0:
            break
        is_sound(stall)
        gc(stall, "--apply")
        assert gc(stall, "--apply")["going"] == []
        is_sound(stall)
    print(f"{moment - 1} steps")
    assert moment > 40


@pytest.mark.parametrize("moment", [8, 40])
def test_a_kill_loses_nothing_and_running_again_finishes(stall: Stall, moment: int) -> None:
    configure(stall, ALL)
    assert killed(stall, moment).returncode == -9
    is_sound(stall)
    assert (stall.folder / "gc.json").is_file()
    gc(stall, "--apply")
    assert not (stall.folder / "gc.json").exists()
    assert gc(stall, "--apply")["going"] == []
    is_sound(stall)
    goes_on(stall)
