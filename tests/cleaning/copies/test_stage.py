"""The dedupe stage: nothing is remade, parts do not matter, placeholders show over runs."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image, ImageDraw

from cleaning.copies import stage
from cleaning.copies.candidates import _sha_words
from cleaning.copies.hamming_index import BANDS
from cleaning.copies.published import PublishedIndex
from cleaning.hashes import is_degenerate
from demo.scenes import render
from runtime.errors import WorkspaceError
from runtime.executor import WorkerPool
from tests.cleaning.copies.judged_run import Bench, Item, prints_of, saved

UNLIKE = [
    "飞鹤星飞帆婴儿配方奶粉900g",
    "美的电饭煲家用智能5升大容量",
    "南极人纯棉四件套全棉床单被套",
    "儿童书包小学生减负护脊双肩包",
    "户外折叠椅便携式钓鱼凳",
    "不锈钢保温壶大容量",
    "青瓷茶杯手工釉下彩",
    "竹编收纳篮家用加厚",
]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def no_image(quality: int = 90) -> bytes:
    """A shop's icon: flat, symmetrical, with a degenerate hash."""
    icon = Image.new("RGB", (200, 200), (240, 240, 240))
    ImageDraw.Draw(icon).rectangle((60, 60, 139, 139), fill=(180, 180, 180))
    return saved(icon, quality=quality)


def textured(seed: int, quality: int = 92) -> bytes:
    return saved(render(seed, 200, 200), quality=quality)


def rejected(found: dict[str, dict[str, object]]) -> set[str]:
    assert {row["rule"] for row in found.values() if row["verdict"] == "rejected"} <= {
        "placeholder_image_v2"
    }
    return {name for name, row in found.items() if row["verdict"] == "rejected"}


# --------------------------------------------------------------------------- placeholders


def test_a_degenerate_icon_is_a_placeholder_for_held_and_mapped_alike(bench: Bench) -> None:
    icons = [no_image(), no_image(70)]
    items = [
        Item(f"a:{number}", title, icons[number % 2], mapped=number % 3 != 0)
        for number, title in enumerate(UNLIKE[:6])
    ]
    hashes = np.array([prints_of(item)["phash"] for item in items], np.uint64)
    assert is_degenerate(hashes).all()
    found = bench.judge([*items, Item("a:9", UNLIKE[6], textured(1))])
    assert rejected(found) == {item.record_id for item in items}
    assert found["a:0"]["value"] in ("3", "6")


def test_a_placeholder_belongs_to_one_site(bench: Bench) -> None:
    found = bench.judge(
        [Item(f"{'ab'[n % 2]}:{n}", title, textured(1)) for n, title in enumerate(UNLIKE[:6])]
    )
    assert rejected(found) == set()


def test_packings_of_one_model_share_their_picture_in_peace(bench: Bench) -> None:
    base = "美可卓(Maxigenes)蓝胖子高钙速溶奶粉 成人孕妇儿童中老年人适用"
    found = bench.judge([Item(f"a:{n}", f"{base} {n}罐装", textured(1, 80 + n)) for n in range(8)])
    assert rejected(found) == set()
    assert sum(row["verdict"] == "duplicate" for row in found.values()) == 7


def test_families_of_many_packings_do_not_hide_a_placeholder(bench: Bench) -> None:
    items = [
        Item(f"a:{number}{size}", f"{title} {size} 号装", textured(1))
        for number, title in enumerate(UNLIKE[:5])
        for size in range(1, 9)
    ]
    assert len(rejected(bench.judge(items))) == len(items)


def test_one_hash_in_two_colours_is_not_one_picture(bench: Bench) -> None:
    colours = [saved(render(1, 200, 200, hue), "PNG") for hue in (0, 90, 180, 270)]
    items = [Item(f"a:{n}", title, colours[n % 4]) for n, title in enumerate(UNLIKE)]
    assert len({prints_of(item)["phash"] for item in items}) == 1
    assert rejected(bench.judge(items)) == set()


def test_what_is_published_counts_towards_a_placeholder_and_stays(bench: Bench) -> None:
    bench.publish([Item("a:0", UNLIKE[0], textured(1)), Item("b:0", UNLIKE[1], textured(1, 80))])
    newcomers = [Item(f"a:{n}", UNLIKE[n], textured(1, 70 + n)) for n in range(1, 5)]
    assert rejected(bench.judge(newcomers)) == {item.record_id for item in newcomers}
    again = Bench(bench.folder / "again")
    again.publish([Item("b:0", UNLIKE[0], textured(1))])  # of another site
    assert rejected(again.judge(newcomers)) == set()


# ------------------------------------------------------------------------------ the stage


def shelf(count: int) -> list[Item]:
    return [
        Item(f"{'ab'[n % 2]}:{n:03}", f"{UNLIKE[n % 8]} {n}", textured(n // 3, 60 + n % 3))
        for n in range(count)
    ]


def contents(bench: Bench) -> dict[str, bytes]:
    folders = (bench.run.decisions("dedupe").folder, bench.run.survivors.folder)
    return {
        f"{path.parent.name}/{path.name}": path.read_bytes()
        for folder in folders
        for path in sorted(folder.glob("*.parquet"))
    }


def test_dedupe_twice_changes_and_makes_nothing(bench: Bench) -> None:
    bench.publish(shelf(9))
    bench.clean(shelf(60))
    assert bench.dedupe().made == 2
    before = contents(bench)
    assert bench.dedupe().made == 0
    assert contents(bench) == before
    for name in bench.run.survivors.names():
        bench.run.survivors.unseal(name)
    assert bench.dedupe().made == 2
    assert contents(bench) == before


def test_how_records_lie_in_parts_does_not_matter(bench: Bench) -> None:
    found = bench.judge(shelf(60))
    small = Bench(bench.folder / "small", part_rows=7)
    again = small.judge(shelf(60))
    assert list(again) == list(found)
    assert {name: {**row, "run_id": ""} for name, row in again.items()} == {
        name: {**row, "run_id": ""} for name, row in found.items()
    }
    assert small.survivors() == bench.survivors()


def test_every_record_that_was_judged_survives_or_has_a_decision(bench: Bench) -> None:
    found = bench.judge(shelf(60))
    kept = {name for name, row in found.items() if row["verdict"] == "kept"}
    assert kept == set(bench.survivors())
    assert len(found) == 60
    for row in found.values():
        if row["verdict"] == "duplicate":
            assert row["peer_id"] in kept


def test_fingerprints_of_another_version_are_refused(bench: Bench) -> None:
    bench.clean(shelf(4))
    bench.mode = "reduced"
    expected = r"expected fingerprints .*-reduced.*, found .*-exact.*; run `mep3m clean`"
    with pytest.raises(WorkspaceError, match=expected):
        bench.dedupe()


# ------------------------------------------------------------------------------- loading


def test_digests_are_read_without_an_object_for_each() -> None:
    texts = [hashlib.sha256(bytes([n])).hexdigest() for n in range(5)]
    column = pa.array(["x", *texts]).slice(1)
    expected = b"".join(bytes.fromhex(text)[:16] for text in texts)
    assert _sha_words(column).tobytes() == expected
    with pytest.raises(ValueError, match="another length"):
        _sha_words(pa.array(["ab"]))
    with pytest.raises(ValueError, match="hexadecimal"):
        _sha_words(pa.array(["g" * 64]))


def test_ids_are_found_in_an_index_of_many_row_groups(bench: Bench) -> None:
    items = [Item(f"a:{number:03}", UNLIKE[0], textured(0)) for number in range(0, 60, 2)]
    bench.publish(items)
    path = bench.workspace.releases / "1.0.0" / "fingerprints" / "fingerprints.parquet"
    with PublishedIndex(path) as index:
        asked = [f"a:{number:03}" for number in range(61)]
        found = index.rows_of(pa.array(asked, pa.string()))
        expected = [number // 2 if number % 2 == 0 and number < 60 else -1 for number in range(61)]
        assert found.tolist() == expected
        assert index.rows_of(pa.array(["b:1"], pa.string())).tolist() == [-1]
        rows = np.array([0, 6, 7, 29])
        assert index.take("record_id", rows).to_pylist() == ["a:000", "a:012", "a:014", "a:058"]


# --------------------------------------------------------------------------- side by side


def many_kinds(bench: Bench) -> None:
    """A release, and a run of many small parts with all that can be said of a record."""
    published = [
        Item(f"a:{n}", f"{UNLIKE[n]} {n}", textured(n), group=f"a:{n - n % 2}") for n in range(6)
    ]
    bench.publish(published)
    items = [Item("a:0", UNLIKE[0], textured(0), opted_out=True)]
    for n in range(1, 40):
        seed, quality = n % 25, 92 - n % 3 * 10
        shop = "abc"[n % 3]
        title = f"{UNLIKE[n % 8]} {seed}"
        items.append(Item(f"{shop}:1{n:02}", title, textured(seed, quality), mapped=n % 7 > 0))
    items += [Item(f"d:{n}", UNLIKE[n], no_image(90 - n)) for n in range(7)]
    bench.clean(items)


def written(bench: Bench) -> dict[str, bytes]:
    folders = (bench.run.decisions("dedupe"), bench.run.survivors)
    return {
        f"{folder.path(name).parent.name}/{name}": folder.path(name).read_bytes()
        for folder in folders
        for name in folder.names()
    }


@pytest.mark.parametrize("workers", [1, 2])
def test_units_side_by_side_write_what_one_writes(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(tmp_path, part_rows=4)
    many_kinds(bench)
    bench.dedupe()
    alone = written(bench)
    counts = {rule for name in bench.run.survivors.names() for rule in _counts(bench, name)}
    assert {"kept", "duplicate", "rejected", "rule.same_fingerprint_v1"} <= counts
    for folder in (bench.run.decisions("dedupe"), bench.run.survivors):
        folder.prune(())
    monkeypatch.setattr("cleaning.copies.stage.APART_ROWS", 0)
    monkeypatch.setattr("cleaning.copies.stage.SHARE_ROWS", 9)
    with WorkerPool(workers) as pool:
        bench.dedupe(pool)
    assert written(bench) == alone
    assert len(alone) > 20
    assert not (bench.run.folder / "dedupe").exists(), "the scratch folder goes"


def _counts(bench: Bench, name: str) -> set[str]:
    seal = bench.run.survivors.seal(name)
    assert seal is not None
    return set(seal.counts)


def test_a_killed_process_leaves_nothing_that_the_next_one_reads(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    many_kinds(bench)
    left = bench.run.folder / "dedupe" / "table"
    left.mkdir(parents=True)
    (left / "phash.npy").write_bytes(b"half")
    (left / ".colour.npy.123.tmp").write_bytes(b"half")
    bench.dedupe()
    assert not (bench.run.folder / "dedupe").exists()
    assert bench.survivors()


def test_the_stage_knows_how_many_bands_there_are() -> None:
    assert stage.BANDS == BANDS
