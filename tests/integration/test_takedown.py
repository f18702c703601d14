"""Takedowns: what was forgotten is in no file any more, and no later run brings it back."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest
from PIL import Image

import provenance.takedown.forget as takedown
from provenance.takedown.captures import members
from runtime.workspace import Workspace
from tests.crawler.shop import Shop, running_shop
from tests.integration.commands import DemoRun, mep3m
from tests.integration.test_second_runs import Stall, open_stall, picture

SECRET = 400_004  # a product id long enough to be looked for by itself
SHOWN = 700_007  # whose picture is taken down
TITLES = {4: "实木餐桌椅组合 四人位", SHOWN: "儿童益智积木 100 粒", 6: "儿童益智积木 100 粒 桶装"}


@pytest.fixture(scope="module")
def shop() -> Iterator[Shop]:
    with running_shop() as shop:
        yield shop


def near_copy(data: bytes) -> bytes:
    """The same picture, smaller and of another quality."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).resize((150, 150)).save(buffer, "JPEG", quality=70)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def grown(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases of a shop of which product SECRET has a duplicate, and SHOWN a near copy, 6."""
    stall = open_stall(shop, tmp_path_factory.mktemp("taken") / "workspace")
    stall.sell(SECRET, TITLES[4], picture(4))
    stall.show(1, 2, 3, SECRET)
    stall.run()
    stall.sell(500_005, TITLES[4] + " 送货", picture(4, quality=55))
    stall.sell(SHOWN, TITLES[SHOWN], picture(5))
    stall.show(1, 2, 3, SECRET, 500_005, SHOWN)
    stall.run()
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SECRET}", f"s:{SHOWN}"}
    return stall.folder


@pytest.fixture
def stall(shop: Shop, grown: Path, tmp_path: Path) -> Stall:
    """A copy of that workspace, whose shop goes on selling the same."""
    shutil.copytree(grown, tmp_path / "workspace")
    stall = open_stall(shop, tmp_path / "workspace")
    stall.sell(SECRET, TITLES[4], picture(4))
    stall.sell(500_005, TITLES[4] + " 送货", picture(4, quality=55))
    stall.sell(SHOWN, TITLES[SHOWN], picture(5))
    stall.show(1, 2, 3, SECRET, 500_005, SHOWN)
    return stall


def everything(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file as it lies, every gzip member inflated, every decoded column, every database."""
    for path in sorted(folder.rglob("*")):
        if not path.is_file() or path.is_symlink():
            continue
        name, data = path.relative_to(folder).as_posix(), path.read_bytes()
        yield name, data
        if ".warc.gz" in name:
            for member in members(path):
                yield f"{name} at {member.offset}", member.content
                yield f"{name} at {member.offset}, body", inflated(member.content)
        elif name.endswith(".parquet"):
            for row in pq.read_table(path).to_pylist():
                yield f"{name} row", repr(row).encode()
                for value in values_of(row):
                    yield f"{name} value", value
        elif name.endswith(".sqlite"):
            with closing(sqlite3.connect(path)) as db:
                yield f"{name} dump", "\n".join(db.iterdump()).encode()


def inflated(content: bytes) -> bytes:
    _, _, body = content.partition(b"\r\n\r\n")
    _, _, body = body.partition(b"\r\n\r\n")
    try:
        return zlib.decompressobj(47).decompress(body)
    except zlib.error:
        return body


def values_of(value: object) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, str):
        yield value.encode()
    elif isinstance(value, dict):
        for inner in value.values():
            yield from values_of(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from values_of(inner)


def spellings(*words: str) -> list[bytes]:
    texts = {
        form for word in words for form in (word, quote(word, safe=""), word.replace("/", "\\/"))
    }
    return [text.encode(code) for text in sorted(texts) for code in ("utf-8", "utf-16-le")]


def found_in(folder: Path, *needles: bytes) -> list[str]:
    return sorted(
        {f"{name}: {needle[:40]!r}" for name, data in everything(folder) for needle in needles
         if needle in data}
    )  # fmt: skip


def names_of(stall: Stall, number: int) -> list[bytes]:
    base = f"http://{stall.shop.host}"
    return spellings(f"s:{number}", f"{base}/p/{number}.html", f"{base}/i/{number}.jpg")


def check(stall: Stall) -> None:
    said = stall.say("verify", "--json")
    assert said.status == 0, said.err


def test_a_record_leaves_every_file_and_does_not_come_back(stall: Stall) -> None:
    assert found_in(stall.folder, *names_of(stall, SECRET), picture(4))
    said = stall.say("forget", "--record", f"s:{SECRET}", "--reason", "asked", "--json")
    assert said.status == 0, said.err
    assert said.json["withdrawn"] == ["1.0.0", "1.1.0"] and said.json["release"] == "1.1.1"
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SHOWN}"}
    assert found_in(stall.folder, *names_of(stall, SECRET), picture(4)) == []
    check(stall)
    asked = len(stall.shop.paths())
    said = stall.say("run", "--json")
    assert said.status == 0, said.err
    # Its former duplicate is free to come in.
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SHOWN}", "s:500005"}
    assert said.json["fates"]["removed"] >= 1
    assert sum(said.json["fates"].values()) == said.json["sightings"]
    assert not {f"/i/{SECRET}.jpg", f"/p/{SECRET}.html"} & set(stall.shop.paths()[asked:])
    # Other pages may name it still, in their captures alone.
    back = found_in(stall.folder, *names_of(stall, SECRET), picture(4))
    assert [place for place in back if "captures/" not in place] == []
    check(stall)
    assert stall.say("rebuild", said.json["release"]).status == 0


def test_audit_says_only_that_it_was_removed_and_when(stall: Stall) -> None:
    assert stall.say("forget", "--record", f"s:{SECRET}").status == 0
    for named in (f"s:{SECRET}",):
        said = stall.say("audit", named, "--json")
        assert said.status == 0
        assert set(said.json) == {"named", "removed", "exit_status"}
        assert list(said.json["removed"]) == ["at"]
    other = stall.say("audit", "s:1")
    assert other.status == 0 and "capture_purged" in other.out


def test_urls_are_known_in_any_spelling(stall: Stall) -> None:
    url = f"HTTP://{stall.shop.host}/p/{SECRET}.html#top"
    dry = stall.say("forget", "--url", url, "--dry-run", "--json")
    assert dry.json["records"] == [f"s:{SECRET}"]
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SHOWN}", f"s:{SECRET}"}
    assert stall.say("forget", "--url", url).status == 0
    assert f"s:{SECRET}" not in stall.published()
    assert found_in(stall.folder, *names_of(stall, SECRET)) == []


def test_a_whole_shop_leaves(stall: Stall) -> None:
    said = stall.say("forget", "--site", "s", "--json")
    assert said.status == 0, said.err
    assert said.json["release"] is None and said.json["withdrawn"] == ["1.0.0", "1.1.0"]
    hidden = [name for name in found_in(stall.folder, b"s:1", b"s:2", picture(1), picture(2))
              if "manifest" not in name]  # fmt: skip
    assert hidden == []
    assert not (stall.workspace.releases / "LATEST.json").exists()
    assert stall.say("run").status == 10


def test_a_prefix_leaves(stall: Stall) -> None:
    said = stall.say("forget", "--url-prefix", f"http://{stall.shop.host}/p/4", "--json")
    assert said.status == 0, said.err
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SHOWN}"}


def test_a_picture_and_its_near_copies_stay_away(stall: Stall, tmp_path: Path) -> None:
    file = tmp_path / "picture.jpg"
    file.write_bytes(near_copy(picture(5)))
    refused = stall.say("forget", "--image", str(file))
    assert refused.status == 2 and "near cop" in refused.err
    assert f"s:{SHOWN}" in stall.published()
    said = stall.say("forget", "--image", str(file), "--yes", "--json")
    assert said.status == 0, said.err
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SECRET}"}
    digest = hashlib.sha256(picture(5)).hexdigest()
    assert found_in(stall.folder, picture(5), *names_of(stall, SHOWN)) == []
    stall.sell(6, TITLES[6], near_copy(picture(5)))
    stall.show(1, 2, 3, SECRET, 500_005, SHOWN, 6)
    said = stall.say("run", "--json")
    assert said.status in (0, 10), said.err
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SECRET}"}
    assert stall.say("audit", digest, "--json").json["removed"]
    check(stall)


def test_another_copy_is_cleaned_by_the_published_tombstones(
    stall: Stall, shop: Shop, grown: Path, tmp_path: Path
) -> None:
    assert stall.say("forget", "--record", f"s:{SECRET}").status == 0
    (published,) = (stall.folder / "tombstones").iterdir()
    assert f"s:{SECRET}".encode() not in published.read_bytes()
    shutil.copytree(grown, tmp_path / "other")
    other = Stall(shop, tmp_path / "other")
    said = other.say("forget", "--from", str(published), "--json")
    assert said.status == 0, said.err
    assert set(other.published()) == {"s:1", "s:2", f"s:{SHOWN}"}
    assert found_in(other.folder, *names_of(other, SECRET), picture(4)) == []
    assert f"s:{SECRET}" not in other.say("run").out
    assert f"s:{SECRET}" not in other.published()


class KilledError(Exception):
    """Stands for a kill: nothing behind it runs."""


QUICK = ("tombstones", "withdrawn", "parts")
STEPS = ("planned", "tombstones", "published", "withdrawn", "captures", "parts", "databases",
         "leftovers")  # fmt: skip


@pytest.mark.parametrize(
    "at", [pytest.param(step, marks=[] if step in QUICK else [pytest.mark.soak]) for step in STEPS]
)
def test_a_killed_takedown_is_finished_by_the_next_command(
    stall: Stall, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(step: str) -> None:
        if step == at:
            raise KilledError(step)

    whole = takedown._finish

    def killed(workspace: Workspace, *rest: object) -> object:
        return whole(workspace, *rest[:-1], stop)

    with monkeypatch.context() as patched:
        patched.setattr(takedown, "_finish", killed)
        if at == "planned":
            patched.setattr(takedown, "_finish", lambda *_: stop("planned"))
        assert stall.say("forget", "--record", f"s:{SECRET}").status == 1
    said = stall.say("forget", "--json")
    assert said.status == 0, said.err
    assert found_in(stall.folder, *names_of(stall, SECRET), picture(4)) == []
    assert set(stall.published()) == {"s:1", "s:2", f"s:{SHOWN}"}
    check(stall)


def test_a_run_finishes_a_killed_takedown_first(
    stall: Stall, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KilledError

    with monkeypatch.context() as patched:
        patched.setattr(takedown, "_finish", stop)
        assert stall.say("forget", "--record", f"s:{SECRET}").status == 1
    assert stall.say("run").status == 0
    assert f"s:{SECRET}" not in stall.published()


def test_a_withdrawn_release_is_refused_and_keeps_a_stub(stall: Stall) -> None:
    assert stall.say("forget", "--record", f"s:{SECRET}", "--reason", "asked").status == 0
    stub = stall.workspace.releases / "1.1.0"
    assert [path.name for path in stub.iterdir()] == ["manifest.json"]
    assert json.loads((stub / "manifest.json").read_text())["withdrawn"]["reason"] == "asked"
    for command in ("rollback 1.1.0", "rebuild 1.1.0", "diff 1.1.0 1.1.1"):
        said = stall.say(command)
        assert said.status == 2 and "withdrawn on" in said.err, command


def test_a_damaged_tombstone_file_stops_everything(stall: Stall) -> None:
    assert stall.say("forget", "--record", f"s:{SECRET}").status == 0
    (path,) = (stall.folder / "tombstones").iterdir()
    path.write_bytes(path.read_bytes()[:-10])
    for command, status in (("run", 2), ("forget --record s:1", 2), ("verify", 40)):
        said = stall.say(command)
        assert said.status == status and path.name in said.err, command
    path.unlink()
    assert stall.say("verify").status == 40


@pytest.mark.parametrize(
    "words", ["", "--record nonsense", "--image-sha256 12", "--from nowhere", "--image nowhere",
              "--record s:1 --from nowhere"],
)  # fmt: skip
def test_what_makes_no_sense_is_one_line(stall: Stall, words: str) -> None:
    said = stall.say(f"forget {words}")
    assert said.status == 2
    assert said.err.startswith("mep3m: ") and said.err.count("\n") == 1


def test_a_record_and_a_picture_of_the_demo_leave_and_all_others_verify(
    demo: DemoRun, tmp_path: Path
) -> None:
    folder = tmp_path / "workspace"
    shutil.copytree(demo.folder, folder)
    release = folder / "releases" / demo.release.name
    rows = pq.read_table(release / "data", columns=["record_id", "product_url", "sha256", "image"])
    one, other = sorted(rows.to_pylist(), key=lambda row: row["record_id"])[:2]
    config = folder / "mep3m.toml"
    said = mep3m("forget", "--url", one["product_url"], "--config", config, "--json")
    assert said.status == 0, said.err
    assert said.json["records"] == 1
    said = mep3m("forget", "--image-sha256", other["sha256"], "--yes", "--config", config)
    assert said.status == 0, said.err
    needles = spellings(one["record_id"], one["product_url"], other["record_id"])
    pictures = [row["image"]["bytes"] for row in (one, other)]
    assert found_in(folder, *needles, *pictures) == []
    said = mep3m("verify", "--config", config)
    assert said.status == 0, said.err
