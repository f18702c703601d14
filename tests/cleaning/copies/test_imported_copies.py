"""Imported records among themselves are flagged, never dropped; against crawled ones they count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from PIL import Image, ImageOps

from cleaning.hashes import VERSIONS, Mode
from demo.scenes import render
from runtime.keys import digest
from runtime.tables import CLEANED, FINGERPRINT, LABELS
from tests.cleaning.copies import judged_run
from tests.cleaning.copies.judged_run import Bench, Item, prints_of, saved

PLAIN = "青瓷茶杯手工釉下彩 200ml"
TITLES = [
    "户外折叠椅",
    "孕妇奶粉",
    "运动跑鞋",
    "无线鼠标",
    "真皮钱包",
    "儿童书包",
    "不锈钢锅",
    "羊毛围巾",
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def scene(seed: int = 1, side: int = 300) -> Image.Image:
    return render(seed, side, side, 0.0)


def padded(image: Image.Image) -> Image.Image:
    return ImageOps.expand(image, round(image.width * 0.1), "white")


def told(bench: Bench) -> dict[str, list[tuple[str, str, str | None]]]:
    """(verdict, rule, peer) of every decision, by record_id."""
    folder = bench.run.decisions("dedupe")
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    for name in folder.names():
        for row in folder.read(name).to_pylist():
            said = (row["verdict"], row["rule"], row["peer_id"])
            found.setdefault(row["record_id"], []).append(said)
    return found


def kinds(bench: Bench) -> dict[str, list[tuple[str, str | None]]]:
    """(verdict, peer) without the rules."""
    return {n: [(v, peer) for v, _, peer in said] for n, said in told(bench).items()}


def copies(prefix: str) -> list[Item]:
    """An original, its file again, a lossy near copy with a border, and another picture."""
    return [
        Item(f"{prefix}1", PLAIN, saved(scene())),
        Item(f"{prefix}2", PLAIN, saved(scene())),
        Item(f"{prefix}3", PLAIN, saved(padded(scene(side=150)))),
        Item(f"{prefix}4", PLAIN, saved(scene(9))),
    ]


def test_copies_in_an_imported_copy_are_flagged_and_all_survive(bench: Bench) -> None:
    bench.judge(copies("mep3m:1/"))
    found = told(bench)
    assert set(bench.survivors()) == set(found) == {f"mep3m:1/{n}" for n in (1, 2, 3, 4)}
    kept = ("kept", "unique_v1", None)
    assert found["mep3m:1/1"] == found["mep3m:1/4"] == [kept]
    assert found["mep3m:1/2"] == [kept, ("flagged", "same_bytes_v1", "mep3m:1/1")]
    (said, (verdict, rule, peer)) = found["mep3m:1/3"]
    assert (said, verdict, peer) == (kept, "flagged", "mep3m:1/1")
    assert rule in ("same_fingerprint_v1", "near_fingerprint_v1")


def test_the_counts_tell_flags_apart(bench: Bench) -> None:
    bench.judge(copies("mep3m:1/"))
    counts = bench.run.survivors.seals()["mep3m-00000"].counts
    assert (counts["kept"], counts["flagged"], counts["rule.unique_v1"]) == (4, 2, 4)
    assert "duplicate" not in counts


def test_copies_that_stay_share_a_leak_group(bench: Bench) -> None:
    bench.judge(copies("mep3m:1/"))
    groups = bench.survivors()
    assert groups["mep3m:1/1"] == groups["mep3m:1/2"] == groups["mep3m:1/3"] == "mep3m:1/1"
    assert groups["mep3m:1/4"] == "mep3m:1/4"


def test_crawled_copies_of_the_same_files_are_duplicates(bench: Bench) -> None:
    bench.judge(copies("shop:"))
    assert set(bench.survivors()) == {"shop:1", "shop:4"}


def test_an_imported_copy_of_a_published_crawled_record_is_its_duplicate(bench: Bench) -> None:
    bench.publish([Item("shop:1", PLAIN, saved(scene()))])
    bench.judge(copies("mep3m:1/"))
    assert kinds(bench) == {
        **{f"mep3m:1/{n}": [("duplicate", "shop:1")] for n in (1, 2, 3)},
        "mep3m:1/4": [("kept", None)],
    }
    assert set(bench.survivors()) == {"mep3m:1/4"}


def test_a_crawled_copy_of_a_published_imported_record_is_its_duplicate(bench: Bench) -> None:
    bench.publish([Item("mep3m:1/1", PLAIN, saved(scene()))])
    bench.judge(copies("shop:"))
    assert kinds(bench) == {
        **{f"shop:{n}": [("duplicate", "mep3m:1/1")] for n in (1, 2, 3)},
        "shop:4": [("kept", None)],
    }


def test_a_later_import_is_flagged_against_the_one_before_and_joins_its_split(
    bench: Bench,
) -> None:
    bench.publish([Item("mep3m:1/0", PLAIN, saved(scene()), group="mep3m:1/0", split="test")])
    bench.judge(copies("mep3m:1/"))
    assert kinds(bench) == {
        **{f"mep3m:1/{n}": [("kept", None), ("flagged", "mep3m:1/0")] for n in (1, 2, 3)},
        "mep3m:1/4": [("kept", None)],
    }
    assert {bench.survivors()[f"mep3m:1/{n}"] for n in (1, 2, 3)} == {"mep3m:1/0"}


def test_an_imported_record_hides_no_published_crawled_one_that_is_less_near(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    # How many of its 32 one-bits each has elsewhere: two hashes differ in twice as many bits.
    moved = {"shop:1": 0, "mep3m:1/1": 4, "mep3m:1/2": 3, "mep3m:1/3": 5}

    def prints(item: Item, mode: Mode = "exact") -> dict[str, Any]:
        found = prints_of(item, mode)
        bits = (1 << moved[item.record_id]) - 1
        own = 0xFFFF_FFFF ^ (bits << 32 | bits)
        return {**found, "phash": own, "phash_trim": own, "colour": bytes(48),
                "colour_trim": bytes(48)}  # fmt: skip

    monkeypatch.setattr(judged_run, "prints_of", prints)
    items = {name: Item(name, PLAIN, saved(scene(seed))) for seed, name in enumerate(moved, 1)}
    bench.publish([items["shop:1"]])
    bench.judge([item for name, item in items.items() if name != "shop:1"], radius=6)
    assert kinds(bench) == {
        "mep3m:1/1": [("kept", None)],
        "mep3m:1/2": [("duplicate", "shop:1")],
        "mep3m:1/3": [("kept", None), ("flagged", "mep3m:1/1")],
    }


def test_a_picture_that_many_unlike_imported_titles_share_is_flagged(bench: Bench) -> None:
    logo = saved(scene(3))
    items = [Item(f"{{}}{n}", title, logo) for n, title in enumerate(TITLES)]

    def of(prefix: str) -> list[Item]:
        return [Item(item.record_id.format(prefix), item.title, item.image) for item in items]

    bench.judge(of("mep3m:1/"), placeholder_records=4)
    found = told(bench)
    assert len(bench.survivors()) == len(TITLES)
    for said in found.values():
        assert said[0] == ("kept", "unique_v1", None)
        assert ("flagged", "placeholder_image_v2", None) in said
        assert len(said) == 2, "one flag is enough"


def test_what_may_not_be_in_two_splits_is_refused_of_imported_records_too(bench: Bench) -> None:
    bench.publish(
        [
            Item("shop:1", PLAIN, saved(scene()), split="train"),
            Item("shop:2", TITLES[0], saved(scene()), split="test", group="shop:2"),
        ]
    )
    bench.judge([Item("mep3m:1/1", PLAIN, saved(scene(), quality=80))], policy="exact")
    assert "mep3m:1/1" not in bench.survivors()


# --------------------------------------------------------------------------- titles alone


def judged_titles(bench: Bench, titles: dict[str, str], mapped: bool = True) -> None:
    """A part of records without pictures."""
    bench.clean([])
    listings = [
        {"record_id": name, "provenance": "imported", "site": "mep3m", "title": title,
         "category_paths": [], "sightings": 1}
        for name, title in sorted(titles.items())
    ]  # fmt: skip
    cleaned: list[dict[str, Any]] = [
        {"record_id": row["record_id"], "kept": True, "title": row["title"],
         "removed_segments": [], "sketch": bytes(32)}
        for row in listings
    ]  # fmt: skip
    labels = [
        {"record_id": row["record_id"], "mapped": mapped, "label_rule": "x", "evidence": "",
         "suggestions": [], "contradicted": False}
        for row in listings
    ]  # fmt: skip
    name = "mep3m-00000"
    schema = bench.run.listings.table.schema
    bench.run.listings.write(name, pa.Table.from_pylist(listings, schema), "made")
    bench.run.labels.write(name, pa.Table.from_pylist(labels, LABELS.schema), "made")
    bench.run.cleaned.write(
        name, pa.Table.from_pylist(cleaned, CLEANED.schema), "made",
        metadata={FINGERPRINT: VERSIONS[bench.mode]},
    )  # fmt: skip
    bench.dedupe()


def test_titles_alone_are_kept_and_grouped_by_what_they_say(bench: Bench) -> None:
    bench.publish([Item("shop:1", PLAIN, saved(scene()))])
    judged_titles(bench, {"mep3m:1/1": PLAIN, "mep3m:1/2": TITLES[0], "mep3m:1/3": PLAIN})
    assert bench.survivors() == {
        "mep3m:1/1": f"title:{digest(PLAIN)}",
        "mep3m:1/2": f"title:{digest(TITLES[0])}",
        "mep3m:1/3": f"title:{digest(PLAIN)}",
    }
    assert set(told(bench)["mep3m:1/1"]) == {("kept", "title_alone_v1", None)}
    rows = bench.run.survivors.read("mep3m-00000").to_pylist()
    assert [row["row"] for row in rows] == [0, 1, 2]


def test_titles_alone_that_are_held_are_left_to_the_map_stage(bench: Bench) -> None:
    judged_titles(bench, {"mep3m:1/1": PLAIN}, mapped=False)
    assert (bench.survivors(), told(bench)) == ({}, {})
