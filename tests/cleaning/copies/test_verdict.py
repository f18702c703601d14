"""What is a copy of what: the order of judgement, who represents, what is measured and said."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from demo.scenes import render
from tests.cleaning.copies.judged_run import FIRST_DAY, TODAY, Bench, Item, saved

PLAIN = "青瓷茶杯手工釉下彩 200ml"
OTHER = "户外折叠椅便携式钓鱼凳"


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def scene(seed: int = 1, side: int = 300, hue: float = 0.0) -> Image.Image:
    return render(seed, side, side, hue)


def verdicts(found: dict[str, dict[str, object]]) -> dict[str, tuple[object, object]]:
    """(verdict, representative) by record_id."""
    return {name: (row["verdict"], row["peer_id"]) for name, row in found.items()}


def padded(image: Image.Image, share: float = 0.1) -> Image.Image:
    return ImageOps.expand(image, round(image.width * share), "white")


# ------------------------------------------------------------------- what is said of a copy


def test_equal_bytes_come_first_and_name_the_final_representative(bench: Bench) -> None:
    original = saved(scene())
    small = saved(scene().resize((150, 150)))
    found = bench.judge(
        [
            Item("a:1", PLAIN, small),
            Item("a:2", PLAIN, small),
            Item("a:3", PLAIN, original),
            Item("a:4", OTHER, original),
        ]
    )
    assert {name: row["rule"] for name, row in found.items()} == {
        "a:1": "near_fingerprint_v1" if found["a:1"]["value"] != "0" else "same_fingerprint_v1",
        "a:2": found["a:1"]["rule"],
        "a:3": "unique_v1",
        "a:4": "same_bytes_v1",
    }
    assert {row["peer_id"] for row in found.values()} == {"a:3", None}
    assert (found["a:4"]["value"], found["a:4"]["threshold"]) == ("0", 0.0)


def test_a_near_copy_is_told_with_all_that_was_measured(bench: Bench) -> None:
    found = bench.judge(
        [
            Item("a:1", PLAIN, saved(scene())),
            Item("a:2", f"{PLAIN} 特惠", saved(padded(scene(side=200)))),
        ]
    )
    copy = found["a:2"]
    assert copy["peer_id"] == "a:1"
    assert copy["threshold"] == (6.0 if copy["rule"] == "near_fingerprint_v1" else 0.0)
    bits = f"{copy['value']} bits between the trimmed pictures, colours differ by "
    assert f": {bits}" in copy["reason"]
    titles = int(copy["reason"].rpartition("titles share ")[2].removesuffix(" of 32"))
    assert 3 <= titles <= 32


# ----------------------------------------------------------------------- who represents


def test_the_larger_picture_leads_and_a_border_does_not_make_it_larger(bench: Bench) -> None:
    found = bench.judge(
        [
            Item("a:1", PLAIN, saved(scene(side=240))),
            Item("a:2", PLAIN, saved(scene(side=300))),
            Item("a:3", PLAIN, saved(padded(scene(side=300), 0.2))),
        ]
    )
    assert verdicts(found) == {
        "a:1": ("duplicate", "a:2"), "a:2": ("kept", None), "a:3": ("duplicate", "a:2"),
    }  # fmt: skip


def test_then_the_cleaner_title_then_the_earlier_run_then_the_smaller_id(bench: Bench) -> None:
    same = saved(scene())
    yesterday = TODAY - timedelta(hours=20)
    items = [
        Item("a:1", PLAIN, same, removed=1, seen=FIRST_DAY + timedelta(minutes=1)),
        Item("a:2", PLAIN, same),
        # Within one run the order of arrival must not tell.
        Item("a:3", PLAIN, same, seen=yesterday + timedelta(hours=2)),
        Item("a:4", PLAIN, same, seen=yesterday),
    ]
    left = list(items)
    led = []
    for number in itertools.count():
        shop = Bench(bench.folder / str(number))
        found = shop.judge(left)
        (leader,) = (name for name, row in found.items() if row["verdict"] == "kept")
        led.append(leader)
        left = [item for item in left if item.record_id != leader]
        if len(left) == 0:
            break
    assert led == ["a:3", "a:4", "a:2", "a:1"]


def test_what_is_published_stays_however_small(bench: Bench) -> None:
    bench.publish([Item("a:9", PLAIN, saved(scene(side=100)))])
    found = bench.judge([Item("a:1", PLAIN, saved(scene())), Item("b:1", OTHER, saved(scene(2)))])
    assert verdicts(found) == {"a:1": ("duplicate", "a:9"), "b:1": ("kept", None)}


def test_a_published_record_that_opts_out_leads_no_more(bench: Bench) -> None:
    published = Item("a:9", PLAIN, saved(scene()), opted_out=True)
    bench.publish([published])
    found = bench.judge([published, Item("a:8", PLAIN, saved(scene(side=200)))])
    assert verdicts(found) == {"a:8": ("kept", None)}


def test_a_held_record_never_shadows_a_mapped_one_and_can_be_its_copy(bench: Bench) -> None:
    found = bench.judge(
        [
            Item("a:1", PLAIN, saved(scene()), mapped=False),
            Item("a:2", PLAIN, saved(scene(side=200))),
            Item("a:3", OTHER, saved(scene(2)), mapped=False),
        ]
    )
    # The map stage holds a:3; dedupe has nothing to add.
    assert verdicts(found) == {"a:1": ("duplicate", "a:2"), "a:2": ("kept", None)}
    assert set(bench.survivors()) == {"a:2"}


def test_held_copies_of_a_held_record_wait_behind_it(bench: Bench) -> None:
    found = bench.judge(
        [
            Item("a:1", PLAIN, saved(scene(side=200)), mapped=False),
            Item("a:2", PLAIN, saved(scene()), mapped=False),
        ]
    )
    assert verdicts(found) == {"a:1": ("duplicate", "a:2")}
    assert bench.survivors() == {}


# --------------------------------------------------------------------------- two policies


def test_the_exact_policy_takes_equal_bytes_and_equal_fingerprints_alone(
    bench: Bench, oscar_photos: list[Image.Image]
) -> None:
    photo = oscar_photos[0]
    png = saved(photo, "PNG")
    items = [
        Item("a:1", PLAIN, png),
        Item("a:2", PLAIN, png),
        Item("a:3", PLAIN, saved(photo, "BMP")),
        Item("a:4", PLAIN, saved(padded(photo), quality=60)),
    ]
    exact = bench.judge(items, policy="exact")
    assert [exact[name]["rule"] for name in ("a:2", "a:3")] == [
        "same_bytes_v1", "same_fingerprint_v1",
    ]  # fmt: skip
    near = Bench(bench.folder / "near").judge(items)
    assert near["a:4"]["peer_id"] == "a:1"
    assert (exact["a:4"]["verdict"] == "duplicate") == (near["a:4"]["value"] == "0")


@pytest.mark.parametrize("policy", ["near", "exact"])
def test_colour_variants_stay_unless_they_are_not_wanted(
    bench: Bench, oscar_photos: list[Image.Image], policy: str
) -> None:
    # Only the hue is turned: the luminance, and so the perceptual hash, is the photo's.
    def turned(photo: Image.Image) -> Image.Image:
        luma, blue, red = photo.convert("YCbCr").split()
        return Image.merge("YCbCr", (luma, red, blue)).convert("RGB")

    photos = [
        p for p in oscar_photos if p.convert("HSV").split()[1].resize((1, 1)).getpixel((0, 0)) > 60
    ]
    items = [
        Item(f"a:{number:02}{kind}", PLAIN, saved(picture, "PNG"))
        for number, photo in enumerate(photos[:10])
        for kind, picture in (("", photo), ("x", turned(photo)))
    ]
    kept = bench.judge(items, policy=policy)
    variants = [kept[item.record_id]["verdict"] for item in items if item.record_id.endswith("x")]
    assert variants.count("kept") >= 0.9 * len(variants)
    merged = Bench(bench.folder / "off").judge(items, policy="near", keep_variants=False)
    gone = [merged[item.record_id]["verdict"] for item in items if item.record_id.endswith("x")]
    assert gone.count("duplicate") >= 0.8 * len(gone)


def test_beyond_the_free_radius_titles_have_to_agree(bench: Bench) -> None:
    pairs = [(seed, padded(scene(seed, 200), 0.03)) for seed in range(40)]
    items = [Item(f"a:{seed}", PLAIN, saved(scene(seed))) for seed, _ in pairs]
    items += [Item(f"b:{seed}", OTHER, saved(copy, quality=30)) for seed, copy in pairs]
    free = bench.judge(items, min_title_agreement=0)
    strict = Bench(bench.folder / "strict").judge(items, min_title_agreement=16)
    far = {name for name, row in free.items() if row["value"] and int(row["value"]) > 4}
    near = {n for n, row in free.items() if row["verdict"] == "duplicate"} - far
    assert {name for name in near if strict[name]["verdict"] != "duplicate"} == set()
    assert all(strict[name]["verdict"] == "kept" for name in far)


# ---------------------------------------------------------------------------- leak groups


def test_a_newcomer_joins_the_group_of_its_published_neighbours(bench: Bench) -> None:
    """The group is named after a record that has left; its split must not be drawn anew."""
    bench.publish([Item("a:5", PLAIN, saved(scene()), group="a:0", split="test")])
    # Another colour: no copy, but a picture that must not move from the test to the training set.
    variant = Item("a:1", PLAIN, saved(scene(hue=120)))
    found = bench.judge([variant, Item("a:2", OTHER, saved(scene(7)))])
    assert found["a:1"]["verdict"] == "kept"
    assert bench.survivors() == {"a:1": "a:0", "a:2": "a:2"}


def test_a_newcomer_between_two_splits_is_refused(bench: Bench) -> None:
    bench.publish(
        [
            Item("a:1", PLAIN, saved(scene(hue=120)), split="test"),
            Item("a:2", PLAIN, saved(scene(hue=240)), split="train"),
        ]
    )
    found = bench.judge([Item("a:3", PLAIN, saved(scene()))])
    assert found["a:3"]["rule"] == "bridges_splits_v1"
