"""What an unattended workspace meets: files that are damaged or gone, folders nobody may write.

Each fault is put right by a run or a command that says so in one line; nothing is lost, and what
comes after is what it would have been without.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from provenance.verify import verify
from runtime.sqlite_files import remove_database
from tests.crawler.shop import Shop, running_shop
from tests.integration.commands import REPOSITORY, Said, pages_done, signal_when, start
from tests.integration.test_crawl_kills import descendants
from tests.integration.test_second_runs import Stall, open_stall, picture

Harm = Callable[[Path], None]


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def set_up(shop: Shop, folder: Path) -> Stall:
    """The stall of three products, whose pages are carried over for a week."""
    stall = open_stall(shop, folder)
    config = folder / "mep3m.toml"
    config.write_text(config.read_text().replace("[crawl]\n", "[crawl]\nrefresh_after = 7.0\n"))
    return stall


@pytest.fixture(scope="module")
def two_runs(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two finished runs."""
    stall = set_up(shop, tmp_path_factory.mktemp("two") / "workspace")
    stall.run()
    later(stall)
    stall.run()
    return stall.folder


def later(stall: Stall) -> None:
    """The shop of the second day: one product more."""
    stall.sell(4, "竹编收纳篮家用加厚 38cm", picture(4))
    stall.show(1, 2, 3, 4)


@pytest.fixture
def crawled(shop: Shop, two_runs: Path, tmp_path: Path) -> Stall:
    """A copy of the workspace with two runs, and the shop as it was at the second."""
    folder = tmp_path / "workspace"
    shutil.copytree(two_runs, folder)
    stall = set_up(shop, folder)
    later(stall)
    shop.asked.clear()
    return stall


def garbage_in_the_middle(path: Path) -> None:
    data = bytearray(path.read_bytes())
    third = len(data) // 3
    data[third : 2 * third] = os.urandom(third)
    path.write_bytes(data)


def garbage_at_the_start(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(b"no database, by far" + data[19:])


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size * 6 // 10)


def rows_of(database: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every table of a database, in order."""
    with closing(sqlite3.connect(database)) as db:
        names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY 1")
        return {
            name: sorted(db.execute(f"SELECT * FROM {name}").fetchall(), key=repr)
            for (name,) in names.fetchall()
        }


def no_traceback(said: str) -> None:
    assert "Traceback" not in said
    assert "--debug" not in said


# --------------------------------------------------------------------------- the product memory


def third_run(stall: Stall) -> tuple[list[str], dict[str, list[tuple[Any, ...]]], str]:
    """A third run: what was asked for, the memory behind it, and what was said."""
    stall.shop.asked.clear()
    said = stall.say("run")
    assert said.status == 10, said.err
    no_traceback(said.err)
    return sorted(stall.shop.paths()), rows_of(stall.folder / "state.sqlite"), said.err


def test_a_lost_memory_is_restored_row_for_row_and_the_next_run_asks_for_nothing_more(
    crawled: Stall, tmp_path: Path
) -> None:
    state = crawled.folder / "state.sqlite"
    before = rows_of(state)
    assert len(before["products"]) == 3 and len(before["folded"]) == 1
    for harm in (Path.unlink, cut, garbage_at_the_start, garbage_in_the_middle):
        harm(state)
        said = crawled.say("restore", "--json")
        assert said.status == 0, said.err
        assert (said.json["products"], len(said.json["runs"])) == (3, 1)
        assert said.json["found"] != "intact" and said.err == ""
        assert rows_of(state) == before
    # A run that meets the damage itself does the same, and says so.
    shutil.copytree(crawled.folder, tmp_path / "other")
    other = Stall(crawled.shop, tmp_path / "other")
    asked, after, _ = third_run(crawled)
    assert asked == ["/", "/robots.txt"], "pages and pictures are known"
    garbage_in_the_middle(other.folder / "state.sqlite")
    asked_again, after_again, err = third_run(other)
    assert asked_again == asked
    assert after_again["products"] == after["products"]
    assert "state.sqlite" in err and "making it again" in err


def test_restore_tells_what_an_intact_memory_holds_and_leaves_it_as_it_was(crawled: Stall) -> None:
    before = rows_of(crawled.folder / "state.sqlite")
    said = crawled.say("restore")
    assert said.status == 0, said.err
    assert "state.sqlite (intact) was made again from the files: 1 runs, 3 products" in said.out
    assert rows_of(crawled.folder / "state.sqlite") == before
    assert not list(crawled.folder.glob(".state*"))


# --------------------------------------------------------------------------- the frontier

TWO_SITES = """
[[site]]
key = "t"
program = "own.toml"
base_url = "http://{host}"
allow_private = ["{host}"]
mapping = "mapping.csv"
"""
PRODUCTS = range(10, 30)


@dataclass(frozen=True)
class Street:
    """Two shops and the folder that crawls both; the first one answers slowly."""

    stall: Stall
    other: Shop

    @property
    def config(self) -> Path:
        return self.stall.folder / "mep3m.toml"

    @property
    def frontier(self) -> Path:
        (path,) = self.stall.folder.glob("runs/*/frontier/s.sqlite")
        return path

    def copy(self, folder: Path) -> Street:
        shutil.copytree(self.stall.folder, folder)
        return Street(Stall(self.stall.shop, folder), self.other)

    def crawl_until(self, pages: int) -> None:
        """Crawl until the other shop is exported and so many pages of this one are done; kill."""
        process = start("run", "--config", self.config)

        def reached() -> bool:
            done = list(self.stall.folder.glob("runs/*/pages/t.json"))
            return bool(done) and pages_done(self.stall.folder) >= pages + 4

        signal_when(process, reached, signal.SIGSTOP)
        for pid in (process.pid, *descendants(process.pid)):
            os.kill(pid, signal.SIGKILL)
        process.communicate(timeout=60)

    def table(self, name: str, order: list[str]) -> pandas.DataFrame:
        """A table of both sites without times and places."""
        parts = sorted(self.stall.folder.glob(f"runs/*/{name}/*.parquet"))
        frame = pandas.concat([pandas.read_parquet(part) for part in parts])
        frame = frame.drop(columns=[c for c in NOT_COMPARED if c in frame])
        assert not frame.duplicated(order).any()
        return frame.sort_values(order).reset_index(drop=True)

    def released(self) -> pandas.DataFrame:
        frame = self.stall.rows().drop(columns=[c for c in NOT_COMPARED if c != "attempts"])
        return frame.drop(columns=["run_id"])


# A crawl that begins anew asks later, and so into other places of its files.
NOT_COMPARED = ["fetched_at", "first_seen", "capture_file", "capture_offset", "attempts"]


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Street]:
    """Nothing crawled yet."""
    with running_shop() as shop, running_shop() as other:
        stall = open_stall(shop, tmp_path_factory.mktemp("street") / "workspace")
        for number in PRODUCTS:
            stall.sell(number, f"竹编收纳篮家用加厚 {number}cm", picture(number))
        stall.show(*PRODUCTS)
        second = Stall(other, stall.folder)
        for number in (50, 51):
            second.sell(number, f"实木书架落地简约 {number}cm", picture(number))
        second.show(50, 51)
        config = stall.folder / "mep3m.toml"
        text = config.read_text() + TWO_SITES.format(host=other.host)
        config.write_text(text.replace("[crawl]\ndelay = 0.0", "[crawl]\ndelay = 0.1"))
        yield Street(stall, other)


@pytest.fixture(scope="module")
def undisturbed(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Street:
    """Both shops crawled to the release, without any damage."""
    town = street.copy(tmp_path_factory.mktemp("undisturbed") / "workspace")
    said = town.stall.say("run")
    assert said.status == 0, said.err
    return town


@pytest.fixture(scope="module")
def killed(street: Street, tmp_path_factory: pytest.TempPathFactory) -> Street:
    """A crawl that was killed: one site exported, the other one half done."""
    town = street.copy(tmp_path_factory.mktemp("killed") / "workspace")
    town.crawl_until(8)
    assert not list(town.stall.folder.glob("runs/*/pages/s.json"))
    return town


def forgotten(path: Path) -> None:
    """The file is gone, with its log."""
    remove_database(path)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def folded(path: Path) -> None:
    """Not damage: what a worker that ended well leaves, its log folded in."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@pytest.mark.parametrize(
    "harm",
    [
        pytest.param(forgotten, marks=pytest.mark.soak),
        cut,
        pytest.param(garbage_at_the_start, marks=pytest.mark.soak),
        pytest.param(garbage_in_the_middle, marks=pytest.mark.soak),
        pytest.param(emptied, marks=pytest.mark.soak),
    ],
)
def test_a_site_whose_frontier_is_lost_is_crawled_again_and_no_other(
    killed: Street, undisturbed: Street, tmp_path: Path, harm: Harm
) -> None:
    town = killed.copy(tmp_path / "workspace")
    folded(town.frontier)
    before = {path.name for path in town.frontier.parents[1].glob("captures/s-*")}
    assert before, "captures of pages that a lost frontier named"
    harm(town.frontier)
    for shop in (town.stall.shop, town.other):
        shop.asked.clear()
    said = town.stall.say("crawl")
    assert said.status == 0, said.err
    logged = (town.stall.folder / "logs" / "mep3m.jsonl").read_text().splitlines()
    told = [e for e in map(json.loads, logged) if "crawling the site again" in e["message"]]
    assert [(event["level"], event["site"]) for event in told] == [("warning", "s")]
    assert told[0]["message"].startswith("site s: expected ")
    assert "s.sqlite" in told[0]["message"]
    assert said.err.count(told[0]["message"]) == 1
    assert not town.other.asked
    asked = town.stall.shop.paths()
    assert sorted(asked) == ["/", *(f"/p/{n}.html" for n in PRODUCTS), "/robots.txt"]
    for name, order in TABLES:
        pandas.testing.assert_frame_equal(town.table(name, order), undisturbed.table(name, order))
    # Every capture that lies there is of the crawl that counts.
    pages = pandas.read_parquet(town.frontier.parents[1] / "pages" / "s.parquet")
    captures = town.frontier.parents[1] / "captures"
    assert {path.name for path in captures.glob("s-*")} == set(pages["capture_file"].dropna())
    with (next(captures.glob("s-*"))).open("rb") as stream:
        urls = [r.headers["WARC-Target-URI"] for r in ArchiveIterator(BytesIO(stream.read()))
                if r.record_type == WarcRecordType.response]  # fmt: skip
    assert len(urls) == len(set(urls)) == len(PRODUCTS) + 2


TABLES = (
    ("pages", ["url"]),
    ("sightings", ["page_url", "position"]),
    ("links", ["page_url", "position"]),
)


def test_a_lost_frontier_changes_nothing_in_the_release(
    killed: Street, undisturbed: Street, tmp_path: Path
) -> None:
    town = killed.copy(tmp_path / "workspace")
    folded(town.frontier)
    garbage_in_the_middle(town.frontier)
    said = town.stall.say("run", "--json")
    assert said.status == 0, said.err
    no_traceback(said.err)
    assert said.json["sightings"] == sum(said.json["fates"].values()) == 2 * (len(PRODUCTS) + 2)
    town.stall.check()
    pandas.testing.assert_frame_equal(town.released(), undisturbed.released())


def test_damage_that_comes_while_the_site_is_crawled_is_met_the_same_way(
    killed: Street, undisturbed: Street, tmp_path: Path
) -> None:
    """An index that lost its entries after the frontier was opened: SQLite says so at a write."""
    town = killed.copy(tmp_path / "workspace")
    process = start("crawl", "--config", town.config)
    done = pages_done(town.stall.folder)
    signal_when(
        process, lambda: pages_done(town.stall.folder) >= done + 2, signal.Signals(signal.SIGCONT)
    )
    with closing(sqlite3.connect(town.frontier, timeout=20)) as db:
        db.execute("PRAGMA writable_schema = ON")
        db.execute("UPDATE sqlite_schema SET sql = 'CREATE nonsense' WHERE name = 'links'")
        db.execute("PRAGMA schema_version = 999")
        db.commit()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "crawling the site again from its start" in err
    no_traceback(err)
    for name, order in TABLES:
        pandas.testing.assert_frame_equal(town.table(name, order), undisturbed.table(name, order))


# --------------------------------------------------------------------------- read-only folders


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@contextmanager
def immutable(path: Path) -> Iterator[None]:
    """Nobody, root included, may change it (EPERM)."""
    said = subprocess.run(["chattr", "+i", path], capture_output=True, text=True, check=False)
    if said.returncode:
        pytest.skip(f"chattr +i does not work here: {said.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", path], check=True)


def run_beside_read_only(stall: Stall, folder: Path) -> Said:
    """`mep3m run` where the folder is mounted read-only, for this process alone (EROFS)."""
    here = shlex.quote(str(folder))
    mounts = f"mount --bind {here} {here} && mount -o remount,ro,bind {here} {here}"
    tried = subprocess.run(
        ["unshare", "-m", "sh", "-c", mounts], capture_output=True, text=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"read-only mounts do not work here: {tried.stderr.strip()}")
    config = shlex.quote(str(stall.folder / "mep3m.toml"))
    program = f"{shlex.quote(sys.executable)} {shlex.quote(str(REPOSITORY / 'pipeline.py'))}"
    said = subprocess.run(
        ["unshare", "-m", "sh", "-c", f"{mounts} && exec {program} run --config {config}"],
        cwd=REPOSITORY, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return Said(said.returncode, said.stdout, said.stderr)


def test_a_read_only_releases_folder_leaves_the_release_and_a_run_that_goes_on(
    crawled: Stall,
) -> None:
    stall, releases = crawled, crawled.folder / "releases"
    before = contents(releases)
    stall.sell(5, "实木书架落地简约 80cm", picture(5))
    stall.show(1, 2, 3, 4, 5)
    said = run_beside_read_only(stall, releases)
    assert said.status == 1, said.err
    told = [line for line in said.err.splitlines() if "cannot write" in line]
    assert len(told) == 1 and str(releases) in told[0] and "make it writable" in told[0]
    assert "Read-only file system" in told[0]
    no_traceback(said.err)
    assert contents(releases) == before
    assert json.loads((stall.folder / "last_run.json").read_text())["exit_status"] == 1
    stall.check()
    # The same by permissions, and of the pointer alone: the whole release is there, nobody's yet.
    with immutable(releases):
        said = stall.say("publish")
        assert said.status == 1 and str(releases) in said.err, said.err
    assert contents(releases) == before
    with immutable(releases / "LATEST.json"):
        said = stall.say("publish")
        assert said.status == 1 and "LATEST.json" in said.err, said.err
        no_traceback(said.err)
        assert (releases / "LATEST.json").read_bytes() == before["LATEST.json"]
        assert set(stall.published()) == {"s:1", "s:2", "s:4"}
    made = contents(releases)
    asked = len(stall.shop.asked)
    assert stall.say("run").status == 0
    assert set(stall.published()) == {"s:1", "s:2", "s:4", "s:5"}
    assert len(stall.shop.asked) == asked, "the run that was stopped went on"
    finished = contents(releases)
    assert {name for name in finished if finished[name] != made.get(name)} == {"LATEST.json"}
    assert not list(stall.folder.rglob(".*.tmp")) and not list(releases.glob(".*"))
    stall.check()


# --------------------------------------------------------------------------- publish, interrupted

# `python -c` with the number or the name of a commit point and the command: commits are counted in
# the main process, each behind its rename and before the folder is synced, and the process kills
# itself at that one.
KILLED_AT = """
import os, signal, sys
from pathlib import Path
from runtime import storage

at, sync, count = sys.argv.pop(1), storage.fsync_folder, 0
known = {}

def commit(folder):
    global count
    new = {p.name for p in Path(folder).iterdir() if not p.name.startswith(".")}
    touched = {n for n in new if known.get((folder, n)) != (Path(folder) / n).stat().st_ctime_ns}
    known.update({(folder, n): (Path(folder) / n).stat().st_ctime_ns for n in new})
    count += 1
    if at in (str(count), *touched):
        os.kill(os.getpid(), signal.SIGKILL)
    sync(folder)

for place in sys.argv.pop(1).split(":"):
    for p in Path(place).glob("*"):
        known[p.parent, p.name] = p.stat().st_ctime_ns
storage.fsync_folder = commit
import pipeline
pipeline.main()
"""


def killed_at(stall: Stall, point: str, *command: str) -> bool:
    """Run a command and kill it at a commit point; False when it ended before."""
    (*_, run) = sorted((stall.folder / "runs").iterdir())
    places = f"{stall.folder / 'releases'}:{run}"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED_AT, point, places, *command,
         "--config", str(stall.folder / "mep3m.toml")],
        cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _, err = process.communicate(timeout=240)
    assert process.returncode in (0, -signal.SIGKILL), err
    return process.returncode != 0


def readers_see(stall: Stall, *versions: str) -> str:
    """The current release is a whole one, and one of these."""
    release = stall.workspace.latest_release()
    assert release is not None and release.name in versions
    assert verify(release, quiet=True) == []
    return release.name


@pytest.fixture
def ready(crawled: Stall) -> Stall:
    """A run of which only the release is to be made: 1.2.0 behind 1.1.0."""
    crawled.sell(5, "实木书架落地简约 80cm", picture(5))
    crawled.show(1, 2, 3, 4, 5)
    for stage in ("crawl", "merge", "fetch", "clean", "map", "dedupe"):
        assert crawled.say(stage).status == 0
    return crawled


def finished(stall: Stall) -> dict[str, bytes]:
    """The same command finishes; every byte of the release."""
    said = stall.say("publish")
    assert said.status == 0, said.err
    stall.check()
    assert readers_see(stall, "1.2.0")
    releases = stall.folder / "releases"
    assert sorted(p.name for p in releases.iterdir()) == ["1.0.0", "1.1.0", "1.2.0", "LATEST.json"]
    assert not [*stall.folder.rglob(".*.tmp"), *stall.folder.rglob("*.partial")]
    assert not (stall.workspace.runs()[-1].folder / "publish").exists()
    assert stall.workspace.runs()[-1].record["status"] == "published"
    return contents(releases / "1.2.0")


def test_a_publish_killed_at_each_of_its_last_steps_shows_a_whole_release_or_none(
    ready: Stall, tmp_path: Path
) -> None:
    shutil.copytree(ready.folder, tmp_path / "undisturbed")
    expected = finished(Stall(ready.shop, tmp_path / "undisturbed"))
    for point, seen in (
        ("manifest.json", "1.1.0"),  # the release is whole, in a folder that nobody reads
        ("1.2.0", "1.1.0"),  # it has its name
        ("LATEST.json", "1.2.0"),  # readers see it
        ("run.json", "1.2.0"),  # the run says that the stage is done
    ):
        assert killed_at(ready, point, "publish"), point
        assert readers_see(ready, "1.1.0", "1.2.0") == seen, point
        if point == "LATEST.json":
            shutil.copytree(ready.folder, tmp_path / "told late")
    assert finished(ready) == expected
    # `run` instead of `publish`: it finds its release, and leaves nothing of the making of it.
    late = Stall(ready.shop, tmp_path / "told late")
    assert list(late.folder.glob("runs/*/publish"))
    assert late.say("run").status == 0
    assert not list(late.folder.glob("runs/*/publish"))
    assert finished(late) == expected


@pytest.mark.soak
def test_a_publish_killed_at_every_commit_of_it(ready: Stall, tmp_path: Path) -> None:
    shutil.copytree(ready.folder, tmp_path / "undisturbed")
    expected = finished(Stall(ready.shop, tmp_path / "undisturbed"))
    number = 1
    while True:
        folder = tmp_path / str(number)
        shutil.copytree(ready.folder, folder)
        stall = Stall(ready.shop, folder)
        if not killed_at(stall, str(number), "publish"):
            break
        readers_see(stall, "1.1.0", "1.2.0")
        assert finished(stall) == expected, number
        number += 1
    print(f"killed at each of {number - 1} commits")
    assert number > 10


# --------------------------------------------------------------------------- small files

LOOKS = ("status", "verify", "audit s:1")


def one_line_each(stall: Stall, commands: tuple[str, ...], *words: str) -> list[int]:
    """Exit statuses; what fails says so in one line with these words."""
    statuses = []
    for command in commands:
        said = stall.say(command)
        no_traceback(said.err)
        if said.status:
            told = [line for line in said.err.splitlines() if words[0] in line]
            assert len(told) == 1, said.err
            assert all(word in told[0] for word in words), told
        statuses.append(said.status)
    return statuses


def test_a_damaged_record_of_a_run_is_named_and_everything_stays(crawled: Stall) -> None:
    path = crawled.workspace.runs()[-1].folder / "run.json"
    whole = path.read_bytes()
    record = json.loads(whole)
    before = contents(crawled.folder / "releases"), contents(crawled.folder / "runs")
    for number, damaged in enumerate(
        (
            b"", whole[: len(whole) // 2], b"\xff\x00" * 99, b"[1]", b"{}",
            json.dumps({**record, "stages": "all"}).encode(),
            json.dumps({**record, "started": "some day"}).encode(),
            json.dumps({**record, "sites": 7, "status": None}).encode(),
        )
    ):  # fmt: skip
        path.write_bytes(damaged)
        commands = (*LOOKS, "restore", "run") if number in (0, 3) else ("status", "run")
        statuses = one_line_each(crawled, commands, str(path), "expected", "from a copy")
        assert statuses[0] == statuses[-1] == 2 and set(statuses) <= {0, 2, 40}
    path.write_bytes(whole)
    assert (contents(crawled.folder / "releases"), contents(crawled.folder / "runs")) == before
    assert not crawled.shop.asked
    assert one_line_each(crawled, LOOKS, "") == [0, 0, 0]


def test_a_damaged_pointer_is_named_and_rollback_writes_it_again(crawled: Stall) -> None:
    pointer = crawled.folder / "releases" / "LATEST.json"
    whole = pointer.read_bytes()
    for damaged in (b"", whole[:20], b"\xff\x00" * 9, b"[]", b'{"version": "../runs"}'):
        pointer.write_bytes(damaged)
        statuses = one_line_each(
            crawled, ("status", "verify", "run"), str(pointer), "expected", "mep3m rollback"
        )
        assert statuses == [2, 40, 2]
    assert crawled.say("rollback", "1.1.0").status == 0
    assert pointer.read_bytes() == whole
    assert one_line_each(crawled, LOOKS, "") == [0, 0, 0]


def test_an_empty_tombstone_file_and_a_damaged_last_run(crawled: Stall) -> None:
    (crawled.folder / "last_run.json").write_bytes(b"\xff{")
    said = crawled.say("status")
    assert said.status == 0 and "nothing is told" in said.out
    stone = crawled.folder / "tombstones" / f"000001-{'a' * 12}.jsonl"
    stone.parent.mkdir()
    stone.touch()
    # What was taken down must not come back, so nothing is done without the file.
    assert one_line_each(
        crawled, ("verify", "audit s:1", "run"), str(stone), "restore it from a copy"
    ) == [40, 2, 2]
    assert not crawled.shop.asked
    assert json.loads((crawled.folder / "last_run.json").read_text())["exit_status"] == 2


def test_damaged_parts_and_seals_of_an_unfinished_run_are_made_again(
    ready: Stall, tmp_path: Path
) -> None:
    shutil.copytree(ready.folder, tmp_path / "undisturbed")
    undisturbed = Stall(ready.shop, tmp_path / "undisturbed")
    finished(undisturbed)
    run = ready.workspace.runs()[-1].folder
    seals = {table: next((run / table).glob("*.json")) for table in ("listings", "cleaned",
             "labels", "images")}  # fmt: skip
    cut(seals["listings"])
    seals["cleaned"].write_bytes(b"")
    seals["labels"].write_text("[1]")
    seals["images"].write_text('{"rows": "many"}')
    cut(next((run / "survivors").glob("*.parquet")))
    cut(next((run / "decisions" / "clean").glob("*.parquet")))
    cut(next((run / "sightings").glob("*.parquet")))
    ready.shop.asked.clear()
    said = ready.say("run")
    assert said.status == 0, said.err
    no_traceback(said.err)
    assert "exporting it again" in said.err
    finished(ready)
    # The picture's part had to be fetched again, and so at another time.
    rows, expected = (s.rows().drop(columns="fetched_at") for s in (ready, undisturbed))
    pandas.testing.assert_frame_equal(rows, expected)
